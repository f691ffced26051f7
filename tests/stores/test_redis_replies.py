"""Redis's protocol, as the reads of the Redis store understand it: whole, in pieces, and what is none of it."""

from __future__ import annotations

import pytest

from rpc_sessions.session.stores.redis_replies import Incomplete, Refused, is_pushed, parse

REPLIES: dict[bytes, object] = {
    b"$3\r\ntea\r\n": b"tea",
    b"$4\r\na\r\nb\r\n": b"a\r\nb",
    b"$0\r\n\r\n": b"",
    b"$-1\r\n": None,
    b"_\r\n": None,
    b":1795231591540\r\n": 1795231591540,
    b":-2\r\n": -2,
    b"+OK\r\n": b"OK",
    b"*0\r\n": [],
    b"*3\r\n$1\r\na\r\n$-1\r\n:1\r\n": [b"a", None, 1],
    b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n": [[1], b"a"],
    b">2\r\n+message\r\n$1\r\na\r\n": [b"message", b"a"],
}


@pytest.mark.parametrize(("data", "reply"), REPLIES.items())
def test_a_reply(data: bytes, reply: object) -> None:
    assert parse(data, 0) == (reply, len(data))
    assert parse(b":7\r\n" + data + b":8\r\n", 4) == (reply, 4 + len(data))


@pytest.mark.parametrize("data", REPLIES)
def test_a_reply_that_is_not_whole_yet(data: bytes) -> None:
    for end in range(1, len(data)):
        with pytest.raises(Incomplete):
            parse(data[:end], 0)


def test_an_error_is_no_text() -> None:
    refused, end = parse(b"-WRONGTYPE it is none\r\n", 0)
    assert isinstance(refused, Refused)
    assert (refused.text, end) == ("WRONGTYPE it is none", 23)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"$tea\r\n", b"*1\r\n!\r\n", b":\r\n", b"\r\n"])
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse(data, 0)


def test_what_a_server_tells_unasked_is_known_from_an_answer() -> None:
    assert is_pushed(b":1\r\n>1\r\n:2\r\n", 4)
    assert not is_pushed(b":1\r\n>1\r\n:2\r\n", 0)
