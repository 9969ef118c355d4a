"""Servers behind sentinels: these are asked which one is the primary whenever a connection is made."""

from typing import Any

from redis import Redis
from redis import exceptions as driver
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from runweaver.shared.server_url import ServerUrl


def behind_sentinels(servers: ServerUrl, options: dict[str, Any]) -> Redis:
    """A client of the primary that the sentinels of this URL name.

    Args:
        servers: the sentinels, and what they call the primary.
        options: of each connection, also to a sentinel as far as they are not about what is in the server.
    """
    options.pop("connection_class", None)
    secure = {"ssl": True} if servers.is_secure else {}
    login = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    of_sentinels = {name: value for name, value in options.items() if name.startswith(("ssl_", "socket_", "client_"))}
    sentinels: Any = _Sentinels(  # type: ignore[no-untyped-call] # the driver's
        # One that does not answer is not asked again: there are others.
        servers.addresses,
        sentinel_kwargs={**of_sentinels, **login, **secure, "retry": Retry(NoBackoff(), 0)},
    )
    client: Redis = sentinels.master_for(servers.primary, **options, **secure)
    return client


class _Sentinels(Sentinel):
    """The driver's keeps to itself why no sentinel answered."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's host and port, from the first sentinel that knows it.

        Raises:
            AuthenticationError: none lets us in.
            MasterNotFoundError: none knows it, or none answers; that came of why the last does not.
        """
        failures: list[driver.RedisError] = []
        for sentinel in list(self.sentinels):
            try:
                masters: Any = sentinel.sentinel_masters()
            except (driver.ConnectionError, driver.TimeoutError) as error:
                failures.append(error)
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call] # the driver's
                # The next to be asked is one that answers.
                self.sentinels.remove(sentinel)
                self.sentinels.insert(0, sentinel)
                return state["ip"], state["port"]
        if len(failures) < len(self.sentinels):
            raise MasterNotFoundError(f"No master found for {service_name!r}")
        if isinstance(failures[-1], driver.AuthenticationError):
            raise failures[-1]
        raise MasterNotFoundError(str(failures[-1])) from failures[-1]
