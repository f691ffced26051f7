"""The shared JSON-RPC 2.0 cases: the same answer over WebSocket, over HTTP and in process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rpc_sessions import RPCError
from tests.apps import MakeServer
from tests.logs import Logs
from tests.ways import WAYS, Way

VECTORS = Path(__file__).parent.parent / "vectors" / "jsonrpc.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().strip().split("\n")]
FAILING = ("vec.boom", "vec.type_error", "vec.unserialisable")
VEC = """
    async def echo(x):
        return x

    async def subtract(minuend, subtrahend):
        return minuend - subtrahend

    async def sum(*numbers):
        total = 0
        for number in numbers:
            total += number
        return total

    async def get_data():
        return ["hello", 5]

    async def update(*values):
        pass

    async def boom():
        raise RuntimeError("boom")

    async def type_error():
        return 1 + "1"

    async def unserialisable():
        return object()

    async def _private():
        return "not for you"

    def actions(req, res, ss):
        return echo, subtract, sum, get_data, update, boom, type_error, unserialisable
"""


def by_id(reply: dict[str, Any]) -> str:
    return json.dumps(reply["id"])


def matches(reply: Any, expected: Any) -> bool:
    """Whether a reply is as expected: of an error, what is not given may be anything."""
    if not isinstance(expected, dict) or "error" not in expected:
        return bool(reply == expected)
    wanted: dict[str, Any] = expected["error"]
    got = {name: value for name, value in reply["error"].items() if name in wanted}
    whole = set(reply) == {"jsonrpc", "error", "id"} and isinstance(reply["error"]["message"], str)
    return whole and (got, reply["id"], reply["jsonrpc"]) == (wanted, expected["id"], "2.0")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
@pytest.mark.gen_test
async def test_the_answer_is_the_same_on_every_way(
    way: Way, case: dict[str, Any], make_server: MakeServer, logs: Logs
) -> None:
    reply, expected = await way(make_server({"rpc/vec.py": VEC}), case["send"]), case["expect"]
    if isinstance(expected, list):
        assert isinstance(reply, list)
        assert len(reply) == len(expected)
        if case.get("unordered"):
            reply, expected = sorted(reply, key=by_id), sorted(expected, key=by_id)
        assert all(map(matches, reply, expected)), reply
    else:
        assert matches(reply, expected), reply
    if any(name in case["send"] for name in FAILING):
        logs.take(r"vec\.\w+ failed \[\w+\]")


@pytest.mark.gen_test
async def test_a_call_of_the_server_itself_gives_the_same(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/vec.py": VEC})
    assert await ss.rpc("vec.subtract", 42, 23) == 19
    assert await ss.rpc("vec.update", 1) is None
    for method, params, code in [
        ("vec.foobar", (), -32601),
        ("vec._private", (), -32601),
        ("vec.subtract", (1,), -32602),
        ("vec.boom", (), -32603),
        ("vec.unserialisable", (), -32603),
    ]:
        with pytest.raises(RPCError) as caught:
            await ss.rpc(method, *params)
        assert caught.value.code == code
    logs.take("vec.boom failed")
    logs.take("vec.unserialisable failed")
    await ss.stop()
