"""What a server lets the user of a URL do.

The server is asked for each command within a transaction that is discarded: it judges a command when it takes it in,
and does none of them. (ACL DRYRUN would be for administrators only.) A producer may have no transactions: its commands
are such that they change nothing where they are done.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from runweaver.console.doctor.check import Check, ok, wrong

Role = Literal["producer", "worker", "finalizer", "reader"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_MOST_NAMED: Final = 4

_TRY: Final = "{runweaver-doctor}"
_CONTAINERS: Final = frozenset({"CLIENT", "MEMORY", "XGROUP", "XINFO"})

#: What each role does, with keys of each kind that it does it to. Of RQ's keys there is a server that may be another.
#: `NS` is the namespace.
_ON_DATA: Final[Mapping[Role, Sequence[str]]] = {
    "producer": (
        "GET NS:partitions",
        "WATCH NS:partitions",
        "UNWATCH",
        f"XLEN NS:messages:{_TRY}",
        f"XADD NS:messages:{_TRY} NOMKSTREAM * 0 0",
    ),
    "worker": (
        "INFO",
        "TIME",
        "GET NS:partitions",
        "SET NS:partitions 1",
        "WATCH NS:partitions",
        "UNWATCH",
        "SET NS:sweep-lock 0 NX PX 1",
        "XGROUP CREATE NS:messages:{0} workers 0 MKSTREAM",
        "XGROUP DELCONSUMER NS:messages:{0} workers none",
        "XINFO CONSUMERS NS:messages:{0} workers",
        "XREADGROUP GROUP workers none STREAMS NS:messages:{0} >",
        "XAUTOCLAIM NS:messages:{0} workers none 1000 0-0",
        "XPENDING NS:messages:{0} workers",
        "XACK NS:messages:{0} workers 1-1",
        "XDEL NS:messages:{0} 1-1",
        "XRANGE NS:messages:{0} - +",
        "XLEN NS:messages:{0}",
        f"HSET NS:run:{_TRY} 0 0",
        f"HLEN NS:run:{_TRY}",
        f"MEMORY USAGE NS:run:{_TRY}",
        f"EXISTS NS:archive:{_TRY} NS:summary:{_TRY}",
        "ZADD NS:active:{0} 0 none",
        "ZADD NS:due:{0} 0 none",
        "ZINCRBY NS:due:{0} 1 none",
        "ZMSCORE NS:due:{0} none",
        "ZSCORE NS:active:{0} none",
        "ZCARD NS:active:{0}",
        "ZREM NS:active:{0} none",
        "ZRANGE NS:due:{0} 0 0",
        "EVAL return 1 NS:due:{0}",
        f"GET NS:summary:{_TRY}",
        f"DEL NS:summary:{_TRY}",
        f"DEL NS:figures:{_TRY}",
        "ZRANGE NS:index:expiry 0 0",
        "ZREM NS:index:all none",
        "XADD NS:dead-letters:{0} * 0 0",
        "XREVRANGE NS:dead-letters:{0} + -",
        "XTRIM NS:dead-letters:{0} MINID 0",
        "HGET NS:suspects:{0} 0",
        "HSET NS:suspects:{0} 0 0",
        "HDEL NS:suspects:{0} 0",
        "EXPIRE NS:suspects:{0} 1",
    ),
    "finalizer": (
        "INFO",
        "TIME",
        "GET NS:partitions",
        f"WATCH NS:run:{_TRY} NS:archive:{_TRY} NS:summary:{_TRY}",
        "UNWATCH",
        f"HGETALL NS:run:{_TRY}",
        f"HDEL NS:run:{_TRY} 0",
        f"HLEN NS:run:{_TRY}",
        f"GET NS:archive:{_TRY}",
        f"SET NS:archive:{_TRY} 0 EX 1",
        f"SET NS:summary:{_TRY} 0 EX 1",
        f"SET NS:figures:{_TRY} 0 EX 1",
        f"MGET NS:summary:{_TRY}",
        "ZMSCORE NS:due:{0} none",
        "ZMSCORE NS:active:{0} none",
        "ZADD NS:due:{0} 0 none",
        "EVAL return 2 NS:due:{0} NS:active:{0}",
        "ZADD NS:index:all 0 none",
        "ZREM NS:index:all none",
        "ZRANGE NS:index:expiry 0 0",
        "XADD NS:finished * 0 0",
        "XADD NS:dead-letters:{0} * 0 0",
    ),
    "reader": (
        "INFO",
        "TIME",
        "GET NS:partitions",
        "XLEN NS:messages:{0}",
        "XRANGE NS:messages:{0} - +",
        "XINFO CONSUMERS NS:messages:{0} workers",
        "XPENDING NS:messages:{0} workers",
        f"HGETALL NS:run:{_TRY}",
        f"HLEN NS:run:{_TRY}",
        f"EXISTS NS:archive:{_TRY}",
        f"GET NS:archive:{_TRY}",
        f"MGET NS:summary:{_TRY} NS:figures:{_TRY}",
        "ZCARD NS:active:{0}",
        "ZSCORE NS:active:{0} none",
        "ZMSCORE NS:active:{0} none",
        "ZRANGE NS:due:{0} 0 0",
        "ZRANGE NS:index:all 0 0",
        "ZREVRANGE NS:index:all 0 0",
        "XREVRANGE NS:finished + -",
        "XREAD STREAMS NS:finished 0",
        "XINFO GROUPS NS:finished",
        "XINFO STREAM NS:finished",
        "XRANGE NS:dead-letters:{0} - +",
        "XRANGE NS:webhook-dead-letters - +",
    ),
}
_ON_JOBS: Final[Mapping[Role, Sequence[str]]] = {
    "producer": (),
    "worker": (
        "SADD rq:queues none",
        "RPUSH rq:queue:NS-finalize none",
        "LLEN rq:queue:NS-finalize",
        f"HSET rq:job:{_TRY} 0 0",
        f"EXPIRE rq:job:{_TRY} 1",
        "ZCARD rq:failed:NS-finalize",
        "SMEMBERS rq:workers:NS-finalize",
        f"EXISTS rq:worker:{_TRY}",
    ),
    "finalizer": (
        "CLIENT INFO",
        "CLIENT LIST",
        "SADD rq:queues none",
        "SMEMBERS rq:workers:NS-finalize",
        "SREM rq:workers none",
        "BLMOVE rq:queue:NS-finalize rq:queue:NS-finalize:intermediate LEFT RIGHT 1",
        "RPUSH rq:queue:NS-finalize none",
        "LREM rq:queue:NS-finalize:intermediate 1 none",
        "LRANGE rq:queue:NS-finalize:intermediate 0 0",
        "LLEN rq:queue:NS-finalize",
        f"HGETALL rq:job:{_TRY}",
        f"HSET rq:job:{_TRY} 0 0",
        f"PERSIST rq:job:{_TRY}",
        f"EXPIRE rq:job:{_TRY} 1",
        f"DEL rq:job:{_TRY}",
        f"XADD rq:results:{_TRY} * 0 0",
        f"XREVRANGE rq:results:{_TRY} + -",
        f"XTRIM rq:results:{_TRY} MAXLEN 0",
        f"HSET rq:worker:{_TRY} 0 0",
        f"HGET rq:worker:{_TRY} 0",
        f"HINCRBY rq:worker:{_TRY} 0 1",
        f"HINCRBYFLOAT rq:worker:{_TRY} 0 1",
        f"EXISTS rq:worker:{_TRY}",
        "ZADD rq:wip:NS-finalize 0 none",
        "ZREM rq:wip:NS-finalize none",
        "ZSCORE rq:wip:NS-finalize none",
        "ZADD rq:failed:NS-finalize 0 none",
        "ZCARD rq:failed:NS-finalize",
        "ZRANGE rq:finished:NS-finalize 0 0",
        "ZRANGEBYSCORE rq:failed:NS-finalize 0 0",
        "ZREMRANGEBYSCORE rq:failed:NS-finalize 0 0",
    ),
    "reader": (
        "LLEN rq:queue:NS-finalize",
        "ZCARD rq:failed:NS-finalize",
        "SMEMBERS rq:workers:NS-finalize",
        f"HGET rq:worker:{_TRY} version",
        f"EXISTS rq:worker:{_TRY}",
    ),
}


def commands_of(role: Role) -> set[str]:
    """The commands that a role is asked for."""
    return {_name(line.split()) for line in (*_ON_DATA[role], *_ON_JOBS[role])}


def check_rights(data: Redis, jobs: Redis, namespace: str, role: Role | None) -> Iterator[Check]:
    """Ask whether the user may do what a role does; without one, which of them it may be.

    Args:
        data: one server, as this user.
        jobs: RQ's server, as its user.
        namespace: whose keys.
        role: to be held against. What is refused then stands in the server's ACL LOG, as everything does.
    """
    lacking = {each: _lacking(data, jobs, namespace, each) for each in ([role] if role is not None else ROLES)}
    able = [each for each, commands in lacking.items() if not commands]
    if able:
        yield ok("rights", f"This user may be a {' or a '.join(able)}.")
    elif role is None:
        what = f"This user may be none of {', '.join(ROLES)}."
        yield wrong("rights", what, "Say `--role` to see what it lacks, or use a user of deploy/users.acl.")
    else:
        what = f"This user may not be a {role}: it lacks {_told(lacking[role])}."
        yield wrong("rights", what, f"Give it what deploy/users.acl gives the {role}, or use that user.")


def _lacking(data: Redis, jobs: Redis, namespace: str, role: Role) -> list[str]:
    asked = [(data, _ON_DATA[role]), (jobs, _ON_JOBS[role])]
    return [each for server, lines in asked for each in _refused(server, _filled(lines, namespace), role)]


def _filled(lines: Iterable[str], namespace: str) -> list[list[str]]:
    return [[word.replace("NS", namespace, 1) for word in line.split()] for line in lines]


def _refused(server: Redis, commands: Sequence[Sequence[str]], role: Role) -> list[str]:
    pool = server.connection_pool
    connection: Any = pool.get_connection()
    try:
        if role != "producer" and _is_refusal(_replies(connection, [["MULTI"]])[0]):
            return ["MULTI"]  # and the others would be done, not only asked for
        replies = _replies(connection, commands)
        return [_spelled(words) for words, reply in zip(commands, replies, strict=True) if _is_refusal(reply)]
    finally:
        # The server forgets a transaction whose client is gone.
        connection.disconnect()
        pool.release(connection)


def _replies(connection: Any, commands: Sequence[Sequence[str]]) -> list[Any]:
    connection.send_packed_command(connection.pack_commands(commands))
    return [_reply(connection) for _ in commands]


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _is_refusal(reply: Any) -> bool:
    """Any other error means that the user may: the key is elsewhere in a cluster, say."""
    return isinstance(reply, NoPermissionError) or "unknown command" in str(reply)


def _name(words: Sequence[str]) -> str:
    return " ".join(words[:2]) if words[0] in _CONTAINERS else words[0]


def _spelled(words: Sequence[str]) -> str:
    """A command and its first key, if it has any."""
    return " ".join([_name(words), *[word for word in words if ":" in word][:1]])


def _told(commands: Sequence[str]) -> str:
    more = len(commands) - _MOST_NAMED
    return ", ".join(commands[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
