"""The middleware chain: its order, its answers, and every way to break its contract."""

from __future__ import annotations

import logging

import pytest

from rpc_sessions import RPCError, Server
from rpc_sessions.errors import ChainError
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.wire import connect, post_call

LAYERS = """
    import asyncio
    from rpc_sessions import RPCError

    def note(ss, name, *rest, **options):
        async def layer(req, res, next):
            ss.api.log.append([name, *rest, options] if rest or options else name)
            value = await next()
            ss.api.log.append(f"{name} saw {value!r}")
        return layer

    def answers(how):
        async def layer(req, res, next):
            if how == "false":
                return res(False)
            if how == "nothing":
                return res()
            if how == "error":
                return res.error(-32001, "log in first")
            if how == "raise":
                raise RPCError(-32001, "log in first")
            raise RuntimeError(how)
        return layer

    def breaks(ss, how):
        async def layer(req, res, next):
            if how == "raises after next":
                await next()
                raise RuntimeError(how)
            if how == "calls next twice":
                await next()
                await next()
            if how == "awaits next twice":
                waiting = next()
                await waiting
                await waiting
            if how == "does not await next":
                next()
            if how == "leaves next in the background":
                ss.api.tasks.append(asyncio.ensure_future(next()))
            if how == "raises and leaves next in the background":
                ss.api.tasks.append(asyncio.ensure_future(next()))
                raise RuntimeError(how)
            if how == "raises before next":
                raise RuntimeError(how)
        return layer

    def catches():
        async def layer(req, res, next):
            try:
                await next()
            except ValueError as error:
                res.error(-1, f"caught {error}")
        return layer

    def timed():
        async def layer(req, res, next):
            await asyncio.wait_for(next(), 30)
        return layer
"""


def module(*uses: str) -> dict[str, str]:
    lines = "".join(f"            req.use({use})\n" for use in uses)
    return {
        "middleware/m.py": LAYERS,
        "rpc/app.py": f"""
        def actions(req, res, ss):
{lines}
            async def act(value="acted"):
                ss.api.log.append("action")
                if value == "raise":
                    raise ValueError("from the action")
                return value
            return [act]
        """,
    }


def serve(make_server: MakeServer, *uses: str) -> Server:
    ss = make_server(module(*uses))
    ss.api.log, ss.api.tasks = [], []
    return ss


@pytest.mark.gen_test
async def test_layers_run_in_the_order_of_use_with_their_config(make_server: MakeServer) -> None:
    ss = serve(make_server, '"m.note", ss, "a"', '"m.note", ss, "b", 1, x=2', '"m.note", ss, "c"')
    assert await ss.rpc("app.act") == "acted"
    assert ss.api.log == ["a", ["b", 1, {"x": 2}], "c", "action", "c saw 'acted'", "b saw 'acted'", "a saw 'acted'"]


@pytest.mark.gen_test
async def test_a_function_is_a_layer_as_well(make_server: MakeServer) -> None:
    source = """
        async def layer(req, res, next):
            req.user = "ann"
            await next()
        def actions(req, res, ss):
            req.use(layer)
            async def act():
                return req.user
            return [act]
    """
    assert await make_server({"rpc/app.py": source}).rpc("app.act") == "ann"


@pytest.mark.gen_test
async def test_an_object_that_cannot_be_hashed_is_a_layer_as_well(make_server: MakeServer) -> None:
    source = """
        import dataclasses
        @dataclasses.dataclass
        class As:
            user: str
            async def __call__(self, req, res, next):
                req.user = self.user
                await next()
        def actions(req, res, ss):
            req.use(As("ann"))
            async def act():
                return req.user
            return [act]
    """
    assert await make_server({"rpc/app.py": source}).rpc("app.act") == "ann"


@pytest.mark.parametrize(
    ("how", "result", "code"),
    [("false", False, None), ("nothing", None, None), ("error", None, -32001), ("raise", None, -32001)],
)
@pytest.mark.gen_test
async def test_an_early_answer_stops_the_chain(
    how: str, result: object, code: int | None, make_server: MakeServer
) -> None:
    ss = serve(make_server, '"m.note", ss, "before"', f'"m.answers", {how!r}', '"m.note", ss, "behind"')
    async with serving(ss) as site, connect(site) as socket:
        for reply in (await socket.call("app.act"), await post_call(site, "app.act")):
            assert reply.get("result") == result
            assert reply.get("error", {}).get("code") == code
    assert "action" not in ss.api.log
    assert "behind" not in ss.api.log


