"""Redis is set to evict: a warning says so before it happens. A session that was evicted has ended, as others end."""

from __future__ import annotations

import asyncio
import logging

import pytest
import redis

from rpc_sessions import RPCError, Session, SessionGone
from rpc_sessions.session.stores.redis import RedisStore
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_post, over_socket, put, session_server
from tests.stores import servers

POLICIES = ["allkeys-random", "volatile-ttl"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.gen_test
async def test_it(policy: str, make_server: MakeServer, logs: Logs) -> None:
    with (
        servers.redis_server("--maxmemory", "3mb", "--maxmemory-policy", policy) as server,
        redis.Redis(port=server.port or 0) as client,
    ):

        def fill_until_evicted(key: str) -> None:
            number = 0
            while client.exists(key):
                number += 1
                client.set(f"other{number}", b"x" * 10_000, ex=90 * 24 * 3600)  # longer than a session lives

        async def lost_meanwhile(session: Session) -> None:
            session["n"] = 2
            await asyncio.to_thread(fill_until_evicted, f"rpc_sessions:{site.ss.session.key_for(session.id)}")
            with pytest.raises(SessionGone):
                await session.save()
            with pytest.raises(SessionGone):
                await session.set_user_id("ada")

        async with serving(session_server(make_server, RedisStore(server.url))) as site:
            browser = Browser(site)
            await over_http(browser, put(n=1))
            (warning,) = logs.take(policy)
            assert warning.levelno == logging.WARNING
            assert "set noeviction" in warning.getMessage()
            async with browser.socket() as socket:
                await over_socket(socket, site.ss, lost_meanwhile)
                with pytest.raises(RPCError) as caught:
                    await over_socket(socket, site.ss, look)
                assert (caught.value.code, caught.value.message) == (-32001, "Session ended")
                assert await socket.closed() == (4401, "session ended")
            # Nobody else's session is shown instead, and none is made up before something is written.
            cookie = browser.cookie
            assert await over_http(browser, look) == (None, {})
            assert browser.cookie == cookie
            client.flushall()
            await over_post(browser, put(n=3))
            assert await over_http(browser, look) == (None, {"n": 3})
