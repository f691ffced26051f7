"""The session is stored before the reply leaves, whatever ended the request; an exception saves nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import tornado.web

from rpc_sessions import HTTPRequest, HTTPResponse, RequestHandler, RPCError, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, put, session_server
from tests.stores.doubles import WatchedStore

SLOW = {"insert": 0.05, "replace": 0.05}


class Base(RequestHandler):
    use = ["session"]

    def change(self) -> None:
        self.req.session["by"] = type(self).__name__


class Written(Base):
    async def get(self) -> None:
        self.change()
        self.write("written")


class Finished(Base):
    async def get(self) -> None:
        self.change()
        await self.finish({"finished": True})


class FinishedAndLeft(Base):
    def get(self) -> None:
        self.change()
        self.finish("finished")


class Redirected(Base):
    def get(self) -> None:
        self.change()
        self.redirect("/read")


class SentError(Base):
    def get(self) -> None:
        self.change()
        self.send_error(418)


class SetStatus(Base):
    def get(self) -> None:
        self.change()
        self.set_status(404)


class RaisedFinish(Base):
    def get(self) -> None:
        self.change()
        self.write("done")
        raise tornado.web.Finish


class NotModified(Base):
    def get(self) -> None:
        self.change()
        self.set_status(304)


class RaisedHTTPError(Base):
    def get(self) -> None:
        self.change()
        raise tornado.web.HTTPError(409)


class RaisedRPCError(Base):
    def get(self) -> None:
        self.change()
        raise RPCError(-32004, "slow down")


class Raised(Base):
    async def get(self) -> None:
        self.change()
        await asyncio.sleep(0)
        raise KeyError("boom")


class RaisedAfterWriting(Base):
    def get(self) -> None:
        self.change()
        self.write("never sent")
        raise KeyError("boom")


class MissingArgument(Base):
    def get(self) -> None:
        self.change()
        self.get_argument("missing")


SAVE: dict[type[Base], int] = {
    Written: 200, Finished: 200, FinishedAndLeft: 200, Redirected: 302, SentError: 418, SetStatus: 404,
    RaisedFinish: 200, NotModified: 304,
}  # fmt: skip
SAVE_NOT: dict[type[Base], int] = {
    RaisedHTTPError: 409, RaisedRPCError: 429, Raised: 500, RaisedAfterWriting: 500, MissingArgument: 400,
}  # fmt: skip


def server(make_server: MakeServer, store: WatchedStore) -> Server:
    ss = session_server(make_server, store)
    for handler in SAVE | SAVE_NOT:
        ss.http.mount(f"/{handler.__name__}", handler)

    @ss.http.route("/read")
    async def read(req: HTTPRequest, res: HTTPResponse) -> Any:
        return dict(req.session)

    @ss.http.route("/redirect")
    async def redirect(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["by"] = "redirect"
        res.redirect("/read")

    @ss.http.route("/error")
    async def error(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["by"] = "error"
        res.error(-32004, "slow down")

    return ss


@pytest.mark.parametrize("first", [True, False], ids=["first visit", "later visit"])
@pytest.mark.gen_test
async def test_it_is_stored_when_the_reply_arrives(make_server: MakeServer, first: bool) -> None:
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        for path, status in {**{h.__name__: code for h, code in SAVE.items()}, "redirect": 303, "error": 429}.items():
            browser = Browser(site)
            if not first:
                await over_http(browser, put(by="nobody"))
            store.slow = SLOW
            response = await browser.get(f"/{path}")
            store.slow = {}
            assert response.code == status, path
            assert len(set_cookies(response)) == 1, path
            assert (await browser.get("/read")).body == b'{"by":"%s"}' % path.encode(), path


@pytest.mark.parametrize("handler", SAVE_NOT)
@pytest.mark.gen_test
async def test_an_exception_saves_nothing(make_server: MakeServer, handler: type[Base], logs: Logs) -> None:
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        browser = Browser(site)
        response = await browser.get(f"/{handler.__name__}")
        assert (response.code, set_cookies(response)) == (SAVE_NOT[handler], [])
        await over_http(browser, put(by="nobody"))
        response = await browser.get(f"/{handler.__name__}")
        assert (response.code, set_cookies(response)) == (SAVE_NOT[handler], [])
        assert (await browser.get("/read")).body == b'{"by":"nobody"}'
        assert store.writes == ["insert"]
    if SAVE_NOT[handler] == 500:
        logs.take("boom|500 GET")


@pytest.mark.gen_test
async def test_an_id_that_changed_reaches_the_browser_whatever_went_wrong_behind_it(
    make_server: MakeServer, logs: Logs
) -> None:
    """The log-in is done: a reply without its cookie would log the user out."""

    def then(what: Any) -> Any:
        async def step(session: Any) -> None:
            await session.set_user_id("ada")
            session["bad"] = what

        return step

    async def raising(session: Any) -> None:
        await session.set_user_id("ada")
        raise RPCError(-32004, "slow down")

    async with serving(session_server(make_server)) as site:
        for step in (then(object()), raising):
            browser = Browser(site)
            await over_http(browser, put(a=1))
            with pytest.raises(RPCError):
                await over_http(browser, step)
            assert await over_http(browser, lambda session: (session.user_id, dict(session))) == ("ada", {"a": 1})
    logs.take("bad|500 GET")


@pytest.mark.gen_test
async def test_a_save_that_fails_is_an_error_and_not_a_lie(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, put(by="nobody"))
        for path in ("Written", "Finished", "FinishedAndLeft", "Redirected", "redirect", "SentError"):
            store.fail_after = 1  # the load succeeds
            response = await browser.get(f"/{path}")
            store.fail_after = None
            assert response.code == 503, path
            assert b'"code":-32010' in response.body
            assert "Location" not in response.headers
            assert (await browser.get("/read")).body == b'{"by":"nobody"}'
    logs.take("503 GET")
