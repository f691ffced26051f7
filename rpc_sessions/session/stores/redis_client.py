"""The clients of the Redis store: from a url to a client, and many reads in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from rpc_sessions.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    Client: TypeAlias = Redis | RedisCluster

_PATIENCE = 5.0  # seconds for a connection, and for an answer: less than the deadline of a call
_CONNECTIONS = 100
_ROUND_TRIPS = 2


class Reader:
    """Reads sessions, with a script on one key.

    redis-py's own cost for a round trip is many times that of the server. So few are under way at a time, and
    what is asked for meanwhile shares the next: with 32 busy sockets, half the cost of a call.
    """

    def __init__(self, client: Client, script: str) -> None:
        self._client, self._script = client, script
        self._asked: list[tuple[str, asyncio.Future[Any]]] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, name: str) -> Any:
        """What the script returns for a key. Raises what redis-py raises."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((name, answer))
        if self._under_way < _ROUND_TRIPS:
            self._under_way += 1
            task = asyncio.create_task(self._work())  # when all who are ready now have asked
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _work(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                await self._send(asked)
        finally:
            self._under_way -= 1

    async def _send(self, asked: list[tuple[str, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._fetch([name for name, _ in asked])
        except Exception as error:
            answers = [error] * len(asked)
        for (_, waiting), answer in zip(asked, answers, strict=True):
            if waiting.done():  # its call was cancelled
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    async def _fetch(self, names: Sequence[str]) -> list[Any]:
        if len(names) == 1:
            return [await self._client.eval(self._script, 1, names[0])]
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.eval(self._script, 1, name)
            return await pipeline.execute(raise_on_error=False)


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
    sentinels: Any = Sentinel(_hosts(parts, 26379), sentinel_kwargs=options)  # type: ignore[no-untyped-call]
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
