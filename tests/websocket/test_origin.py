"""Which pages may connect; who may not is told so before any session is read."""

from __future__ import annotations

import pytest
from tornado.httpclient import HTTPResponse

from rpc_sessions import Record, Server
from rpc_sessions.session.cookie import sign
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import SECRET, MakeServer, Site, serving
from tests.frames import handshake
from tests.websocket.transports import ANY_TRANSPORT
from tests.wire import JSON_TYPE, post, request

pytestmark = ANY_TRANSPORT

SESSIONS = """
    def actions(req, res, ss):
        req.use("session")
        async def get():
            return dict(req.session)
        return [get]
"""


class CountingStore(MemoryStore):
    """Counts how often it is read."""

    loads = 0

    async def load(self, key: str) -> Record | None:
        self.loads += 1
        return await super().load(key)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def ss(make_server: MakeServer, store: CountingStore) -> Server:
    ss = make_server({"rpc/app.py": SESSIONS}, origins=["https://app.example", "http://other.example:8080"])
    ss.session.store.use(store)
    return ss


async def cookie_of_a_session(ss: Server) -> dict[str, str]:
    session = await ss.session.create({"a": 1})
    return {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}


async def connect_from(site: Site, headers: dict[str, str]) -> int:
    status, _, writer = await handshake(site, headers)
    writer.transport.abort()
    return status


async def post_from(site: Site, headers: dict[str, str]) -> HTTPResponse:
    return await post(site, request("app.get"), {**JSON_TYPE, **headers})


ALLOWED = [
    {},
    {"Origin": "http://127.0.0.1:PORT"},
    {"Origin": "HTTP://127.0.0.1:PORT"},
    {"Origin": "https://app.example"},
    {"Origin": "https://app.example:443"},
    {"Origin": "https://APP.example"},
    {"Origin": "http://other.example:8080"},
    {"Host": "shop.example", "Origin": "http://shop.example"},
    {"Host": "shop.example:80", "Origin": "http://shop.example"},
    {"Host": "Shop.Example", "Origin": "http://shop.example:80"},
]
REFUSED = [
    "null",
    "",
    "file://",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://127.0.0.1:PORT0",
    "https://127.0.0.1:PORT",
    "ws://127.0.0.1:PORT",
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@evil.example",
    "http://localhost:PORT",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "https://evil.example/app.example",
    "https://sub.app.example",
    "https://app.example, https://app.example",
    "http://other.example",
    "https://other.example:8080",
    "chrome-extension://abcdef",
]


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
@pytest.mark.gen_test
async def test_our_own_pages_and_those_listed_may_connect(headers: dict[str, str], ss: Server) -> None:
    async with serving(ss) as site:
        headers = {name: value.replace("PORT", str(site.port)) for name, value in headers.items()}
        assert await connect_from(site, headers) == 101
        assert (await post_from(site, headers)).code == 200


@pytest.mark.parametrize("origin", REFUSED)
@pytest.mark.gen_test
async def test_no_other_page_may_and_no_session_is_read(origin: str, ss: Server, store: CountingStore) -> None:
    async with serving(ss) as site:
        headers = {**await cookie_of_a_session(ss), "Origin": origin.replace("PORT", str(site.port))}
        store.loads = 0
        assert await connect_from(site, headers) == 403
        assert (await post_from(site, headers)).code == 403
        assert store.loads == 0
        assert await connect_from(site, {**headers, "Origin": f"http://127.0.0.1:{site.port}"}) == 101
        assert store.loads == 1  # the cookie is a good one


@pytest.mark.gen_test
async def test_behind_a_trusted_proxy_the_scheme_is_what_it_says(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SESSIONS}, trusted_proxies=["127.0.0.1"])
    page = {"Host": "shop.example", "Origin": "https://shop.example"}
    async with serving(ss) as site:
        assert await connect_from(site, {**page, "X-Forwarded-Proto": "https"}) == 101
        assert await connect_from(site, {**page, "X-Forwarded-Proto": "http"}) == 403
        assert await connect_from(site, page) == 403


@pytest.mark.gen_test
async def test_anybody_may_say_https_but_only_a_proxy_is_believed(ss: Server) -> None:
    page = {"Host": "shop.example", "Origin": "https://shop.example", "X-Forwarded-Proto": "https"}
    async with serving(ss) as site:
        assert await connect_from(site, page) == 403


FORWARDED = [
    ([], {"X-Forwarded-For": "9.9.9.9"}, "127.0.0.1"),
    (["10.0.0.0/8"], {"X-Forwarded-For": "9.9.9.9"}, "127.0.0.1"),
    (["127.0.0.1"], {}, "127.0.0.1"),
    (["127.0.0.1"], {"X-Forwarded-For": "9.9.9.9"}, "9.9.9.9"),
    (["127.0.0.0/8"], {"X-Forwarded-For": "8.8.8.8, 9.9.9.9"}, "9.9.9.9"),  # the left is the client's own word
    (["127.0.0.1", "10.0.0.0/8"], {"X-Forwarded-For": "8.8.8.8, 9.9.9.9, 10.1.2.3"}, "9.9.9.9"),
    (["127.0.0.1"], {"X-Forwarded-For": "::1"}, "::1"),
    (["127.0.0.1"], {"X-Forwarded-For": "9.9.9.9, evil"}, "127.0.0.1"),
    (["127.0.0.1"], {"X-Forwarded-For": "<script>"}, "127.0.0.1"),
    (["127.0.0.1"], {"X-Real-Ip": "9.9.9.9"}, "127.0.0.1"),
]


@pytest.mark.parametrize(("trusted", "headers", "address"), FORWARDED)
@pytest.mark.gen_test
async def test_the_address_of_the_client(
    trusted: list[str], headers: dict[str, str], address: str, make_server: MakeServer
) -> None:
    source = """
        def actions(req, res, ss):
            async def get():
                return req.client_ip
            return [get]
    """
    async with serving(make_server({"rpc/app.py": source}, trusted_proxies=trusted)) as site:
        response = await post_from(site, headers)
    assert f'"result":"{address}"'.encode() in response.body
