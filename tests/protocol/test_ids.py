"""Ids are echoed as they came, with their type; without one there is silence."""

from __future__ import annotations

import json

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.logs import Logs
from tests.ways import WAYS, Way
from tests.wire import connect, post

IDS = [
    "1", "1.0", '"1"', "0", "-0.0", '""', "null", "-1", "1.5", "1e3", "1e-7", "12345678901234567890123",
    '"' + "long " * 1000 + '"', '"\\u0000"', '"né🚀"', "9007199254740993", "1.7976931348623157e308",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.gen_test
async def test_an_id_keeps_its_type(way: Way, make_server: MakeServer) -> None:
    calls = ",".join(f'{{"jsonrpc":"2.0","method":"app.echo","params":[{id}],"id":{id}}}' for id in IDS)
    replies = await way(make_server({"rpc/app.py": ECHO}), f"[{calls}]")
    sent = [json.loads(id) for id in IDS]
    assert [(type(reply["id"]), reply["id"]) for reply in replies] == [(type(id), id) for id in sent]
    assert [reply["result"] for reply in replies] == sent


@pytest.mark.parametrize("id", ["true", "[]", "[1]", "{}", '{"a":1}'])
@pytest.mark.gen_test
async def test_what_is_no_id_is_an_invalid_request(id: str, make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        response = await post(site, f'{{"jsonrpc":"2.0","method":"app.echo","params":[1],"id":{id}}}')
    reply = json.loads(response.body)
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"jsonrpc":"1.0","method":"app.echo","id":"x"}', "x"),
        ('{"jsonrpc":"2.0","method":null,"id":1.5}', 1.5),
        ('{"jsonrpc":"2.0","method":"app.echo","params":5,"id":0}', 0),
        ('{"jsonrpc":"2.0","method":"app.echo","params":null,"id":""}', ""),
        ('{"jsonrpc":"2.0","method":["app.echo"],"params":[]}', None),
    ],
)
@pytest.mark.gen_test
async def test_an_invalid_request_is_answered_with_the_id_it_has(
    text: str, id: object, make_server: MakeServer
) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        reply = json.loads((await post(site, text)).body)
    assert (reply["error"]["code"], reply["id"]) == (-32600, id)


@pytest.mark.gen_test
async def test_members_that_the_specification_does_not_know_are_ignored(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        text = '{"jsonrpc":"2.0","method":"app.echo","params":[1],"id":1,"meta":{"trace":"x"},"":0}'
        assert json.loads((await post(site, text)).body)["result"] == 1


@pytest.mark.gen_test
async def test_calls_with_the_same_id_are_all_answered(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
        for value in range(3):
            await socket.send(f'{{"jsonrpc":"2.0","method":"app.echo","params":[{value}],"id":7}}')
        replies = [await socket.reply() for _ in range(3)]
    assert [(reply["id"], reply["result"]) for reply in replies] == [(7, 0), (7, 1), (7, 2)]


FAILING = """
    from rpc_sessions import RPCError

    def actions(req, res, ss):
        async def raises():
            raise RuntimeError("nobody hears it")
        async def refuses():
            raise RPCError(-1, "no")
        async def early():
            res("early")
        async def unwritable():
            return object()
        return raises, refuses, early, unwritable
"""


@pytest.mark.gen_test
async def test_a_notification_is_never_answered(make_server: MakeServer, logs: Logs) -> None:
    texts = [
        f'{{"jsonrpc":"2.0","method":"{method}","params":[]}}'
        for method in ("app.raises", "app.refuses", "app.early", "app.unwritable", "app.none", "rpc.cancel", "rpc.x")
    ]
    async with serving(make_server({"rpc/app.py": FAILING})) as site, connect(site) as socket:
        for text in (*texts, "[" + ",".join(texts) + "]"):
            await socket.send(text)
        assert (await socket.call("app.refuses"))["error"]["code"] == -1  # the first thing to come
        assert (await post(site, "[" + ",".join(texts) + "]")).code == 204
    assert len(logs.take(r"app.raises failed \[\w+\]")) == 3
