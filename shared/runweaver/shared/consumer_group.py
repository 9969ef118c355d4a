"""What all consumer groups have in common: names of the dead, which would gather in them."""

from typing import Final

from redis import Redis

#: In one step, because a consumer that is alive after all would lose what it reads in between.
_FORGET_DEAD: Final = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local facts = {}
    for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
    if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
    end
end
"""


def forget_dead(client: Redis, stream: str, group: str, *, idle_s: float) -> None:
    """Take the names off the group that have been silent for so long, if nothing is pending under them."""
    client.eval(_FORGET_DEAD, 1, stream, group, str(int(idle_s * 1000)))