BROKEN = {
    "raises before next": ("RuntimeError: raises before next", False),
    "raises after next": ("RuntimeError: raises after next", True),
    "calls next twice": ("ChainError: middleware breaks.layer called next.. twice", True),
    "awaits next twice": ("ChainError: middleware breaks.layer awaited next.. twice", True),
    "does not await next": ("ChainError: middleware breaks.layer did not await next", False),
    "leaves next in the background": ("ChainError: middleware breaks.layer did not await next", False),
    "raises and leaves next in the background": ("RuntimeError: raises and leaves next", False),
    "forgets everything": ("ChainError: middleware breaks.layer neither answered nor called next", False),
}


@pytest.mark.parametrize(("how", "sentence", "acted"), [(how, *rest) for how, rest in BROKEN.items()], ids=BROKEN)
@pytest.mark.gen_test
async def test_a_broken_layer_is_an_internal_error(
    how: str, sentence: str, acted: bool, make_server: MakeServer, logs: Logs
) -> None:
    ss = serve(make_server, f'"m.breaks", ss, {how!r}')
    async with serving(ss) as site, connect(site) as socket:
        for reply in (await socket.call("app.act"), await post_call(site, "app.act")):
            assert reply["error"]["code"] == -32603
            assert how not in str(reply)
    for task in ss.api.tasks:
        with pytest.raises(ChainError):
            await task
    assert ss.api.log == ["action"] * (2 if acted else 0)
    logs.take(f"app.act failed.*\n(?s:.*){sentence}")


@pytest.mark.gen_test
async def test_an_exception_goes_back_through_the_layers(make_server: MakeServer) -> None:
    ss = serve(make_server, '"m.catches"', '"m.note", ss, "inner"')
    with pytest.raises(RPCError, match="caught from the action"):
        await ss.rpc("app.act", "raise")
    assert ss.api.log == ["inner", "action"]  # nothing after its await


@pytest.mark.gen_test
async def test_next_may_be_awaited_with_a_time_limit(make_server: MakeServer) -> None:
    assert await serve(make_server, '"m.timed"', '"m.timed"').rpc("app.act") == "acted"


@pytest.mark.gen_test
async def test_params_are_checked_behind_the_layers(make_server: MakeServer) -> None:
    """Who may not call learns nothing of the action, not even its params."""
    with pytest.raises(RPCError, match="log in first"):
        await serve(make_server, '"m.answers", "error"').rpc("app.act", 1, 2, 3)
    with pytest.raises(RPCError, match="Invalid params"):
        await serve(make_server, '"m.timed"').rpc("app.act", 1, 2, 3)


@pytest.mark.gen_test
async def test_debug_logs_what_comes_and_goes(make_server: MakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rpc_sessions")
    ss = serve(make_server, '"debug"', '"m.catches"')
    await ss.rpc("app.act", "hello")
    with pytest.raises(RPCError):
        await ss.rpc("app.act", "raise")
    lines = [record.getMessage() for record in caplog.records]
    assert "internal app.act ['hello']" in lines
    assert "internal app.act -> 'hello'" in lines
    assert any("caught from the action" in line for line in lines)


@pytest.mark.gen_test
async def test_use_inside_an_action_raises(make_server: MakeServer, logs: Logs) -> None:
    source = """
        def actions(req, res, ss):
            async def act():
                req.use("debug")
            return [act]
    """
    with pytest.raises(RPCError) as caught:
        await make_server({"rpc/app.py": source}).rpc("app.act")
    assert caught.value.code == -32603
    logs.take(r"req\.use belongs in actions")


@pytest.mark.gen_test
async def test_the_session_needs_its_use(make_server: MakeServer, logs: Logs) -> None:
    source = """
        def actions(req, res, ss):
            async def act():
                return dict(req.session)
            return [act]
    """
    with pytest.raises(RPCError) as caught:
        await make_server({"rpc/app.py": source}).rpc("app.act")
    assert caught.value.code == -32603
    logs.take(r"req\.session needs req\.use\(\"session\"\) before it")
