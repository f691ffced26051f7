"""examples/02_session_counter"""

from __future__ import annotations

from tests.examples.conftest import StartExample
from tests.examples.visitor import Visitor


def test_http_and_websocket_count_in_one_session(start_example: StartExample) -> None:
    visitor = Visitor(start_example("02_session_counter").url)
    with visitor.websocket() as socket:
        assert socket.rpc("counter.read") == 0
        assert socket.rpc("counter.increment") == 1
        assert visitor.post("/count").json == {"count": 2}
        assert socket.rpc("counter.read") == 2
    assert visitor.rpc("counter.increment") == 3


def test_a_session_that_begins_over_http_is_there_over_websocket(start_example: StartExample) -> None:
    server = start_example("02_session_counter")
    visitor = Visitor(server.url)
    assert visitor.post("/count").json == {"count": 1}
    with visitor.websocket() as socket:
        assert socket.rpc("counter.read") == 1
    assert Visitor(server.url).rpc("counter.read") == 0


def test_no_parallel_increment_is_lost(start_example: StartExample) -> None:
    visitor = Visitor(start_example("02_session_counter").url)
    with visitor.websocket() as one, visitor.websocket() as other:
        for _ in range(10):
            one.send("counter.increment")
            other.send("counter.increment")
        counts = [socket.receive() for socket in (one, other) for _ in range(10)]
    assert sorted(counts) == list(range(1, 21))


def test_every_tab_hears_of_it(start_example: StartExample) -> None:
    server = start_example("02_session_counter")
    visitor = Visitor(server.url)
    with visitor.websocket() as one, visitor.websocket() as other, Visitor(server.url).websocket() as stranger:
        assert one.rpc("counter.increment") == 1
        assert other.event() == ("count", [1])
        assert stranger.rpc("counter.read") == 0
        assert stranger.events == []
