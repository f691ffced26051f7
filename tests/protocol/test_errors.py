"""Errors: those an action raises on purpose, and what is told of those nobody foresaw."""

from __future__ import annotations

import json

import pytest

from rpc_sessions import RPCError
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.wire import connect

ERRORS = """
    from rpc_sessions import RPCError

    def actions(req, res, ss):
        async def refuse(code: int, message: str, data=None):
            raise RPCError(code, message, data)
        async def answer(code: int, message: str, data=None):
            res.error(code, message, data)
        async def with_nan():
            raise RPCError(7, "still its message", float("nan"))
        async def with_object():
            res.error(7, "still its message", object())
        async def unwritable_message():
            raise RPCError(7, "\\ud800")
        async def swapped():
            raise RPCError("not for you", -32001)
        async def swapped_answer():
            res.error("not for you", -32001)
        return refuse, answer, with_nan, with_object, unwritable_message, swapped, swapped_answer
"""


@pytest.mark.parametrize("method", ["app.refuse", "app.answer"])
@pytest.mark.gen_test
async def test_an_error_of_the_action_is_the_reply(method: str, make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ERRORS})) as site, connect(site) as socket:
        reply = await socket.call(method, -32001, "né", {"a": [None, 2**70]})
        assert reply["error"] == {"code": -32001, "message": "né", "data": {"a": [None, 2**70]}}
        reply = await socket.call(method, 5, "")
        assert reply["error"] == {"code": 5, "message": ""}


@pytest.mark.gen_test
async def test_error_data_that_cannot_be_written_is_left_out(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ERRORS})) as site, connect(site) as socket:
        for method in ("app.with_nan", "app.with_object"):
            assert (await socket.call(method))["error"] == {"code": 7, "message": "still its message"}
        assert (await socket.call("app.unwritable_message"))["error"] == {"code": 7, "message": "Internal error"}


@pytest.mark.parametrize("method", ["app.swapped", "app.swapped_answer"])
@pytest.mark.gen_test
async def test_code_and_message_swapped_are_a_fault_of_the_action(
    method: str, make_server: MakeServer, logs: Logs
) -> None:
    async with serving(make_server({"rpc/app.py": ERRORS})) as site, connect(site) as socket:
        assert (await socket.call(method))["error"]["code"] == -32603
    logs.take("an error is .code: int, message: str.")


FAULTY = """
    import sys

    def actions(req, res, ss):
        async def fail():
            secret = "do not tell"
            raise KeyError(secret)
        async def leave():
            sys.exit("as a command would")
        return fail, leave
"""


@pytest.mark.gen_test
async def test_an_unforeseen_error_tells_an_id_and_nothing_else(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": FAULTY})) as site, connect(site) as socket:
        reply = await socket.call("app.fail")
    error = reply["error"]
    assert "do not tell" not in json.dumps(reply)
    assert error == {"code": -32603, "message": "Internal error", "data": {"id": error["data"]["id"]}}
    (record,) = logs.take(rf"app\.fail failed \[{error['data']['id']}\]")
    assert record.exc_info
    assert isinstance(record.exc_info[1], KeyError)


@pytest.mark.gen_test
async def test_debug_shows_the_trace(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": FAULTY}, debug=True)
    with pytest.raises(RPCError) as caught:
        await ss.rpc("app.fail")
    assert "KeyError: 'do not tell'" in caught.value.data["trace"]  # type: ignore[index]  # a dict, as above
    logs.take("app.fail failed")
    await ss.stop()


@pytest.mark.gen_test
async def test_sys_exit_ends_the_call_and_not_the_server(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": FAULTY})) as site, connect(site) as socket:
        for _ in range(2):
            assert (await socket.call("app.leave"))["error"]["code"] == -32603
    logs.take("app.leave failed")
