"""The clients of the Redis store: from a url to a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from rpc_sessions.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    Client: TypeAlias = Redis | RedisCluster

_PATIENCE = 5.0  # seconds for a connection, and for an answer: less than the deadline of a call
_CONNECTIONS = 100


def maker(url: str) -> Callable[[], Client]:
    """What makes a client for a url. ConfigError if that is none."""
    parts = urlsplit(url)
    makers = {"": _one_server, "sentinel": _sentinel, "cluster": _cluster}
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in ("redis", "rediss", "unix") or kind not in makers or (scheme == "unix" and kind):
        raise ConfigError(f"the redis store cannot use a url with {parts.scheme}://")
    try:
        _check(url, kind)
    except ValueError as error:
        raise ConfigError(f"the url of the redis store: {error}") from None
    return lambda: makers[kind](url)


def _check(url: str, kind: str) -> None:
    """ValueError for what would fail at the first call."""
    from redis.asyncio.connection import parse_url

    parts = urlsplit(url)
    if not kind:
        parse_url(url)
        return
    _hosts(parts, 0)
    if parts.query:
        raise ValueError(f"options are for redis:// only, with {kind} make the client yourself and pass client=")
    if kind == "sentinel" and not _service(parts)[0]:
        raise ValueError("it names the service: redis+sentinel://host:26379/service")


def _options() -> dict[str, Any]:
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    # No command is sent twice: a swap whose answer was lost would then find its own token, and seem to have failed.
    # A connection that the server closed is noticed, and opened again, before a command is sent: redis-py looks only
    # where nothing is pushed to it, with protocol 2.
    patience = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
    return {**patience, "retry": Retry(NoBackoff(), 0), "protocol": 2}


def _one_server(url: str) -> Client:
    from redis.asyncio import BlockingConnectionPool, Redis

    pool = BlockingConnectionPool.from_url(url, max_connections=_CONNECTIONS, timeout=_PATIENCE, **_options())
    return Redis.from_pool(pool)


def _sentinel(url: str) -> Client:
    from redis.asyncio.sentinel import Sentinel

    parts = urlsplit(url)
    service, database = _service(parts)
    options = _options() | {"ssl": parts.scheme.startswith("rediss")}
    sentinels: Any = Sentinel(_hosts(parts, 26379), sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # it has no types
    options |= _login(parts) | {"db": database, "max_connections": 10 * _CONNECTIONS}
    client: Client = sentinels.master_for(service, **options)
    return client


def _cluster(url: str) -> Client:
    from redis.asyncio.cluster import ClusterNode, RedisCluster

    parts = urlsplit(url)
    nodes = [ClusterNode(host, port) for host, port in _hosts(parts, 6379)]
    options = _options() | _login(parts) | {"ssl": parts.scheme.startswith("rediss")}
    # At every few MOVED redis-py would drop all connections, those in use among them; patching its map will do.
    options |= {"reinitialize_steps": 0, "max_connections": 10 * _CONNECTIONS}
    return RedisCluster(startup_nodes=nodes, **options)


def _service(parts: SplitResult) -> tuple[str, int]:
    service, _, database = parts.path.strip("/").partition("/")
    return unquote(service), int(database or 0)


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    hosts = (urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(","))
    return [(host.hostname or "localhost", host.port or port) for host in hosts]


def _login(parts: SplitResult) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}


def asynchronous(client: object) -> Client:
    """The client, if it is an asynchronous one; else ConfigError."""
    from redis.asyncio import Redis, RedisCluster

    if isinstance(client, Redis | RedisCluster):
        return client
    if type(client).__module__.split(".")[0] == "redis":
        raise ConfigError("the redis store needs a client of redis.asyncio: this one would block the server")
    raise ConfigError(f"client= takes a client of redis.asyncio, or a function that makes one, not {client!r}")
