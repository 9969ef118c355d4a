#!/bin/sh
# Starts a server with the users of users.acl. Their passwords come from the environment, and only their hashes go into
# the file that the server reads:
#
#     with-users.sh /run/runweaver/users.acl redis-server --appendonly yes
set -eu

fail() {
    echo "with-users.sh: $1" >&2
    exit 2
}

file=$1
shift
users=$(cat "$(dirname "$0")/users.acl")
for user in producer worker finalizer reader webhooks; do
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
# In a container this runs as root, and the server does not.
if [ "$(id -u)" = 0 ] && id redis > /dev/null 2>&1; then
    chown redis "$file"
fi

exec "$@" --aclfile "$file"
