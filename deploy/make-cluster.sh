#!/bin/sh
# Makes one cluster of servers that run with cluster-enabled and hold nothing, with a replica for each primary:
#
#     make-cluster.sh one:6379 two:6379 three:6379 four:6379 five:6379 six:6379
#
# It waits for all of them. Where they are a cluster already, it says so and changes nothing, but that they are told each
# other's addresses anew where they have lost sight of each other: those of containers change.
#
# With RUNWEAVER_OPERATOR_PASSWORD it logs in as the user operator. RUNWEAVER_REPLICAS says how many replicas a primary
# has (1), RUNWEAVER_PATIENCE_S how long to wait for each step (60).
set -eu

replicas=${RUNWEAVER_REPLICAS:-1}
patience_s=${RUNWEAVER_PATIENCE_S:-60}
slots=16384

say() {
    echo "make-cluster.sh: $1"
}

fail() {
    say "$1" >&2
    exit 1
}

cli=$(command -v redis-cli || command -v valkey-cli) || fail "neither redis-cli nor valkey-cli is here"
as=
if [ -n "${RUNWEAVER_OPERATOR_PASSWORD:-}" ]; then
    export REDISCLI_AUTH="$RUNWEAVER_OPERATOR_PASSWORD"
    as="--user operator"
fi

# The answer of a node, or nothing and what went wrong: ask host:port command…
ask() {
    node=$1
    shift
    # shellcheck disable=SC2086 # Two words, or none.
    timeout 5 "$cli" -h "${node%:*}" -p "${node##*:}" $as --no-auth-warning -e "$@" 2>&1 | tr -d '\r'
}

# One figure of CLUSTER INFO: figure host:port name
figure() {
    ask "$1" cluster info | sed -n "s/^$2://p"
}

# Repeats a command until it succeeds: wait_for what command…
wait_for() {
    what=$1
    shift
    ends=$(($(date +%s) + patience_s))
    until "$@"; do
        [ "$(date +%s)" -lt "$ends" ] || fail "$what, for $patience_s s"
        sleep 0.5
    done
}

answers() {
    answer=$(ask "$1" ping)
    case $answer in
        PONG) ;;
        # Waiting would not help.
        *WRONGPASS* | *NOAUTH* | *NOPERM*) fail "$1 refuses the user: $(echo "$answer" | head -n 1)" ;;
        *) return 1 ;;
    esac
}

is_whole() {
    for each in $nodes; do
        [ "$(figure "$each" cluster_state)" = ok ] || return 1
        [ "$(figure "$each" cluster_slots_assigned)" = "$slots" ] || return 1
        [ "$(figure "$each" cluster_known_nodes)" -ge "$count" ] || return 1
    done
}

introduce_all() {
    for each in $nodes; do
        [ "$each" = "$first" ] || ask "$first" cluster meet "${each%:*}" "${each##*:}" > /dev/null
    done
}

[ $# -gt 0 ] || fail "say which servers: make-cluster.sh host:port host:port …"
nodes=
for given in "$@"; do
    case ${given##*:} in
        "" | *[!0-9]* | "$given") fail "$given is not host:port" ;;
    esac
    host=${given%:*}
    wait_for "$given does not answer" answers "$given"
    # A cluster knows its servers by their addresses, not by their names.
    address=$(getent ahostsv4 "$host" 2> /dev/null | sed -n '1s/ .*//p')
    nodes="$nodes ${address:-$host}:${given##*:}"
done
count=$#
# shellcheck disable=SC2086 # Each node is a word.
set -- $nodes
first=$1

blank=0
known=$(ask "$first" cluster nodes)
for each in $nodes; do
    case $(ask "$each" info cluster) in
        *cluster_enabled:1*) ;;
        *) fail "$each does not run with cluster-enabled yes" ;;
    esac
    case $(figure "$each" cluster_known_nodes):$(figure "$each" cluster_slots_assigned) in
        1:0) blank=$((blank + 1)) ;;
        1:*) fail "$each is in no cluster and holds slots, or data. \`FLUSHALL\` and \`CLUSTER RESET HARD\` make it blank" ;;
    esac
done

if [ "$blank" = "$count" ]; then
    # shellcheck disable=SC2086
    "$cli" --cluster create $nodes --cluster-replicas "$replicas" --cluster-yes $as --no-auth-warning
    wait_for "the cluster is not whole" is_whole
    say "made a cluster of $count servers"
    exit 0
fi

for each in $nodes; do
    case $known in
        *"$(ask "$each" cluster myid)"*) ;;
        *) fail "$each and $first are not of the same cluster. To add a server to one, see \`$cli --cluster help\`" ;;
    esac
done
is_whole || introduce_all
wait_for "the cluster is not whole" is_whole
say "they are a cluster already"
