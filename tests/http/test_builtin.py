"""What every server also serves: its health, its metrics, and the JS client."""

from __future__ import annotations

import re

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import session_server
from tests.stores.doubles import WatchedStore
from tests.wire import connect

FAIL = """
    def actions(req, res, ss):
        async def fail():
            raise KeyError("boom")
        return [fail]
"""


@pytest.mark.gen_test
async def test_health_and_readiness(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:

        async def ask(path: str) -> tuple[int, bytes]:
            response = await Browser(site).get(path)
            assert response.headers["Content-Type"] == "application/json"
            assert set_cookies(response) == []
            return response.code, response.body

        assert await ask("/healthz") == (200, b'{"status":"ok"}')
        assert store.calls == []
        assert await ask("/readyz") == (200, b'{"status":"ok"}')
        store.down = True
        assert await ask("/healthz") == (200, b'{"status":"ok"}')
        assert await ask("/readyz") == (503, b'{"status":"session store unavailable"}')
        store.down = False
        assert await ask("/readyz") == (200, b'{"status":"ok"}')
    logs.take("503 GET /readyz")


@pytest.mark.gen_test
async def test_a_server_without_sessions_is_ready_whatever_its_store(make_server: MakeServer) -> None:
    ss, store = make_server({"rpc/app.py": ECHO}), WatchedStore()
    store.down = True
    ss.session.store.use(store)
    async with serving(ss) as site:
        assert (await Browser(site).get("/readyz")).code == 200
    assert store.calls == []


@pytest.mark.gen_test
async def test_the_client_is_a_module_that_browsers_ask_for_again(make_server: MakeServer) -> None:
    async with serving(make_server({})) as site:
        browser = Browser(site)
        first = await browser.get("/rpc/client.js")
        assert (first.code, first.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert first.headers["Cache-Control"] == "no-cache"
        assert re.search(rb"^export ", first.body, re.MULTILINE)
        again = await browser.get("/rpc/client.js", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.code, again.body) == (304, b"")
        other = await browser.get("/rpc/client.js", headers={"If-None-Match": '"other"'})
        assert (other.code, other.body) == (200, first.body)
        for path in ("/rpc/client.js/", "/rpc/clientxjs", "/rpc/index.js", "/rpc/client.js/../index.d.ts"):
            assert (await browser.get(path)).code == 404


@pytest.mark.gen_test
async def test_metrics_only_when_asked_for(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        assert (await Browser(site).get("/metrics")).code == 404
    ss = make_server({"rpc/app.py": ECHO, "rpc/bad.py": FAIL}, metrics=True)
    async with serving(ss) as site, connect(site) as socket:
        for _ in range(3):
            await socket.call("app.echo", 1)
        for method in ("bad.fail", "app.none", "app.none"):
            await socket.call(method)
        response = await Browser(site).get("/metrics")
        assert (response.code, response.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        lines = response.body.decode().splitlines()
        assert response.body.endswith(b"\n")
        assert "rpc_sessions_connections 1" in lines
        assert "rpc_sessions_calls_in_flight 0" in lines
        assert 'rpc_sessions_errors_total{code="-32603"} 1' in lines
        assert 'rpc_sessions_errors_total{code="-32601"} 2' in lines
        (total,) = [line for line in lines if line.startswith("rpc_sessions_calls_total")]
        assert int(total.split()[1]) in (4, 6)
        for line in lines:
            assert re.fullmatch(r'# TYPE \w+ (gauge|counter)|\w+(\{code="-?\d+"\})? \d+', line), line
    logs.take("boom")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/rpc/client.js", "/metrics"])
@pytest.mark.gen_test
async def test_they_are_only_for_reading(path: str, make_server: MakeServer) -> None:
    async with serving(make_server({}, metrics=True)) as site:
        for method in ("POST", "PUT", "DELETE"):
            assert (await Browser(site).fetch(path, method, "" if method != "DELETE" else None)).code == 405
