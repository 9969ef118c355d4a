#!/bin/sh
# Starts a server with the users of users.acl. Their passwords come from the environment, and only their hashes go into
# the file that the server reads:
#
#     with-users.sh /run/runweaver/users.acl redis-server --appendonly yes
#
# One of a cluster also has the users of cluster-users.acl: who replicas are at their primary, and who makes the cluster.
# A replica needs its password itself; it lies beside the file, for the server alone:
#
#     with-users.sh --cluster /run/runweaver/users.acl redis-server --cluster-enabled yes
set -eu

fail() {
    echo "with-users.sh: $1" >&2
    exit 2
}

here=$(dirname "$0")
names="producer worker finalizer reader webhooks"
users=$(cat "$here/users.acl")
cluster=
if [ "$1" = --cluster ]; then
    cluster=yes
    shift
    names="$names replica operator"
    users=$(cat "$here/users.acl" "$here/cluster-users.acl")
fi
file=$1
shift
for user in $names; do
    variable=RUNWEAVER_$(echo "$user" | tr '[:lower:]' '[:upper:]')_PASSWORD
    eval "password=\${$variable:-}"
    case $password in
        "") fail "$variable is not set: the password of the user $user" ;;
        # It stands in URLs as it is.
        *[!A-Za-z0-9._~-]*) fail "$variable may have the characters A-Z a-z 0-9 . _ ~ - and no others" ;;
    esac
    hash=$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)
    users=$(echo "$users" | sed "s/^user $user on /&#$hash /")
done
(umask 077 && echo "$users" > "$file")
set -- "$@" --aclfile "$file"
if [ -n "$cluster" ]; then
    # Not on the command line, which others on the machine can read.
    (umask 077 && printf 'masteruser replica\nmasterauth %s\n' "$RUNWEAVER_REPLICA_PASSWORD" > "$file.replica")
    set -- "$@" --include "$file.replica"
fi
# In a container this runs as root, and the server does not.
if [ "$(id -u)" = 0 ] && id redis > /dev/null 2>&1; then
    chown redis "$file" ${cluster:+"$file.replica"}
fi

exec "$@"
