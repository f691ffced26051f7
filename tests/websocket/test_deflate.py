"""RFC 7692, section 7.2: payloads, packed and unpacked."""

from __future__ import annotations

import random
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpc_sessions.transport.deflate import deflate, inflate
from rpc_sessions.transport.frames import Broken
from tests.frames import packed, unpacked
from tests.websocket.transports import ANY_TRANSPORT

pytestmark = ANY_TRANSPORT

LIMIT = 64 * 1024
NOISE = random.Random(1).randbytes(70_000)
FINAL = zlib.Z_FINISH  # ends with a block that has BFINAL set

MESSAGES = {
    # the examples of section 7.2.3
    "one block": ("f248cdc9c90700", b"Hello"),
    "a block without compression": ("000500faff48656c6c6f00", b"Hello"),
    "a last block": ("f348cdc9c9070000", b"Hello"),
    "two blocks": ("f248050000 00ffffcac9c90700", b"Hello"),
    "an empty message": ("00", b""),
    # beyond them
    "a last block, and nothing behind it": ("f348cdc9c90700", b"Hello"),
    "two last blocks": ("f348cdc9c90700 f348cdc9c9070000", b"HelloHello"),
    "a last block, and another that is not": ("f348cdc9c90700 f248cdc9c90700", b"HelloHello"),
    "a last block that is empty": ("0300 f248cdc9c90700", b"Hello"),
    "a last block, and one that refers to it": ("f348cdc9c90700 f200110000", b"HelloHello"),
}


@pytest.mark.parametrize(("payload", "message"), MESSAGES.values(), ids=MESSAGES)
def test_messages(payload: str, message: bytes) -> None:
    assert inflate(bytes.fromhex(payload), LIMIT) == message
    assert inflate(bytes.fromhex(payload), max(len(message), 1)) == message


BROKEN = {
    "nothing": b"",
    "no block": b"\xff",
    "text": b'{"jsonrpc":"2.0"}',
    "noise": NOISE[:1000],
    "a message of before": bytes.fromhex("f200110000"),  # section 7.2.3.2: with a window that was not agreed to
    "it ends within a block": packed(b"Hello, hello, hello" * 100)[:-5],
    "it ends within a block without compression": bytes.fromhex("002000dfff48"),
    "it ends with the flush": packed(b"Hello") + b"\x00\x00\xff",
    "something behind the last block": packed(b"Hello", FINAL) + b"\xff",
    "a last block within a last block": packed(b"Hello" * 9, FINAL)[:-2] + packed(b"Hello" * 9, FINAL),
}


@pytest.mark.parametrize("payload", BROKEN.values(), ids=BROKEN)
def test_what_is_broken(payload: bytes) -> None:
    with pytest.raises(Broken) as caught:
        inflate(payload, LIMIT)
    assert (caught.value.code, caught.value.reason) == (1007, "not DEFLATE data")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 80), st.integers(9, 15))
def test_there_and_back(data: bytes, times: int, window_bits: int) -> None:
    text = (data * times)[:LIMIT]
    payload = deflate(text, window_bits)
    assert zlib.decompressobj(-window_bits).decompress(payload + b"\0\0\xff\xff") == text == unpacked(payload)
    assert inflate(payload, LIMIT) == inflate(packed(text, FINAL) + b"\0", LIMIT) == text


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 2000))
def test_whatever_comes_stays_within_the_limit(payload: bytes, limit: int) -> None:
    with suppress(Broken):
        assert len(inflate(payload, limit)) <= limit


def test_the_window_is_not_larger_than_was_agreed() -> None:
    far = NOISE[:600] * 2  # what is repeated is farther away than 512 bytes
    assert len(deflate(far, 9)) > 1100
    assert len(deflate(far, 15)) < 800


def test_the_limit_is_exact_however_it_is_packed() -> None:
    for data in (b"x" * 1000, NOISE[:1000]):
        for payload in (packed(data), packed(data, FINAL) + b"\0", packed(data[:500], FINAL) + packed(data[500:])):
            assert inflate(payload, 1000) == data
            with pytest.raises(Broken) as caught:
                inflate(payload, 999)
            assert caught.value.code == 1009


def test_many_streams_in_one_message_take_no_time() -> None:
    payload = packed(b"", FINAL) * (LIMIT // 2)
    start = time.process_time()
    with pytest.raises(Broken):
        inflate(payload, LIMIT)
    assert time.process_time() - start < 0.05
    assert inflate(packed(b"x", FINAL) * 60, LIMIT) == b"x" * 60
