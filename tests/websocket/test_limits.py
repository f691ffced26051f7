"""Messages that are too large: 1009 over WebSocket, 413 over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.frames import PING, PONG, TEXT, raw_socket
from tests.wire import connect, post, request

LIMIT = 64 * 1024


def sized(size: int) -> str:
    """A call of exactly so many bytes."""
    return request("app.echo", ["x" * (size - len(request("app.echo", [""])))])


@pytest.mark.gen_test
async def test_a_message_of_the_limit_passes_and_one_byte_more_closes(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
        await socket.send(sized(LIMIT))
        assert len((await socket.reply())["result"]) > LIMIT - 100
        await socket.send(sized(LIMIT + 1))
        assert await socket.closed() == (1009, "message too big")


@pytest.mark.gen_test
async def test_the_limit_is_one_of_bytes_not_of_characters(make_server: MakeServer) -> None:
    text = '{"jsonrpc":"2.0","method":"app.echo","params":["' + "🚀" * (LIMIT // 4) + '"],"id":1}'
    assert len(text) < LIMIT
    for data in (text, text.encode()):
        async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
            await socket.send(data)
            assert (await socket.closed())[0] == 1009


@pytest.mark.parametrize("size", [LIMIT * 2, 5 * 1024 * 1024])
@pytest.mark.gen_test
async def test_a_much_larger_message_closes_too(size: int, make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        async with raw_socket(site) as raw:
            raw.send(TEXT, sized(size).encode())
            answer = await raw.read()
            assert answer
            assert answer.close_code == 1009
        async with connect(site) as socket:
            assert await socket.result("app.echo", 1) == 1


@pytest.mark.gen_test
async def test_the_parts_of_a_message_count_together(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site, raw_socket(site) as raw:
        raw.send(TEXT, b'{"jsonrpc":"2.0","id":1,"method":"app.echo",', final=False)
        raw.send(PING, b"between")
        raw.send(0, b'"params":["whole"]}')
        assert await raw.read() == (PONG, b"between")
        reply = await raw.read()
        assert reply
        assert json.loads(reply.data)["result"] == "whole"
        raw.send(TEXT, b"x" * LIMIT, final=False)
        raw.send(0, b"x")
        answer = await raw.read()
        assert answer
        assert answer.close_code == 1009


@pytest.mark.gen_test
async def test_over_http_a_body_over_the_limit_is_a_413(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        assert (await post(site, sized(LIMIT))).code == 200
        for size in (LIMIT + 1, 5 * 1024 * 1024):
            response = await post(site, sized(size))
            assert response.code == 413
            assert json.loads(response.body)["error"]["code"] == -32003


@pytest.mark.gen_test
async def test_the_limit_can_be_set(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, message_limit=200)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(sized(200))
        await socket.reply()
        assert (await post(site, sized(201))).code == 413
        await socket.send(sized(201))
        assert (await socket.closed())[0] == 1009
