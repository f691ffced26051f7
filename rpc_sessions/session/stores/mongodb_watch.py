"""What the MongoDB store hears: a change stream on its collection.

The driver takes a stream up again where it was lost. Where it cannot, it raises.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from rpc_sessions.session.stores.calls import FAREWELL
from rpc_sessions.session.unfinished import Unfinished

if TYPE_CHECKING:
    from pymongo.asynchronous.change_stream import AsyncChangeStream

    from rpc_sessions.session.stores.mongodb_native import Collection

    Stream = AsyncChangeStream[Any]

_WAIT_MS = 500  # how long the server keeps a question where nothing has changed
_PATIENCE = 5.0  # seconds for an answer, whatever the client's own timeouts are
# Only which document it is; the _id of a change is what the driver resumes at.
_PIPELINE = [{"$project": {"documentKey": 1}}]
# A server that is in no replica set; two ways of not knowing change streams; a user who may not open one.
_CANNOT = (40573, 40324, 115, 13)

_log = logging.getLogger(__name__)


async def changed(sessions: Collection, calls: Unfinished) -> AsyncGenerator[object, None]:
    """The ``_id`` of each document that is inserted, changed or deleted; None and the end as ``Watches`` says.

    calls: what asks the server. PyMongoError while the server is away.
    """
    while (stream := await _open(sessions, calls)) is not None:
        try:
            yield None
            while stream.alive:
                if change := await _ask(stream, calls):
                    yield change.get("documentKey", {}).get("_id")  # a collection that is dropped has none
        finally:
            await _close(stream)


async def _open(sessions: Collection, calls: Unfinished) -> Stream | None:
    """The stream; None if there are none."""
    opening = calls.start(_open_now(sessions))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait((opening,), timeout=FAREWELL)
        if opening.done() and not opening.exception() and (opened := opening.result()):
            await _close(opened)
        raise


async def _open_now(sessions: Collection) -> Stream | None:
    import pymongo
    from pymongo.errors import OperationFailure

    try:
        with pymongo.timeout(_PATIENCE):
            opened = sessions.watch(_PIPELINE, max_await_time_ms=_WAIT_MS)
            stream = await opened if inspect.isawaitable(opened) else opened  # Motor's opens when it is entered
            return await stream.__aenter__()
    except OperationFailure as error:
        if error.code not in _CANNOT:
            raise
        _log.info("What other processes write is not heard: MongoDB says %s", error)
        return None


async def _ask(stream: Stream, calls: Unfinished) -> Any:
    """A change, or None if there was none for a while. The stream is not closed while the question is under way."""
    import pymongo

    with pymongo.timeout(_PATIENCE):
        asking = calls.start(stream.try_next())
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        await asyncio.wait((asking,), timeout=FAREWELL)
        raise


async def _close(stream: Stream) -> None:
    import pymongo

    with pymongo.timeout(FAREWELL):
        await stream.close()
