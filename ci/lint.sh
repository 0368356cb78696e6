#!/bin/sh
# Format, floors, banned calls, cppcheck, clang-tidy. lint.sh [build directory]
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
bad=0
check() {
    name=$1
    shift
    if out=$("$@" 2>&1); then echo "$name: ok"; else echo "$out" | tail -n 60; echo "$name: FAILED"; bad=1; fi
}

queue=$(echo '#include <sys/queue.h>' | cc -E -M -x c - | grep -o '/[^ ]*/queue.h') # cppcheck needs its macros
sources=$(git ls-files 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')
# shellcheck disable=SC2086
{
    check format clang-format --dry-run -Werror $sources
    check layers ci/check_layers.py
    check 'banned calls' ci/check_banned.py
    check cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
        --inline-suppr --include="$queue" --suppressions-list=ci/cppcheck.suppress -I src -j 2 src
    check clang-tidy sh -c "git ls-files 'src/*.c' | xargs -P 2 -n 8 clang-tidy --quiet -p $build 2>/dev/null"
}
exit $bad
