"""Any bytes get the same bytes back, and the same end, from both servers: Tornado's own is what is right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apps import MakeServer, serving
from tests.http.fast.handlers import Plain
from tests.http.fast.raw import Raw, get, post, raw, settled
from tests.waiting import until

pytestmark = pytest.mark.parametrize("way", ["auto", "uvloop"], indirect=True)

GET = get()
HEADS = [
    GET,
    get("/x?a=1&a=2&b=%C3%A4"),
    get("/nothing"),
    get("/rpc"),
    get("/healthz"),
    get("http://x/x"),
    get("//x/x"),
    get("*"),
    get("/x y"),
    get("/x\t"),
    get("/ä"),
    get("/x#y"),
    get("/x", "A: ä", "A:", "A:  b  ", "a: c"),
    get("/x", "Host: y"),
    get("/x", "host: x"),
    get("/x", "Cookie: a=b; c", "If-None-Match: *"),
    get("/x", "Connection: keep-alive"),
    get("/x", "Connection: Keep-Alive, x"),
    get("/x", "Connection: close"),
    get("/x", "Connection:"),
    get("/x", "Content-Length: 0"),
    get("/x", "Content-Length: 3") + b"abc",
    get("/x", "Content-Length: 3", "Content-Length: 4") + b"abcd",
    get("/x", "Content-Length : 3") + b"abc",
    get("/x", "Content-Length: +3") + b"abc",
    get("/x", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    get("/x", "Transfer-Encoding: chunked", "Content-Length: 3") + b"0\r\n\r\n",
    get("/x", "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    get("/x", "transfer-encoding:\x0bchunked") + b"0\r\n\r\n",
    get("/x", "Expect: 100-continue"),
    get("/x", "Upgrade: h2c", "Connection: Upgrade"),
    get("/x", " folded"),
    get("/x", "A: b", "\tfolded"),
    get("/x", "no colon"),
    get("/x", ": no name"),
    get("/x", "A\x00: b"),
    get("/x", "A: \x00"),
    get("/x", "A: b\rContent-Length: 5"),
    get("/x", "A: b\nContent-Length: 5") + b"abcde",
    get("/x", "A: b\n") + b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    get("/x", "A: b\r"),
    GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
    get("/x", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
    *(GET.replace(b"HTTP/1.1", version) for version in (b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"", b"HTTP/1.1 ")),
    GET.replace(b"Host: x\r\n", b""),
    GET.replace(b"Host: x", b"Host: x,y"),
    GET.replace(b"Host: x", b"Host: x y"),
    GET.replace(b"Host: x", b"Host:"),
    GET.replace(b"\r\n", b"\n"),
    GET.replace(b"\r\n", b"\r\r\n"),
    GET.replace(b"x HTTP/1.1\r\n", b"x HTTP/1.1\n"),
    *(GET.replace(b"GET", method) for method in (b"HEAD", b"POST", b"BREW", b"get", b"GET\x00", b"G\nET", b"DELETE")),
    GET + b"A: b\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: x\n\nA: b\r\n\r\n",
    b"\r\n\r\n" + GET,
    b" " + GET,
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    get("/x", "A: " + "b" * 65_000),
    get("/x", "A: " + "b" * 70_000),
    get("/x", *(f"A{number}: b" for number in range(2_000))),
    get("/x", "A: " + "b" * (65_536 - len(get("/x", "A: ")))),
    get("/x", "A: " + "b" * (65_537 - len(get("/x", "A: ")))),
    get("/x?" + "&".join(f"a{number}" for number in range(1_100))),
    post("/x", b"a=b"),
    post("/rpc", b"{}"),
]
BY_HAND = [
    *([head] for head in HEADS),
    *([head + GET] for head in HEADS),
    *([GET + head] for head in HEADS),
    *([GET, head, GET] for head in HEADS),
    *([head[:20], head[20:]] for head in HEADS),
    *([head[:-1], head[-1:], GET] for head in HEADS),
    [GET[at : at + 1] for at in range(len(GET))],
    [get("/x", "Content-Length: 3"), b"abc", GET],
    [get("/x", "Transfer-Encoding: chunked"), b"3\r\nabc\r\n0\r\n\r\n", GET],
    [GET * 50],
    [GET, GET * 50, post("/x", b"a"), GET],
]


@st.composite
def mutated(draw: st.DrawFn) -> list[bytes]:
    """One to three requests, with a few bytes changed, in one to four pieces."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from([head for head in HEADS if len(head) < 500]), max_size=3))))
    special = st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\0", b",", b"\xff", b"GET ", b""]
    )
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(special)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    pieces = [bytes(data[start:end]) for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [piece for piece in pieces if piece]


def made() -> list[list[bytes]]:
    cases: list[list[bytes]] = []

    @settings(derandomize=True, database=None, max_examples=800, deadline=None)
    @given(mutated())
    def collect(case: list[bytes]) -> None:
        cases.append(case)

    collect()
    return cases


BAD = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def outcome(client: Raw, case: list[bytes]) -> tuple[bytes, bool]:
    """What came. Where more was sent behind it, a last 400 may be lost: TCP resets who closes with bytes unread."""
    text = client.undated
    return text.removesuffix(BAD) if client.over and len(case) > 1 else text, client.over


async def compare(cases: Sequence[list[bytes]], ports: Sequence[int]) -> None:
    """Send each case to each server, all at once."""
    async with AsyncExitStack() as open_ones:
        pairs = [[await open_ones.enter_async_context(raw(port)) for port in ports] for _ in cases]
        await asyncio.gather(*(client.send(*case) for case, pair in zip(cases, pairs, strict=True) for client in pair))
        await settled([client for pair in pairs for client in pair])
        for case, (fast, tornado) in zip(cases, pairs, strict=True):
            try:
                await until(lambda f=fast, t=tornado, c=case: outcome(f, c) == outcome(t, c), within=5)  # type: ignore[misc]  # mypy sees no default in a lambda
            except TimeoutError:
                pytest.fail(f"{case}\nfast:    {outcome(fast, case)}\ntornado: {outcome(tornado, case)}")


@pytest.mark.parametrize("make", [lambda: BY_HAND, made], ids=["by hand", "made"])
@pytest.mark.gen_test
async def test_what_one_server_answers_the_other_does(make_server: MakeServer, make: object) -> None:
    assert callable(make)
    cases = make()
    servers = [make_server({}, transport=transport) for transport in ("auto", "tornado")]
    for ss in servers:
        ss.http.mount(r"/x", Plain)
    async with serving(servers[0]) as fast, serving(servers[1]) as tornado:
        for start in range(0, len(cases), 100):
            await compare(cases[start : start + 100], (fast.port, tornado.port))
