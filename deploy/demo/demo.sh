#!/bin/bash
# The first thing to run: a key is imported under a release policy, released over HTTP with real
# cryptography at every step, and a denied release is explained. Needs no Azure and no special hardware.
#
#   demo.sh [-keep] [directory of the programs]
# -keep leaves cloudsim and skr running, so that the printed commands can be repeated.
set -euo pipefail

keep=
if [ "${1:-}" = -keep ]; then keep=1; shift; fi
bin=$(readlink -f "${1:-build/bin}")
state=${DEMO_STATE:-$bin/../demo}
mkdir -p "$state"
state=$(readlink -f "$state")
port=${DEMO_PORT:-8080}
tls=${DEMO_TLS_PORT:-8443} http=${DEMO_HTTP_PORT:-8180} control=${DEMO_CONTROL_PORT:-8190}
pids=()

stop() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
}
trap stop EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }

# Shows a command, runs it, and shows what it prints.
run() {
    printf '$ %s\n' "$1"
    eval "$1"
}

wait_for() { # what, command
    for _ in $(seq 200); do
        if eval "$2" >/dev/null 2>&1; then return; fi
        for p in "${pids[@]}"; do
            kill -0 "$p" 2>/dev/null || { echo "demo: a program ended early:" >&2; tail -n 20 "$state"/*.log >&2; exit 1; }
        done
        sleep 0.1
    done
    echo "demo: $1 did not come up:" >&2
    tail -n 20 "$state"/*.log >&2
    exit 1
}

say 'The local cloud: attestation service, vaults, metadata service, and a simulated processor'
printf '$ cloudsim -dir %s -tls_port %s -http_port %s -control_port %s &\n' "$state" "$tls" "$http" "$control"
"$bin/cloudsim" -dir "$state" -tls_port "$tls" -http_port "$http" -control_port "$control" >"$state/cloudsim.log" 2>&1 &
pids+=($!)
wait_for cloudsim "grep -qx ready $state/cloudsim.log"
run ". $state/env.sh"
echo "  attestation service $CLOUDSIM_MAA, vault $CLOUDSIM_AKV, managed HSM $CLOUDSIM_HSM"

say 'The sidecar, in development mode: it takes reports from the simulated processor'
config=$(printf '{"simulated_psp":"%s","certcache":{"endpoint_type":"LocalTHIM","endpoint":"%s"}}' "$CLOUDSIM_PSP" "$CLOUDSIM_THIM")
printf '$ skr -insecure-dev -port %s -loglevel info -base64 "$(echo '\''%s'\'' | base64 -w0)" &\n' "$port" "$config"
"$bin/skr" -insecure-dev -port "$port" -loglevel info -base64 "$(echo "$config" | base64 -w0)" >"$state/skr.log" 2>&1 &
pids+=($!)
wait_for skr "curl -sf http://127.0.0.1:$port/readyz"
run "curl -s http://127.0.0.1:$port/status; echo"

say 'An access token for the vault, from the metadata service'
run "token=\$(curl -s -H Metadata:true '$CLOUDSIM_IMDS/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net' | jq -r .access_token)"

policy() { # HOST_DATA
    jq -nc --arg maa "https://$CLOUDSIM_MAA" --arg hd "$1" '{version:"1.0.0",anyOf:[{authority:$maa,allOf:[
        {claim:"x-ms-sevsnpvm-hostdata",equals:$hd},{claim:"x-ms-sevsnpvm-is-debuggable",equals:"false"}]}]}'
}
import() { # name, HOST_DATA
    policy "$2" >"$state/policy-$1.json"
    jq -nc --arg k "$key" --arg p "$(base64 -w0 <"$state/policy-$1.json" | tr '+/' '-_' | tr -d =)" \
        '{key:{kty:"oct-HSM",k:$k,key_size:256},hsm:true,attributes:{exportable:true},release_policy:{contentType:"application/json; charset=utf-8",data:$p}}' >"$state/import-$1.json"
    run "curl -s --cacert $state/ca.pem -X PUT -H \"Authorization: Bearer \$token\" -H 'Content-Type: application/json' -d @$state/import-$1.json 'https://$CLOUDSIM_AKV/keys/$1?api-version=7.4' | jq -c '{kid:.key.kid,attributes}'"
}

key=$(head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_' | tr -d =)
host_data=$(base64 -d <"$state/security-context/security-policy-base64" | sha256sum | cut -d' ' -f1)
say "A 256-bit key, which the vault may release to exactly this group: HOST_DATA = SHA-256 of its policy"
import demo-key "$host_data"

say 'Release it: report, attestation token, release policy, unwrapping'
release() {
    printf '{"maa_endpoint":"%s","akv_endpoint":"%s","kid":"%s"}' "$CLOUDSIM_MAA" "$CLOUDSIM_AKV" "$1"
}
run "curl -s -d '$(release demo-key)' http://127.0.0.1:$port/key/release | tee $state/released.json; echo"
[ "$(jq -r '.key | fromjson | .k' "$state/released.json")" = "$key" ] || { echo 'demo: this is not the key that was imported' >&2; exit 1; }
echo '  the released key is the imported one'

say 'A key of another group: the vault says no, and skr says which claim failed'
import other-key "$(printf '%064d' 0)"
run "curl -s -d '$(release other-key)' http://127.0.0.1:$port/key/release | tee $state/denied.json | jq '{error,code,stage,explain:(.explain|{authority,satisfied,failed})}'"
jq -e '.code == "policy_denied" and .explain.failed[0].claim == "x-ms-sevsnpvm-hostdata"' "$state/denied.json" >/dev/null ||
    { echo 'demo: the denial is not explained' >&2; exit 1; }

say 'What to try next'
cat <<TXT
  the log of skr             $state/skr.log   (the denial as a table of claims)
  evidence for somebody else curl -s -d '{"runtime_data":"eyJhIjoxfQ=="}' http://127.0.0.1:$port/attest/combined
  a failing service          curl -s -d '{"service":"maa","status":503,"times":2}' http://127.0.0.1:$control/faults
  what the cloud received    curl -s http://127.0.0.1:$control/journal | jq
  metrics                    curl -s http://127.0.0.1:$port/metrics
TXT
if [ -n "$keep" ]; then
    echo "  cloudsim and skr go on: stop them with kill ${pids[*]}"
    trap - EXIT
else
    echo "  everything stops now; deploy/demo/demo.sh -keep $bin leaves it running"
fi
