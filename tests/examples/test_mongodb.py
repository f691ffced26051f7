"""examples/05_mongodb"""

from __future__ import annotations

import pytest

from tests.examples.conftest import StartExample
from tests.examples.visitor import CallFailed, Visitor
from tests.processes import find_free_port


def test_a_session_outlives_the_server(start_example: StartExample, mongo_uri: str) -> None:
    first = start_example("05_mongodb", MONGODB_URI=mongo_uri)
    visitor = Visitor(first.url)
    assert visitor.post("/notes", {"text": "milk"}).json == ["milk"]
    with visitor.websocket() as socket:
        assert socket.rpc("notes.add", "bread") == 2
    assert first.stop() == 0
    again = Visitor(start_example("05_mongodb", MONGODB_URI=mongo_uri).url, visitor.cookie)
    assert again.get("/notes").json == ["milk", "bread"]
    assert again.rpc("notes.read") == ["milk", "bread"]


def test_two_servers_share_a_session(start_example: StartExample, mongo_uri: str) -> None:
    one = Visitor(start_example("05_mongodb", MONGODB_URI=mongo_uri).url)
    assert one.post("/notes", {"text": "milk"}).json == ["milk"]
    other = Visitor(start_example("05_mongodb", MONGODB_URI=mongo_uri).url, one.cookie)
    with other.websocket() as socket:
        assert socket.rpc("notes.read") == ["milk"]
        assert one.post("/notes", {"text": "eggs"}).json == ["milk", "eggs"]
        assert socket.rpc("notes.read") == ["milk", "eggs"]


def test_without_a_mongodb_it_says_so(start_example: StartExample) -> None:
    uri = f"mongodb://127.0.0.1:{find_free_port()}/?serverSelectionTimeoutMS=200"
    visitor = Visitor(start_example("05_mongodb", MONGODB_URI=uri).url)
    with pytest.raises(CallFailed) as failure:
        visitor.rpc("notes.add", "milk")
    assert failure.value.code == -32010
