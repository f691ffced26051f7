"""What the Redis store hears: the channel that its own scripts publish to, or Redis's notices of what becomes of keys.

Published is in the script that writes, so a change is told if and only if it is made. In a Cluster each server passes
it on to all, so one is asked. Redis's own notices stay with the server that has the key.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rpc_sessions.session.stores.redis_connection import text

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from rpc_sessions.session.stores.redis_client import Client
    from rpc_sessions.session.stores.redis_connection import Connection

_SILENCE = 10.0  # seconds without a message, until we ask whether the server is still there
_PATIENCE = 5.0  # seconds for the answer
_SETTING = "notify-keyspace-events"
_NEEDED = set("g$x")  # generic commands (DEL), those on strings (SET), expiry; "A" is all there are

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    """What came, and on which channel."""

    channel: str
    data: str


async def published(redis: Connection, channel: str, prefix: str) -> AsyncGenerator[str | None, None]:
    """The keys, without their prefix, whose names are published to a channel; as ``Watches`` says."""
    from redis.exceptions import NoPermissionError

    try:
        async with _subscribed(redis, channel) as pubsub:
            while True:
                message = await _hear(pubsub)
                yield message and message.data.removeprefix(prefix)
    except NoPermissionError as error:
        _log.info("What other processes write is not heard: Redis says %s", error)


async def notified(redis: Connection, prefix: str) -> AsyncGenerator[str | None, None]:
    """The keys, without their prefix, of whose writers we know nothing; as ``Watches`` says."""
    if not await _notifies(redis.client):
        return
    database = redis.client.get_connection_kwargs().get("db") or 0
    names = f"__keyspace@{database}__:{prefix}"
    async with _subscribed(redis, re.sub(r"([*?\[\]\\])", r"\\\1", names) + "*", pattern=True) as pubsub:
        while True:
            message = await _hear(pubsub)
            if message is None or message.data != "expire":  # a touch, or the second half of a write
                yield message and message.channel.removeprefix(names)


async def _notifies(client: Client) -> bool:
    """Whether Redis tells of keys, and its one server of all of them."""
    from redis.asyncio import Redis
    from redis.exceptions import ResponseError

    if not isinstance(client, Redis):
        _log.info("What Express writes is not heard from a Redis Cluster")
        return False
    try:
        setting = text((await client.config_get(_SETTING)).get(_SETTING) or "")
    except ResponseError as error:  # CONFIG may be forbidden
        setting = f"unknown: {error}"
    else:
        if "K" in setting and ("A" in setting or set(setting) >= _NEEDED):
            return True
    _log.info("What Express writes is not heard: set %s of Redis to Kg$x (it is %r)", _SETTING, setting)
    return False


@asynccontextmanager
async def _subscribed(redis: Connection, name: str, *, pattern: bool = False) -> AsyncIterator[PubSub]:
    """A connection that is subscribed to a channel, or a pattern of channels, until the end of the block."""
    server = await _server(redis.client)
    if server is not redis.client:
        redis.beside.add(server)
    pubsub = server.pubsub()
    try:
        await (pubsub.psubscribe(name) if pattern else pubsub.subscribe(name))
        yield pubsub
    finally:
        await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py has no type for it
        if server is not redis.client:
            redis.beside.discard(server)
            await server.aclose()


async def _server(client: Client) -> Redis:
    """The client, or for a Cluster one of a server in it."""
    from redis.asyncio import ConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    if isinstance(client, Redis):
        return client
    await client.initialize()
    node = random.choice(client.get_primaries())
    options = node.connection_kwargs | {"retry": Retry(NoBackoff(), 0)}  # next time it may be another server
    return Redis.from_pool(ConnectionPool(connection_class=node.connection_class, **options))


async def _hear(pubsub: PubSub) -> Message | None:
    """The next message, however long it takes; None if it is now subscribed, for the first time or again.

    TimeoutError if the server does not answer any more; or what redis-py raises.
    """
    asked = False
    while True:
        # Any: redis-py says no more.
        message: dict[str, Any] | None = await pubsub.get_message(timeout=_PATIENCE if asked else _SILENCE)
        if message is None and asked:
            raise TimeoutError("Redis does not answer")
        if message is None:
            await pubsub.ping()
            asked = True
        elif message["type"] in ("subscribe", "psubscribe"):
            return None
        elif message["type"] in ("message", "pmessage"):
            return Message(text(message["channel"]), text(message["data"]))
        else:
            asked = False
