"""The end of a server: what has come is answered, and what is answered arrives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.apps import MakeServer, serving
from tests.http.fast.raw import get, raw, settled
from tests.waiting import until
from tests.wire import request

MUCH = 20_000_000  # bytes, more than the system keeps
ACTIONS = """
    def actions(req, res, ss):
        async def much(size: int):
            return "x" * size

        return [much]
"""


def call(method: str, *params: object) -> bytes:
    body = request(method, list(params)).encode()
    head = f"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("asked", [get("/much"), call("app.much", MUCH)], ids=["route", "call"])
@pytest.mark.gen_test
async def test_a_large_reply_leaves_before_the_server_does(make_server: MakeServer, asked: bytes) -> None:
    ss = make_server({"rpc/app.py": ACTIONS})

    @ss.http.route("/much", use=[])
    async def much(req: Any, res: Any) -> str:
        return "x" * MUCH

    async with serving(ss) as site, raw(site.port, asked) as client:
        await until(lambda: client.received)
        client.pause()
        stopping = asyncio.ensure_future(ss.stop(drain=60))
        await settled([client])
        client.resume()
        assert len(await client.rest()) > MUCH
        await stopping


@pytest.mark.gen_test
async def test_what_comes_as_it_stops_is_answered(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/x", use=[])
    async def x(req: Any, res: Any) -> str:
        return "there"

    async with serving(ss) as site, raw(site.port, get("/x")) as client:
        await client.reply()  # the connection is there
        await asyncio.gather(client.send(get("/x")), ss.stop())
        assert (await client.rest()).endswith(b"there")
