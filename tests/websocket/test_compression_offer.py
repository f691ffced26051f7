"""RFC 7692, sections 5 and 7.1: which offers of permessage-deflate are taken, and how they are answered."""

from __future__ import annotations

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.frames import TEXT, Frame, RawSocket, frame, handshake
from tests.websocket.test_conformance_handshake import head
from tests.websocket.transports import ANY_TRANSPORT, EVERY_TRANSPORT
from tests.wire import request

ALONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

TAKEN = {
    "permessage-deflate": ALONE,
    "permessage-deflate; client_max_window_bits": ALONE,  # what browsers say
    "permessage-deflate; client_max_window_bits=8": ALONE,
    "permessage-deflate; client_max_window_bits=15": ALONE,
    "permessage-deflate; server_no_context_takeover": ALONE,
    "permessage-deflate;client_no_context_takeover;server_no_context_takeover": ALONE,
    "permessage-deflate; server_max_window_bits=15": f"{ALONE}; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=9": f"{ALONE}; server_max_window_bits=9",
    'permessage-deflate; server_max_window_bits="10"': f"{ALONE}; server_max_window_bits=10",
    r'permessage-deflate; server_max_window_bits="1\0"': f"{ALONE}; server_max_window_bits=10",
    " permessage-deflate ;\tserver_max_window_bits = 11 ": f"{ALONE}; server_max_window_bits=11",
    ",, permessage-deflate,": ALONE,
    # The first that fits, whatever comes before it.
    "foo, bar; baz=1, permessage-deflate": ALONE,
    'foo; bar="permessage-deflate; x, y", permessage-deflate': ALONE,
    r'foo; bar="\", permessage-deflate; server_max_window_bits=9, \"", permessage-deflate': ALONE,
    "permessage-deflate; server_max_window_bits=8, permessage-deflate": ALONE,
    "permessage-deflate; server_max_window_bits=12, permessage-deflate": f"{ALONE}; server_max_window_bits=12",
    "permessage-deflate; mystery, permessage-deflate; server_max_window_bits=13": f"{ALONE}; server_max_window_bits=13",
}
NOT_TAKEN = [
    "",
    "x-webkit-deflate-frame, foo; bar=1",
    "permessage-deflate=1",
    "permessage-deflate2",
    "permessage-bzip2",
    'foo; bar=", permessage-deflate, "',
    # parameters that are unknown, twice there, or have a value that they may not have
    "permessage-deflate; mystery",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover=true",
    'permessage-deflate; client_no_context_takeover=""',
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
    "permessage-deflate; server_max_window_bits",
    *(f"permessage-deflate; server_max_window_bits={bits}" for bits in ("0", "7", "8", "16", "010", "+9", "9.0", "-9")),
    *(f"permessage-deflate; client_max_window_bits={bits}" for bits in ("0", "7", "16", "08", "1e1", "x", '"1 0"')),
    "permessage-deflate; server_max_window_bits=١٠".encode().decode("latin1"),
    "permessage-deflate; server_max_window_bits=99999999999999999999",
    "permessage-deflate; Server_Max_Window_Bits=10",
    # what breaks the grammar, wherever
    "permessage-deflate;",
    "permessage-deflate;;",
    "permessage-deflate; ; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=",
    'permessage-deflate; server_max_window_bits="10',
    'permessage-deflate; server_max_window_bits="10"5',
    "permessage-deflate server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10 12",
    "permessage-deflate, =",
    "permessage-deflate, foo; bar=(1)",
    ";permessage-deflate",
    '"permessage-deflate"',
    '"' * 500,
    "a;" * 500,
    "permessage-deflate; " + "server_no_context_takeover; " * 20,
    "permessage-deflate, " * 1000,
]


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_offers_that_are_taken(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO}, compression=True)) as site:
        for offer, answer in TAKEN.items():
            status, headers = await head(site, {"Sec-WebSocket-Extensions": offer})
            assert status.startswith("HTTP/1.1 101 ")
            assert (offer, dict(headers).get("Sec-Websocket-Extensions")) == (offer, answer)


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_offers_that_are_not_taken_are_no_error(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO}, compression=True)) as site:
        for offer in NOT_TAKEN:
            status, headers = await head(site, {"Sec-WebSocket-Extensions": offer})
            assert (offer, status) == (offer, "HTTP/1.1 101 Switching Protocols")
            assert (offer, dict(headers).get("Sec-Websocket-Extensions")) == (offer, None)


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_offers_in_several_headers_are_one_list(make_server: MakeServer) -> None:
    offers = {
        "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=8",
        "sec-websocket-extensions": "permessage-deflate; server_max_window_bits=14",
    }
    async with serving(make_server({"rpc/app.py": ECHO}, compression=True)) as site:
        _, headers = await head(site, offers)
        assert ("Sec-Websocket-Extensions", f"{ALONE}; server_max_window_bits=14") in headers


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_who_does_not_offer_gets_what_there_always_was(make_server: MakeServer) -> None:
    long = request("app.echo", ["x" * 50_000]).encode()
    async with serving(make_server({"rpc/app.py": ECHO}, compression=True)) as site:
        for offer in ({}, {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=8"}):
            _, headers = await head(site, offer)
            assert [name for name, _ in headers if name not in ("Date", "Server")] == [
                "Connection", "Sec-Websocket-Accept", "Upgrade", "Vary",
            ]  # fmt: skip
            _, reader, writer = await handshake(site, offer, then=frame(TEXT, long))
            reply = await RawSocket(reader, writer).read()
            assert type(reply) is Frame
            assert len(reply.json["result"]) == 50_000
            writer.transport.abort()
