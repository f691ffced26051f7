"""examples/04_plain_tornado"""

from __future__ import annotations

import pytest
from websockets import ConnectionClosed

from tests.examples.conftest import StartExample
from tests.examples.visitor import PATIENCE, Visitor


def test_calls_and_tornado_handlers_share_the_session(start_example: StartExample) -> None:
    server = start_example("04_plain_tornado")
    visitor = Visitor(server.url)
    assert visitor.get("/about").body == "just Tornado"
    assert "<li>" not in visitor.get("/").body
    with visitor.websocket() as socket:
        assert socket.rpc("cart.add", "apple") == {"apple": 1}
        assert socket.rpc("cart.add", "apple", 2) == {"apple": 3}
        assert "<li>3 apple</li>" in visitor.get("/").body
        socket.rpc("cart.add", "<b>")
        assert "<li>1 &lt;b&gt;</li>" in visitor.get("/").body
        assert visitor.request("DELETE", "/").status == 204
        assert socket.rpc("cart.read") == {}
    assert "connect" in visitor.get("/rpc/client.js").body


def test_it_ends_on_sigterm(start_example: StartExample) -> None:
    server = start_example("04_plain_tornado")
    with Visitor(server.url).websocket() as socket:
        assert socket.rpc("cart.read") == {}
        server.popen.terminate()
        with pytest.raises(ConnectionClosed) as closed:
            socket.connection.recv(timeout=PATIENCE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert server.wait() == 0
    assert "Traceback" not in server.output
