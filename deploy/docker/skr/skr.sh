#!/bin/sh
# Entry point of the key-release container: environment to flags, signals to skr, skr's exit code
# out. Arguments are never printed: they can hold tokens.
#
#   skr.sh [configuration, base64] [port]
# Environment: SkrSideCarArgs, Port (instead of the arguments), LogFile, LogLevel, ServerType.
# Afterwards the file "result" in the working directory holds 1 (skr ended with 0) or 0.

config=${SkrSideCarArgs:-${1:-}}
port=${Port:-${2:-}}

set --
[ -n "$config" ] && set -- "$@" -base64 "$config"
[ -n "$port" ] && set -- "$@" -port "$port"
[ -n "${LogFile:-}" ] && set -- "$@" -logfile "$LogFile"
[ -n "${LogLevel:-}" ] && set -- "$@" -loglevel "$LogLevel"
[ -n "${ServerType:-}" ] && set -- "$@" -server_type "$ServerType"

child=
signalled=
trap 'signalled=TERM; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM
trap 'signalled=INT; [ -z "$child" ] || kill -INT "$child" 2>/dev/null' INT
trap '[ -z "$child" ] || kill -HUP "$child" 2>/dev/null' HUP

"${SKR:-/bin/skr}" "$@" &
child=$!
[ -z "$signalled" ] || kill -"$signalled" "$child" 2>/dev/null

# wait returns early when a trap ran: until skr is gone, its status is not known.
while :; do
    wait "$child"
    status=$?
    kill -0 "$child" 2>/dev/null || break
done

if [ "$status" -eq 0 ]; then echo 1 >result; else echo 0 >result; fi
exit "$status"
