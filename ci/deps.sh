#!/bin/sh
# Installs Debian packages in sets: deps.sh build|demo|test|bench|lint ... Does nothing, fast, when all are there.
set -eu

packages() {
    case $1 in
    build) echo gcc libc6-dev meson ninja-build pkg-config git ca-certificates \
        libssl-dev libjansson-dev libcurl4-openssl-dev libmicrohttpd-dev nettle-dev libgmp-dev ;;
    demo) packages build; echo curl jq ;;
    test) packages demo; echo libcmocka-dev python3 python3-pytest python3-cryptography python3-jwcrypto \
        python3-pytest-xdist python3-hypothesis python3-prometheus-client python3-venv python3-yaml slowhttptest openssl iproute2 procps ;;
    bench) packages build; echo python3 ;;
    lint) packages test; echo clang llvm libclang-rt-14-dev clang-format clang-tidy cppcheck ;;
    *) echo "deps.sh: unknown set \"$1\": use build, demo, test, bench or lint" >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- build
missing=
for set in "$@"; do
    for p in $(packages "$set"); do
        dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
    done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "deps.sh: missing$missing; install them as root" >&2; exit 1; }
    as_root=sudo
fi
echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
    $as_root apt-get update -q
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
} >"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
