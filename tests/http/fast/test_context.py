"""What a handler sets in a ContextVar is for its own request: the next may be of somebody else."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest
import tornado.web

from tests.apps import MakeServer, serving
from tests.http.fast.handlers import mounted
from tests.http.fast.raw import body_of, get, raw

user: ContextVar[str] = ContextVar("user", default="nobody")


def log_in(self: tornado.web.RequestHandler) -> None:
    if name := self.request.headers.get("X-User"):
        user.set(name)


def say(self: tornado.web.RequestHandler) -> None:
    self.finish(user.get())


@pytest.mark.gen_test
async def test_another_connection_does_not_see_it(make_server: MakeServer) -> None:
    ss = mounted(make_server({}), say, initialize=log_in)
    async with serving(ss) as site, raw(site.port, get("/x", "X-User: ada")) as ada, raw(site.port) as other:
        assert body_of(await ada.reply()) == b"ada"
        await other.send(get())
        assert body_of(await other.reply()) == b"nobody"


@pytest.mark.gen_test
async def test_the_next_request_does_not_see_what_goes_on_after_the_last_byte(make_server: MakeServer) -> None:
    async def say_and_go_on(self: tornado.web.RequestHandler) -> None:
        log_in(self)
        self.set_header("Content-Length", len(user.get()))
        self.write(user.get())
        await self.flush()
        await asyncio.sleep(0.05)

    ss = mounted(make_server({}), say_and_go_on)
    async with serving(ss) as site, raw(site.port, get("/x", "X-User: ada")) as client:
        assert body_of(await client.reply()) == b"ada"
        await client.send(get())
        assert body_of(await client.reply()) == b"nobody"
