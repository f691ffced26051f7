"""Which transport a connection gets, and what the server says when the one asked for is not there."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket
from websockets.asyncio.client import connect as connect_websocket
from websockets.asyncio.client import unix_connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from rpc_sessions import Server
from rpc_sessions.transport.framed_socket import FramedSocket
from tests.apps import ECHO, MakeServer, Site, serving, write_app
from tests.frames import CLOSE, TEXT, RawSocket, frame, upgrade
from tests.processes import REPOSITORY
from tests.requirements import needs, needs_module
from tests.websocket.transports import ANY_TRANSPORT
from tests.wire import Socket, connect, request

EVERY_OPTION = pytest.mark.parametrize("transport", ["auto", "fast", "tornado"], indirect=True)


def in_use() -> set[str]:
    """The transports of the connections that are open."""
    return {type(thing).__name__ for thing in gc.get_objects() if issubclass(type(thing), FramedSocket)}


@asynccontextmanager
async def listening(ss: Server, server: HTTPServer) -> AsyncIterator[Site]:
    (sock,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([sock])
    yield Site(ss, sock.getsockname()[1])
    server.stop()
    await ss.stop(drain=0)
    await server.close_all_connections()


@EVERY_OPTION
@pytest.mark.gen_test
async def test_plain_tcp(transport: str, make_server: MakeServer) -> None:
    needs_module("picows", 'pip install "picows>=2.3,<2.4"')
    deflate = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    gc.collect()
    # That it is offered makes no difference.
    async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site, headers=deflate) as socket:
        assert await socket.result("app.echo", 1) == 1
        assert in_use() == {"TornadoSocket" if transport == "tornado" else "FastSocket"}


@EVERY_OPTION
@pytest.mark.gen_test
async def test_compression_goes_to_tornado_for_who_offers_it(transport: str, make_server: MakeServer) -> None:
    needs_module("picows", 'pip install "picows>=2.3,<2.4"')
    gc.collect()
    deflate = [ClientPerMessageDeflateFactory()]
    ss = make_server({"rpc/app.py": ECHO}, compression=True)
    async with serving(ss) as site, connect(site, extensions=deflate) as socket:
        assert await socket.result("app.echo", "x" * 5000) == "x" * 5000
        assert in_use() == {"DeflateSocket"}
        async with connect(site) as other:
            assert await other.result("app.echo", 1) == 1
            assert in_use() == {"DeflateSocket", "TornadoSocket" if transport == "tornado" else "FastSocket"}


@EVERY_OPTION
@pytest.mark.gen_test
async def test_compression_over_tls(make_server: MakeServer, certificate: tuple[Path, Path]) -> None:
    gc.collect()
    async with serving_tls(make_server({"rpc/app.py": ECHO}, compression=True), certificate) as (site, context):
        uri = f"wss://localhost:{site.port}/rpc"
        async with connect_websocket(uri, ssl=context, max_size=None) as connection:  # it offers compression by itself
            assert [extension.name for extension in connection.protocol.extensions] == ["permessage-deflate"]
            socket = Socket(connection)
            for size in (1, 1000, 10_000):
                assert await socket.result("app.echo", "é" * size) == "é" * size
            assert in_use() == {"DeflateSocket"}
            await socket.send(request("app.echo", ["x" * 5_000_000]))  # 5 KB on the wire
            assert await socket.closed() == (1009, "message too big")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [needs("openssl"), "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return certificate, key


@asynccontextmanager
async def serving_tls(ss: Server, certificate: tuple[Path, Path]) -> AsyncIterator[tuple[Site, ssl.SSLContext]]:
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=certificate[0])
    ours.load_cert_chain(*certificate)
    async with listening(ss, HTTPServer(ss.make_app(), ssl_options=ours)) as site:
        yield site, theirs


@EVERY_OPTION
@pytest.mark.gen_test
async def test_tls_stays_with_tornado(make_server: MakeServer, certificate: tuple[Path, Path]) -> None:
    gc.collect()
    async with serving_tls(make_server({"rpc/app.py": ECHO}), certificate) as (site, context):
        uri = f"wss://localhost:{site.port}/rpc"
        async with connect_websocket(uri, ssl=context, max_size=None) as connection:
            socket = Socket(connection)
            for size in (1, 1000, 60_000):
                assert len(await socket.result("app.echo", "x" * size)) == size
            assert in_use() == {"TornadoSocket"}
            await (await connection.ping())
            await socket.send(request("app.echo", ["x" * 5_000_000]))  # and hears why, though it is not read
            assert await socket.closed() == (1009, "message too big")
        async with connect_websocket(uri, ssl=context) as connection:
            await connection.close(4000, "bye")
            assert connection.close_code == 4000


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_tls_with_a_frame_in_the_same_breath(make_server: MakeServer, certificate: tuple[Path, Path]) -> None:
    async with serving_tls(make_server({"rpc/app.py": ECHO}), certificate) as (site, context):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context, server_hostname="localhost")
        writer.write(upgrade() + frame(TEXT, request("app.echo", ["early"]).encode()))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        raw = RawSocket(reader, writer)
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "early"
        raw.send(TEXT, b"x", reserved=7)
        closing = await raw.read()
        assert closing
        assert (closing.opcode, closing.close_code) == (CLOSE, 1002)
        assert await raw.read() is None
        writer.close()


@EVERY_OPTION
@pytest.mark.gen_test
async def test_a_unix_socket(transport: str, make_server: MakeServer, tmp_path: Path) -> None:
    ss, path = make_server({"rpc/app.py": ECHO}), str(tmp_path / "socket")
    server = HTTPServer(ss.make_app())
    server.add_socket(bind_unix_socket(path))
    async with unix_connect(path, "ws://localhost/rpc") as connection:
        assert await Socket(connection).result("app.echo", 1) == 1
        assert in_use() == {"TornadoSocket" if transport == "tornado" else "FastSocket"}
    server.stop()
    await ss.stop(drain=0)


PROGRAM = """
from rpc_sessions import ConfigError, Server
from tests.websocket.test_choice import visit
ss = Server(sys.argv[1])
ss.options.transport = "fast"
try:
    ss.handlers()
except ConfigError as error:
    print(error)
for ss.options.transport in ("auto", "tornado"):
    visit(ss)
"""
LACKS = {
    "it is not installed": "import sys; sys.modules['picows'] = None",
    "it is another version": "import sys, picows.version; picows.version.__version__ = '3.0.0'",
}


def visit(ss: Server) -> None:
    """Call the server once, in a loop of its own, and say on which transport that was."""

    async def call() -> None:
        async with serving(ss) as site, connect(site) as socket:
            print(await socket.result("app.echo", "hello"), *in_use())  # noqa: T201 (the test reads it)

    asyncio.run(call())


@ANY_TRANSPORT
@pytest.mark.parametrize("lack", LACKS.values(), ids=LACKS)
def test_where_picows_cannot_be_used(lack: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", lack + PROGRAM, str(write_app(tmp_path, {"rpc/app.py": ECHO}))]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=False)
    assert run.returncode == 0, run.stderr
    said, *visits = run.stdout.splitlines()
    assert said.startswith('options.transport = "fast": ')
    assert 'pip install "picows>=2.3,<2.4"' in said
    assert visits == ["hello TornadoSocket"] * 2
