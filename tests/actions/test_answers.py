"""Early and second answers; and that each call, however many run, sees its own req and res."""

from __future__ import annotations

import asyncio

import pytest

from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.waiting import until
from tests.wire import connect, post_call

ANSWERS = """
    import asyncio

    def actions(req, res, ss):
        ss.api.answered, ss.api.go_on, ss.api.ended = (asyncio.Event() for _ in range(3))

        async def early(value):
            res(value)
            ss.api.answered.set()
            await ss.api.go_on.wait()
            ss.api.ended.set()

        async def early_error():
            res.error(-1, "no", {"why": "early"})
            await asyncio.sleep(0)

        async def twice():
            res("first")
            res("second")
            res.error(-1, "third")

        async def answered_and_returned():
            res("first")
            return "second"

        async def answered_and_raised():
            res("first")
            raise RuntimeError("too late for the client")

        async def falsy(value):
            res(value)

        return early, early_error, twice, answered_and_returned, answered_and_raised, falsy
"""


@pytest.mark.gen_test
async def test_an_early_answer_arrives_before_the_action_ends(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ANSWERS})
    async with serving(ss) as site, connect(site) as socket:
        assert await socket.result("app.early", "soon") == "soon"
        assert not ss.api.ended.is_set()
        ss.api.go_on.set()
        await asyncio.wait_for(ss.api.ended.wait(), 30)
        reply = await socket.call("app.early_error")
        assert reply["error"] == {"code": -1, "message": "no", "data": {"why": "early"}}


@pytest.mark.gen_test
async def test_over_http_an_early_answer_waits_for_the_action(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ANSWERS})
    async with serving(ss) as site:
        posted = asyncio.ensure_future(post_call(site, "app.early", "later"))
        await until(lambda: ss.api.answered.is_set())
        await asyncio.sleep(0.1)
        assert not posted.done()
        ss.api.go_on.set()
        assert (await posted)["result"] == "later"
        assert ss.api.ended.is_set()


@pytest.mark.gen_test
async def test_only_the_first_answer_counts_and_others_are_logged(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": ANSWERS})) as site, connect(site) as socket:
        assert await socket.result("app.twice") == "first"
        assert len(logs.take("app.twice answered a second time: ignored")) == 2
        assert await socket.result("app.answered_and_returned") == "first"
        logs.take("app.answered_and_returned returned a value after it had answered: ignored")
        assert await socket.result("app.answered_and_raised") == "first"
        assert await socket.result("app.falsy", 0) == 0  # the next thing to come
        logs.take("app.answered_and_raised failed")


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}])
@pytest.mark.gen_test
async def test_a_falsy_answer_is_an_answer(value: object, make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": ANSWERS})) as site, connect(site) as socket:
        reply = await socket.call("app.falsy", value)
    assert reply == {"jsonrpc": "2.0", "result": value, "id": 1}
    assert not logs.records


ISOLATION = {
    "rpc/app.py": """
        import asyncio

        def actions(req, res, ss):
            req.use("tags.tag")

            async def who(turn):
                before = [req.id, req.params, req.tag]
                if turn:
                    await ss.api.turns[turn].wait()
                return before == [req.id, req.params, req.tag] and req.tag

            async def in_a_task(delay):
                async def later():
                    await asyncio.sleep(delay)
                    return req.tag
                tasks = [asyncio.create_task(later()) for _ in range(2)]
                return await asyncio.gather(*tasks)

            async def answers_from_a_task(delay):
                async def later():
                    await asyncio.sleep(delay)
                    res(req.tag)
                await asyncio.create_task(later())

            async def in_a_thread(delay):
                return await asyncio.to_thread(lambda: req.tag)

            async def calls_another(delay):
                await asyncio.sleep(delay)
                inner = await ss.rpc("app.who", 0)
                return [inner, req.tag]

            async def about():
                return [req.method, req.params, req.id, req.transport, req.client_ip, bool(req.socket_id),
                        req.session_id, req.headers.get("X-Test"), req.received_at > 0]

            return who, in_a_task, answers_from_a_task, in_a_thread, calls_another, about
    """,
    "middleware/tags.py": """
        def tag():
            async def tag(req, res, next):
                req.tag = f"{req.transport} {req.id}"
                await next()
            return tag
    """,
}


@pytest.mark.gen_test
async def test_calls_that_run_at_once_see_their_own_request(make_server: MakeServer) -> None:
    ss = make_server(ISOLATION)
    turns = ss.api.turns = [asyncio.Event() for _ in range(4)]
    async with serving(ss) as site, connect(site) as one, connect(site) as two:
        for turn in (3, 0, 2, 0, 1):
            for socket in (one, two):
                await socket.begin("app.who", turn)
        for ids, turn in (([2, 4], 1), ([5], 2), ([3], 3), ([1], 0)):
            for socket in (one, two):
                replies = [await socket.reply() for _ in ids]
                assert [(reply["id"], reply["result"]) for reply in replies] == [(id, f"websocket {id}") for id in ids]
            turns[turn].set()


@pytest.mark.gen_test
async def test_a_task_of_an_action_sees_the_request_of_its_call(make_server: MakeServer) -> None:
    async with serving(make_server(ISOLATION)) as site, connect(site) as socket:
        slow = await socket.begin("app.in_a_task", 0.05)
        fast = await socket.begin("app.in_a_task", 0.0)
        early = await socket.begin("app.answers_from_a_task", 0.01)
        thread = await socket.begin("app.in_a_thread", 0)
        results = {reply["id"]: reply["result"] for reply in [await socket.reply() for _ in range(4)]}
    assert results[slow] == [f"websocket {slow}"] * 2
    assert results[fast] == [f"websocket {fast}"] * 2
    assert results[early] == f"websocket {early}"
    assert results[thread] == f"websocket {thread}"


@pytest.mark.gen_test
async def test_a_call_within_a_call_leaves_the_outer_one_its_request(make_server: MakeServer) -> None:
    async with serving(make_server(ISOLATION)) as site, connect(site) as socket:
        assert await socket.result("app.calls_another", 0.0) == ["internal 0", "websocket 1"]


@pytest.mark.gen_test
async def test_a_request_tells_who_calls(make_server: MakeServer) -> None:
    ss = make_server(ISOLATION)
    async with serving(ss) as site, connect(site, headers={"X-Test": "yes"}) as socket:
        about = await socket.result("app.about")
        assert about == ["app.about", [], 1, "websocket", "127.0.0.1", True, None, "yes", True]
        about = (await post_call(site, "app.about"))["result"]
        assert about == ["app.about", [], 1, "http", "127.0.0.1", False, None, None, True]
        assert await ss.rpc("app.about") == ["app.about", [], 0, "internal", "", False, None, None, True]
