"""POST /rpc: bodies that are too large, clients that leave, pages of other origins."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.apps import ECHO, MakeServer, Site, serving
from tests.http.browser import Browser, set_cookies
from tests.waiting import until
from tests.wire import JSON_TYPE, connect, post, post_call, request

SESSION = """
    import asyncio

    def actions(req, res, ss):
        ss.api.ended = []
        req.use("session", autosave=True)

        async def put(name, value):
            req.session[name] = value

        async def wait(span):
            try:
                await asyncio.sleep(span)
            finally:
                ss.api.ended.append(span)

        return put, wait
"""
FILES = {"rpc/app.py": ECHO, "rpc/s.py": SESSION}


def text_of(size: int) -> str:
    """A call of so many bytes."""
    empty = len(request("app.echo", [""]))
    return request("app.echo", ["x" * (size - empty)])


async def send_chunked(site: Site, body: bytes, size: int) -> int:
    """The status of the answer to a body sent in chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for start in range(0, len(body), size):
        chunk = body[start : start + size]
        writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.close()
    return int(answer.split()[1])


LIMIT = 64 * 1024


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (100_000, 413), (10_000_000, 413)])
@pytest.mark.gen_test
async def test_a_body_over_the_limit_is_refused_and_the_server_goes_on(
    size: int, status: int, make_server: MakeServer
) -> None:
    text = text_of(size)
    assert len(text) == size
    async with serving(make_server(FILES)) as site, connect(site) as socket:
        response = await post(site, text)
        assert response.code == status
        reply = json.loads(response.body)
        if status == 413:
            assert (reply["error"]["code"], reply["id"]) == (-32003, None)
            assert response.headers["Content-Type"] == "application/json"
        for chunk in (1000, 100_000):
            assert await send_chunked(site, text.encode(), chunk) == status
        assert (await post_call(site, "app.echo", 1))["result"] == 1
        assert await socket.result("app.echo", 1) == 1


@pytest.mark.gen_test
async def test_the_limit_as_set(make_server: MakeServer) -> None:
    async with serving(make_server(FILES, message_limit=1000)) as site:
        assert (await post(site, text_of(1000))).code == 200
        assert (await post(site, text_of(1001))).code == 413


@pytest.mark.gen_test
async def test_a_client_that_stops_halfway_leaves_nothing_behind(make_server: MakeServer) -> None:
    async with serving(make_server(FILES)) as site:
        for body in (b"", b'{"jsonrpc":'):
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            head = b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
            writer.write(head + body)
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()
        await until(lambda: not site.ss._ready().requests)
        assert (await post_call(site, "app.echo", 1))["result"] == 1


@pytest.mark.gen_test
async def test_a_client_that_leaves_during_its_call_leaves_nothing_behind(make_server: MakeServer) -> None:
    async with serving(make_server(FILES)) as site:
        text = request("s.wait", [0.1]).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = f"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(head.encode() + text)
        await writer.drain()
        await until(lambda: site.ss._ready().dispatcher.running)
        writer.transport.abort()
        await until(lambda: site.ss.api.ended == [0.1])
        await until(lambda: not site.ss._ready().requests)
        await until(lambda: site.ss._ready().dispatcher.running == 0)


# -- pages of other origins --------------------------------------------------------------------------

ALLOWED = "https://app.example"


@pytest.mark.gen_test
async def test_a_listed_origin_may_call_with_its_cookie(make_server: MakeServer) -> None:
    async with serving(make_server(FILES, origins=[ALLOWED])) as site:
        browser = Browser(site)
        preflight = await browser.fetch("/rpc", "OPTIONS", headers={"Origin": ALLOWED})
        assert (preflight.code, preflight.body) == (204, b"")
        expected = {
            "Access-Control-Allow-Origin": ALLOWED,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }
        assert {name: preflight.headers.get(name) for name in expected} == expected
        call = request("s.put", ["a", 1])
        response = await browser.fetch("/rpc", "POST", call, headers={**JSON_TYPE, "Origin": ALLOWED})
        assert (response.code, len(set_cookies(response))) == (200, 1)
        for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"):
            assert response.headers.get(name) == expected[name]
        bad = await browser.fetch("/rpc", "POST", call, headers={"Content-Type": "text/plain", "Origin": ALLOWED})
        assert (bad.code, bad.headers.get("Access-Control-Allow-Origin")) == (415, ALLOWED), "the page may see why"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{ALLOWED}.evil.example", "http://app.example"])
@pytest.mark.gen_test
async def test_any_other_origin_is_refused(origin: str, make_server: MakeServer) -> None:
    async with serving(make_server(FILES, origins=[ALLOWED])) as site:
        for path in ("/rpc", "/rpc/session"):
            for method in ("OPTIONS", "POST"):
                body = request("s.put", ["a", 1]) if method == "POST" else None
                response = await Browser(site).fetch(path, method, body, headers={**JSON_TYPE, "Origin": origin})
                assert (response.code, set_cookies(response)) == (403, [])
                assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.gen_test
async def test_the_own_origin_needs_no_permission_and_gets_none(make_server: MakeServer) -> None:
    async with serving(make_server(FILES)) as site:
        response = await post(site, request("app.echo", [1]), {**JSON_TYPE, "Origin": site.url})
        assert response.code == 200
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "BREW"])
@pytest.mark.gen_test
async def test_other_methods_are_405(method: str, make_server: MakeServer) -> None:
    async with serving(make_server(FILES)) as site:
        assert (await Browser(site).fetch("/rpc", method)).code == 405
