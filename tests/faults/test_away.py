"""The store's server cannot be reached: everybody is told so, nobody becomes anonymous, and it comes back by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from rpc_sessions import Session
from rpc_sessions.session.stores.file import FileStore
from tests.apps import MakeServer, serving
from tests.faults.remote import Remote
from tests.faults.ways import ADA, AWAY, everywhere, log_in, refused_everywhere, same_id
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server


def never(session: Session) -> None:
    raise AssertionError("a session was made up")


@pytest.mark.gen_test
async def test_a_server_that_cannot_be_reached(make_server: MakeServer, remote: Remote, logs: Logs) -> None:
    async with remote.site(make_server) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
        cookie = browser.cookie
        async with browser.socket() as socket:
            assert await over_socket(socket, site.ss, look) == ADA
            await remote.proxy.refuse()
            await refused_everywhere(browser, socket, never)
            await refused_by_all_handlers(browser)
            for where in ("s.do", "/do", "GET /rpc", "POST /rpc/session"):
                for line in logs.take(rf"{where}\b.*: {AWAY}"):
                    assert "onnect" in line.getMessage(), "the log does not say what is wrong"

            await remote.proxy.accept()
            while (await browser.get("/readyz")).code != 200:  # noqa: ASYNC110 (as a load balancer does)
                await asyncio.sleep(0.05)
            assert await everywhere(browser, socket, look) == [ADA] * 3
            await over_socket(socket, site.ss, put(after=1))
        async with browser.socket() as another:
            assert await over_socket(another, site.ss, look) == ("ada", {"cart": {"tea": 2}, "after": 1})
        assert same_id(browser.cookie, cookie)
    logs.take("503 (GET|POST)")


async def refused_by_all_handlers(browser: Browser) -> None:
    """The statuses, and that no answer has a cookie."""
    response = await browser.get("/do?step=x")
    assert (response.code, set_cookies(response)) == (503, [])
    assert json.loads(response.body)["error"] == {"code": -32010, "message": AWAY}
    with pytest.raises(InvalidStatus) as handshake:
        async with browser.socket():
            pass
    assert handshake.value.response.status_code == 503
    assert "Set-Cookie" not in handshake.value.response.headers
    assert (await browser.get("/readyz")).body == b'{"status":"session store unavailable"}'
    ticket = await browser.post_json("/rpc/session", {"ticket": "A" * 43})
    assert (ticket.code, set_cookies(ticket)) == (503, [])


@pytest.mark.gen_test
async def test_the_disk_of_the_file_store_is_not_mounted_any_more(
    make_server: MakeServer, tmp_path: Path, logs: Logs
) -> None:
    folder, away = tmp_path / "sessions", tmp_path / "away"
    async with serving(session_server(make_server, FileStore(folder))) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
        async with browser.socket() as socket:
            for empty in (False, True):  # nothing is at its place, or an empty folder
                folder.rename(away)
                if empty:
                    folder.mkdir()
                await refused_everywhere(browser, socket, never)
                await refused_by_all_handlers(browser)
                shutil.rmtree(folder, ignore_errors=True)
                away.rename(folder)
                assert await everywhere(browser, socket, look) == [ADA] * 3
    assert len(logs.take(f"(s.do|/do): {AWAY} .*The sessions' folder is gone")) == 8
    logs.take("503 (GET|POST)")
