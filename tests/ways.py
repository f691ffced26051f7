"""The three ways a JSON-RPC text reaches the server. The same text gets the same answer on each."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from rpc_sessions import Server
from rpc_sessions.actions import load_actions
from rpc_sessions.dispatcher import Dispatcher
from rpc_sessions.middleware import MiddlewareRegistry
from rpc_sessions.request import Peer
from tests.apps import serving
from tests.waiting import until
from tests.wire import Socket, connect, post

Text = str | bytes
Way = Callable[[Server, Text], Awaitable[Any]]
AFTER = '{"jsonrpc":"2.0","method":"rpc.cancel","params":{"id":"after"},"id":"after"}'


async def over_websocket(ss: Server, text: Text) -> Any:
    """The answer, or None if there is none before that of the next call. Bytes go as a binary frame."""
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(text)
        answers = await _until_after(socket)
        await until(lambda: ss._ready().dispatcher.running == 0)
        answers += await _until_after(socket)
        assert len(answers) <= 1, answers
        return answers[0] if answers else None


async def _until_after(socket: Socket) -> list[Any]:
    """What comes before the answer to one more call."""
    await socket.send(AFTER)
    answers = [await socket.receive()]
    while not isinstance(answers[-1], dict) or answers[-1].get("id") != "after":
        answers.append(await socket.receive())
    return answers[:-1]


async def over_http(ss: Server, text: Text) -> Any:
    """The answer, or None for a 204."""
    async with serving(ss) as site:
        response = await post(site, text)
    assert (response.code, response.body) == (204, b"") or response.code == 200
    return json.loads(response.body) if response.body else None


async def in_process(ss: Server, text: Text) -> Any:
    """The answer of the dispatcher alone, or None."""
    methods = load_actions(ss.root / "rpc", MiddlewareRegistry({}), ss)
    dispatcher = Dispatcher(methods, ss.options)
    answer = await dispatcher.answer(text, Peer())
    dispatcher.close()
    return None if answer is None else json.loads(answer)


WAYS: list[Way] = [over_websocket, over_http, in_process]
