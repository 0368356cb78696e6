#!/bin/sh
# Fuzzes every parser for a while: fuzz.sh [seconds for each target] [target ...]
set -u
cd "$(dirname "$0")/.."
seconds=${1:-10}
[ $# -eq 0 ] || shift
build=build-fuzz
export SOURCE_ROOT=$PWD
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Db_lundef=false >$build.log 2>&1 || { cat $build.log; exit 1; }
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
bad=0
for t in "$@"; do
    ninja -C $build "tests/fuzz/fuzz_$t" >$build.log 2>&1 || { tail -n 30 $build.log; exit 1; }
    work=$build/corpus/$t
    mkdir -p "$work" "tests/fuzz/corpus/$t"
    if out=$($build/tests/fuzz/fuzz_"$t" -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix=$build/ -print_final_stats=1 "$work" "tests/fuzz/corpus/$t" 2>&1); then
        echo "fuzz $t: $(echo "$out" | sed -n 's/^stat::number_of_executed_units: *//p') runs, no finding"
    else
        echo "$out" | tail -n 40
        echo "fuzz $t: FAILED"
        bad=1
    fi
done
exit $bad
