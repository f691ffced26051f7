"""The two readers of frames, picows' and our own, find the same in whatever a client sends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rpc_sessions.transport.frames import CLOSE, Broken, FrameReader, read_close
from tests.frames import frame
from tests.requirements import needs_module
from tests.websocket.transports import ANY_TRANSPORT

pytestmark = ANY_TRANSPORT

LIMIT = 3000
Found = list[tuple[int, bool, bytes] | int]  # frames, and the code of what is none


def ours(chunks: Sequence[bytes]) -> Found:
    reader, found = FrameReader(LIMIT), Found()
    try:
        for chunk in chunks:
            found.extend(reader.read(chunk))
    except Broken as broken:
        found.append(broken.code)
    return found


def picows(chunks: Sequence[bytes]) -> Found:
    needs_module("picows", 'pip install "picows>=2.3,<2.4"')
    from rpc_sessions.transport.picows_reader import PicowsReader

    async def read() -> Found:
        found = Found()
        reader = PicowsReader(LIMIT, lambda *frame: found.append((frame[0], bool(frame[1]), frame[2])), found.append)
        for chunk in chunks:
            reader.read(chunk)
        return found

    return asyncio.run(read())


def until_the_end(found: Found) -> Found:
    """What a FramedSocket makes of it: after a Close, or what is no frame, it hears nothing.

    1002 stands for 1007 too: of a Close with two faults either may be said.
    """
    heard = Found()
    for item in found:
        if isinstance(item, tuple) and item[0] == CLOSE:
            try:
                return [*heard, (CLOSE, True, str(read_close(item[2])).encode())]
            except Broken:
                return [*heard, 1002]
        heard.append(1002 if item == 1007 else item)
        if isinstance(item, int):
            break
    return heard


SIZES = st.one_of(st.integers(0, 140), st.sampled_from([125, 126, 127, 1700, 2999, 3000, 3001, 65535, 65536]))
FRAMES = st.builds(
    frame,
    st.sampled_from([0, 1, 2, 8, 9, 10, 3, 11]),
    SIZES.flatmap(lambda size: st.binary(min_size=min(size, 200), max_size=200).map(lambda data: (data * size)[:size])),
    final=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 0, 1, 4]),
    mask=st.one_of(st.binary(min_size=4, max_size=4), st.none()),
    wide=st.one_of(st.none(), st.just(8)),
)
GOOD = st.builds(frame, st.sampled_from([0, 1, 2]), st.binary(max_size=LIMIT), mask=st.binary(min_size=4, max_size=4))
CLOSES = st.builds(frame, st.just(CLOSE), st.binary(max_size=5))
STREAMS = st.lists(st.one_of(GOOD, GOOD, GOOD, FRAMES, CLOSES, st.binary(max_size=20)), max_size=8).map(b"".join)


@settings(max_examples=300)
@given(STREAMS, st.lists(st.integers(0, 5000), max_size=20))
@example(frame(1, b"x", reserved=1)[:-1], [])
@example(frame(1, b"", length=2**63 - 1), [])
@example(frame(1, b"", length=2**63, wide=8), [])
def test_they_find_the_same(stream: bytes, cuts: list[int]) -> None:
    ends = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in pairwise(ends)]
    assert until_the_end(ours(chunks)) == until_the_end(picows(chunks))


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.booleans(), st.binary(max_size=LIMIT)), max_size=12), st.data()
)
def test_they_find_what_was_sent(sent: list[tuple[int, bool, bytes]], data: st.DataObject) -> None:
    masks = st.binary(min_size=4, max_size=4)
    stream = b"".join(frame(opcode, text, final=last, mask=data.draw(masks)) for opcode, last, text in sent)
    size = data.draw(st.integers(1, 5000))
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert ours(chunks) == sent
    assert picows(chunks) == sent
