"""req.use("session"): opt-in, autosave, readonly; and what each transport does by itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from rpc_sessions import ConfigError, RPCError, Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import connect

NOT_USED = """
    def actions(req, res, ss):
        async def echo(value):
            return value

        async def careless():
            return dict(req.session)

        async def who():
            return req.session_id

        return echo, careless, who
"""


@pytest.mark.gen_test
async def test_without_use_no_store_is_read_and_req_session_says_what_is_missing(
    make_server: MakeServer, logs: Logs
) -> None:
    store = WatchedStore()
    ss = session_server(make_server, store)
    (ss.root / "rpc" / "plain.py").write_text(_dedented(NOT_USED))
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            store.forget()
            assert await socket.result("plain.echo", 5) == 5
            assert await browser.rpc("plain.echo", 5) == 5
            assert store.calls == []
            for call in (socket.result("plain.careless"), browser.rpc("plain.careless")):
                with pytest.raises(RPCError) as caught:
                    await call
                assert caught.value.code == -32603
                assert "session" not in str(caught.value)
            assert store.calls == []
            assert await socket.result("plain.who") == browser.id
    assert len(logs.take(r'RuntimeError: req.session needs req.use\("session"\)')) == 2


def _dedented(source: str) -> str:
    return "\n".join(line[4:] for line in source.splitlines())


@pytest.mark.gen_test
async def test_a_server_without_any_session_sets_no_cookie_and_asks_no_store(make_server: MakeServer) -> None:
    ss = make_server({"rpc/plain.py": NOT_USED})
    store = WatchedStore()
    ss.session.store.use(store)

    @ss.http.route("/", use=[])
    async def home(req: Any, res: Any) -> str:
        return "home"

    async with serving(ss) as site:
        browser = Browser(site)
        assert set_cookies(await browser.get("/")) == []
        assert (await browser.get("/readyz")).code == 200
        async with browser.socket() as socket:
            assert socket.connection.response is not None
            assert "Set-Cookie" not in socket.connection.response.headers
            assert await socket.result("plain.echo", 1) == 1
    assert store.calls == []


@pytest.mark.gen_test
async def test_over_a_websocket_saving_is_explicit(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, lambda session: session.update(a=1))
            assert await over_socket(socket, site.ss, dict) == {}
            assert store.calls == []
            await over_socket(socket, site.ss, put(a=1))
            assert await over_socket(socket, site.ss, dict) == {"a": 1}
            await over_socket(socket, site.ss, lambda session: session.update(a=2))
            assert await over_socket(socket, site.ss, dict) == {"a": 1}


@pytest.mark.gen_test
async def test_autosave_saves_after_the_action(make_server: MakeServer) -> None:
    def nested(session: Session) -> None:
        session["cart"]["tea"] = 2  # type: ignore[index,call-overload]  # the test knows

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, lambda session: session.update(cart={}), module="auto")
            await over_socket(socket, site.ss, nested, module="auto")
            assert await over_socket(socket, site.ss, dict) == {"cart": {"tea": 2}}
            await over_socket(socket, site.ss, lambda session: session.destroy(), module="auto")
            assert await over_socket(socket, site.ss, dict) == {}
        assert await over_post(browser, lambda session: session.update(b=1)) is None
        assert await over_post(browser, dict) == {"b": 1}


def boom(session: Session) -> None:
    session["a"] = 2
    raise KeyError("boom")


@pytest.mark.parametrize("over", ["autosave", "POST", "a route"])
@pytest.mark.gen_test
async def test_an_exception_saves_nothing(make_server: MakeServer, over: str, logs: Logs) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            calls = {
                "autosave": partial(over_socket, socket, site.ss, boom, module="auto"),
                "POST": partial(over_post, browser, boom),
                "a route": partial(over_http, browser, boom),
            }
            with pytest.raises(KeyError):
                await calls[over]()
            assert await over_socket(socket, site.ss, dict) == {"a": 1}
    logs.take("boom|500 GET")


@pytest.mark.gen_test
async def test_readonly_writes_nothing_not_even_a_touch(make_server: MakeServer) -> None:
    async def attempt(session: Session) -> dict[str, Any]:
        session["b"] = 2
        session.touch()
        for write in (
            session.save, session.regenerate, session.destroy, session.channel.reset,
            partial(session.set_user_id, "ada"), partial(session.mutate, Session.clear),
        ):  # fmt: skip
            with pytest.raises(RuntimeError, match="readonly"):
                await write()
        await session.load()
        return dict(session)

    store = WatchedStore()
    async with serving(session_server(make_server, store, touch_after=0)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            store.forget()
            assert await over_socket(socket, site.ss, attempt, module="readonly") == {"a": 1}
            assert await over_http(browser, attempt, path="/readonly") == {"a": 1}
            assert await over_post(browser, attempt, module="readonly") == {"a": 1}
            assert store.writes == []
        nobody = Browser(site)
        await over_http(nobody, lambda session: session.update(a=1), path="/readonly")
        assert (nobody.cookie, store.writes) == ("", [])


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        ('"session", autosave=True, readonly=True', "exclude"),
        ('"session", autosaves=True', "autosaves"),
        ('"session", True', "session"),
        ('"sesion"', "unknown middleware 'sesion'"),
    ],
)
def test_a_wrong_use_is_found_at_start_with_file_and_line(make_server: MakeServer, use: str, sentence: str) -> None:
    ss = make_server({"rpc/app.py": f"def actions(req, res, ss):\n    req.use({use})\n    return []\n"})
    with pytest.raises(ConfigError) as caught:
        ss.make_app()
    assert str(caught.value).startswith(f"{ss.root / 'rpc' / 'app.py'}:2: ")
    assert sentence in str(caught.value)


@pytest.mark.gen_test
async def test_used_twice_in_one_chain_it_is_one_session(make_server: MakeServer) -> None:
    store = WatchedStore()
    ss = make_server({
        "rpc/app.py": """
            def actions(req, res, ss):
                req.use("session")
                req.use("session", autosave=True)

                async def count():
                    req.session["n"] = req.session.get("n", 0) + 1
                    await req.session.save()
                    return req.session["n"]

                return [count]
        """
    })  # fmt: skip
    ss.session.store.use(store)
    async with serving(ss) as site, connect(site) as socket:
        assert [await socket.result("app.count") for _ in range(2)] == [1, 2]
    assert store.count["load"] == 1


@pytest.mark.gen_test
async def test_each_call_sees_the_session_as_it_is_in_the_store(make_server: MakeServer) -> None:
    async def long_one(session: Session) -> tuple[dict[str, Any], dict[str, Any]]:
        before = dict(session)
        await over_http(browser, put(a=2))
        unchanged = dict(session)
        assert before == unchanged, "a call's view changed under it"
        await session.load()
        return before, dict(session)

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as one, browser.socket() as two:
            assert await over_socket(one, site.ss, long_one) == ({"a": 1}, {"a": 2})
            for socket in (one, two):
                assert await over_socket(socket, site.ss, dict) == {"a": 2}
            await asyncio.gather(over_socket(one, site.ss, put(b=1)), over_socket(two, site.ss, put(c=1)))
            assert await over_http(browser, dict) == {"a": 2, "b": 1, "c": 1}


@pytest.mark.gen_test
async def test_load_drops_unsaved_changes(make_server: MakeServer) -> None:
    async def change(session: Session) -> dict[str, Any]:
        session["a"] = 2
        session["b"] = [1]
        assert await session.load() is session
        assert not session.changed
        return dict(session)

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        assert await over_http(browser, change) == {"a": 1}
