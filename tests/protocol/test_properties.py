"""Whatever is sent: a value comes back equal, and no text goes unanswered or breaks the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, TypeVar

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpc_sessions.actions import Method
from rpc_sessions.codec import MAX_DEPTH
from rpc_sessions.dispatcher import Dispatcher
from rpc_sessions.options import Options
from rpc_sessions.request import Peer

T = TypeVar("T")

strings = st.text(st.characters(codec="utf-8"))
numbers = st.integers() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | strings
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(strings, inner), max_leaves=30)
calls = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | scalars,
        "method": st.sampled_from(["echo", "nope", "rpc.cancel", "__class__"]) | values,
        "params": st.lists(scalars, max_size=2) | st.fixed_dictionaries({"value": scalars}) | values,
        "id": values,
    },
)


async def echo(value: object) -> object:
    return value


def dispatch(text: str | bytes) -> Any:
    """The answer of a dispatcher to a text."""

    async def run() -> bytes | None:
        dispatcher = Dispatcher({"echo": Method("echo", echo, (), frozenset())}, Options())
        try:
            return await dispatcher.answer(text, Peer())
        finally:
            dispatcher.close()

    answer = in_a_loop(run())
    return None if answer is None else json.loads(answer)


def in_a_loop(coroutine: Awaitable[T]) -> T:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


def same(a: object, b: object) -> bool:
    """Equal, and of the same types all through: 1 is neither 1.0 nor true."""
    return repr(a) == repr(b)


@given(values, st.none() | numbers | strings)
@settings(max_examples=150)
def test_a_value_comes_back_equal(value: object, id: object) -> None:
    text = json.dumps({"jsonrpc": "2.0", "method": "echo", "params": [value], "id": id}, ensure_ascii=False)
    reply = dispatch(text)
    assert same(reply, {"jsonrpc": "2.0", "result": value, "id": id})
    assert same(dispatch(text.encode()), reply)


def is_reply(reply: object) -> bool:
    if not isinstance(reply, dict) or reply.get("jsonrpc") != "2.0" or "id" not in reply:
        return False
    if "result" in reply:
        return reply.keys() == {"jsonrpc", "result", "id"}
    error = reply.get("error")
    return isinstance(error, dict) and isinstance(error["code"], int) and isinstance(error["message"], str)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"[" * (MAX_DEPTH + 1))
@example(b"\xef\xbb\xbf{}")
@settings(max_examples=200)
def test_bytes_of_any_kind_are_answered(data: bytes) -> None:
    reply = dispatch(data)
    assert reply is not None
    assert all(is_reply(item) for item in (reply if isinstance(reply, list) else [reply]))


@given(st.lists(calls | values, max_size=5) | calls | values)
@settings(max_examples=200)
def test_json_of_any_kind_is_answered_or_is_a_notification(message: object) -> None:
    reply = dispatch(json.dumps(message))
    items = message if isinstance(message, list) else [message]
    silent = sum(is_notification(item) for item in items)
    if isinstance(message, list) and message:
        assert len(reply or []) == len(items) - silent
    else:
        assert (reply is None) == (silent == 1)
    assert all(is_reply(item) for item in (reply if isinstance(reply, list) else [reply]) if reply is not None)


def is_notification(item: object) -> bool:
    if not isinstance(item, dict) or "id" in item or item.get("jsonrpc") != "2.0":
        return False
    return isinstance(item.get("method"), str) and isinstance(item.get("params", []), list | dict)


@given(values)
@settings(max_examples=150)
def test_a_text_that_is_cut_off_is_a_parse_error(value: object) -> None:
    text = json.dumps({"jsonrpc": "2.0", "method": "echo", "params": [value], "id": 1})
    for end in range(0, len(text), max(1, len(text) // 5)):
        assert dispatch(text[:end])["error"]["code"] == -32700
