#!/bin/bash
# in_cloud.sh COMMAND…: runs COMMAND in network and mount namespaces of its own, where the public names and addresses
# of the cloud are on loopback and nothing else can be reached. Needs root. Files of hosts and of the resolver are
# private to the namespace, so that programs which nobody configured go where the simulated cloud listens.
set -eu
[ "${IN_CLOUD:-}" = 1 ] || IN_CLOUD=1 exec unshare -n -m --propagation private "$0" "$@"
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
ip link set lo up
ip addr add 169.254.169.254/32 dev lo

# Puts standard input in place of a file; the mount keeps what is unlinked.
replace() {
    local new
    new=$(mktemp)
    cat >"$new"
    chmod 0644 "$new"
    mount --bind "$new" "$(readlink -f "$1")"
    rm "$new"
}

replace /etc/hosts <<'HOSTS'
127.0.0.1 localhost
::1 localhost
127.77.0.1 sharedneu.neu.attest.azure.net
127.77.0.2 sim.vault.azure.net my-vault.vault.azure.net
127.77.0.3 sim.managedhsm.azure.net my-hsm.managedhsm.azure.net
127.77.0.4 login.microsoftonline.com
HOSTS
replace /etc/resolv.conf <<'RESOLVER'
nameserver 127.0.0.53
options timeout:1 attempts:1
RESOLVER
exec "$@"
