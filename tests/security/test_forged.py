"""Cookies that were made up, by whoever knows other secrets, other ids, or the store."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from rpc_sessions.session.cookie import id_bytes, sign
from rpc_sessions.session.stores.file import FileStore
from tests.apps import SECRET, MakeServer, Site, serving
from tests.http.browser import Browser
from tests.security.people import ADA, NOBODY, logged_in, regenerate
from tests.session.steps import look, over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore

OTHER = "the secret of another server"


async def on_every_way(site: Site, cookie: str) -> list[object]:
    """What whoever brings the cookie sees: over HTTP, in a POST, over a WebSocket."""
    async with Browser(site, cookie).socket() as socket:
        by_socket = await over_socket(socket, site.ss, look)
    return [await over_http(Browser(site, cookie), look), await over_post(Browser(site, cookie), look), by_socket]


@pytest.mark.gen_test
async def test_the_cookie_of_another_servers_secret_opens_nothing_here(make_server: MakeServer, tmp_path: Path) -> None:
    """Two servers on one store, as a staging server may be on a copy of the store of production."""
    ours, theirs = (session_server(make_server, FileStore(tmp_path / "sessions")) for _ in range(2))
    theirs.session.options.secret = OTHER
    async with serving(ours) as site, serving(theirs) as other:
        ada = await logged_in(site)
        cookie = f"connect.sid={sign(ada.id or '', OTHER)}"
        assert await on_every_way(other, cookie) == [ADA] * 3, "the id is a good one"
        assert await on_every_way(site, cookie) == [NOBODY] * 3
        thief = Browser(site, cookie)
        await over_http(thief, put(mine=1))
        assert thief.id not in (ada.id, None)
        assert await over_http(ada, look) == ADA


@pytest.mark.gen_test
async def test_parts_of_two_good_cookies_are_no_good_one(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        ada, eve = await logged_in(site), Browser(site)
        await over_http(eve, put(mine=1))
        (hers, _), (_, mine) = (browser.cookie.rsplit(".", 1) for browser in (ada, eve))
        assert await on_every_way(site, f"{hers}.{mine}") == [NOBODY] * 3


@pytest.mark.gen_test
async def test_who_has_read_the_store_knows_no_id(make_server: MakeServer, tmp_path: Path) -> None:
    """Not even beside the secret: keys are hashes, and what a session leaves when it moves is encrypted."""
    folder = tmp_path / "sessions"
    async with serving(session_server(make_server, FileStore(folder))) as site:
        ada = await logged_in(site)
        old = str(ada.id)
        async with ada.socket() as socket:
            await over_socket(socket, site.ss, regenerate)
            files = {path.name.removesuffix(".json"): path.read_text() for path in folder.glob("*.json")}
            ticket = socket.events[0]["params"]["ticket"]
            assert await ada.redeem(ticket) == 204
        assert len(files) == 4, "the session, a note of each move, the ticket"
        for secret in (old, str(ada.id), ticket):
            for form in (secret, id_bytes(secret).hex()):
                assert not [name for name, text in files.items() if form in name + text]
        for key in files:
            assert await on_every_way(site, f"connect.sid={sign(key, SECRET)}") == [NOBODY] * 3
        assert await over_http(ada, look) == ADA


@pytest.mark.gen_test
async def test_a_comparison_in_constant_time_decides(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured times say little in a test. But the answer is that of hmac.compare_digest, whatever that is; each secret
    is tried; and no store is asked before.
    """
    compared: list[tuple[int, int]] = []
    says: list[bool] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return says[0] if says else real(one, other)

    real, store = hmac.compare_digest, WatchedStore()
    ss = session_server(make_server, store)
    ss.session.options.secret = [SECRET, OTHER]
    async with serving(ss) as site:
        ada = await logged_in(site)
        monkeypatch.setattr(hmac, "compare_digest", compare_digest)
        forged = ada.cookie[:-2] + ("AA" if ada.cookie[-2:] != "AA" else "BB")
        for cookie, seen in ((ada.cookie, ADA), (forged, NOBODY)):
            compared.clear()
            store.forget()
            assert await over_http(Browser(site, cookie), look) == seen
            assert compared == [(43, 43)] * 2, "one comparison for each secret, whichever fits"
            assert store.calls == (["load"] if seen == ADA else [])
        says.append(True)
        assert await over_http(Browser(site, forged), look) == ADA
        says[0] = False
        assert await over_http(Browser(site, ada.cookie), look) == NOBODY
