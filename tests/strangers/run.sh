#!/bin/bash
# run.sh BUILD [pytest arguments]: makes the virtual environment under BUILD and runs these tests of BUILD/bin in namespaces of
# their own. Ends with 77 and a line "SKIPPED: reason" where the machine cannot.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(readlink -f "$1")
shift
venv=$build/strangers-venv

skip() { echo "SKIPPED: $1"; exit 77; }

[ "$(id -u)" -eq 0 ] || skip 'namespaces of their own need root'
unshare -n -m true 2>/dev/null || skip 'network and mount namespaces cannot be made here'
command -v ip >/dev/null || skip 'iproute2 is not installed'

if ! cmp -s "$here/requirements.txt" "$venv/made-of"; then
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv" >"$build/strangers-venv.log" 2>&1 || skip "a virtual environment cannot be made: $(tail -n 1 "$build/strangers-venv.log")"
    "$venv/bin/pip" install -q -r "$here/requirements.txt" >"$build/strangers-venv.log" 2>&1 ||
        skip "the packages of requirements.txt cannot be had: $(tail -n 1 "$build/strangers-venv.log")"
    cp "$here/requirements.txt" "$venv/made-of"
fi

export BIN=$build/bin PYTHONDONTWRITEBYTECODE=1 PATH=$venv/bin:$PATH
exec "$here/in_cloud.sh" "$venv/bin/python" -m pytest -q -p no:cacheprovider --tb=short --durations=5 "$@" "$here"
