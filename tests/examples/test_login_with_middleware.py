"""examples/03_login_with_middleware"""

from __future__ import annotations

import pytest
from websockets import ConnectionClosed

from tests.examples.conftest import StartExample
from tests.examples.visitor import PATIENCE, CallFailed, Socket, Visitor

ADA = {"name": "ada", "password": "lovelace"}


@pytest.fixture
def visitor(start_example: StartExample) -> Visitor:
    return Visitor(start_example("03_login_with_middleware").url)


def code_of(socket: Socket, method: str, *params: str) -> int:
    with pytest.raises(CallFailed) as failure:
        socket.rpc(method, *params)
    return failure.value.code


def test_a_login_over_http_is_one_over_websocket(visitor: Visitor) -> None:
    with visitor.websocket() as socket:
        before = visitor.cookie
        assert code_of(socket, "reports.read") == -32001
        reply = visitor.post("/login", ADA)
        assert (reply.status, reply.headers["Location"]) == (303, "/")
        assert visitor.cookie not in ("", before)  # a new id
        assert socket.rpc("account.whoami") == "ada"  # on the connection that was open before
        assert socket.rpc("reports.read") == "ada, all is well"
        assert Visitor(f"http://{visitor.host}", before).get("/me").status == 401


def test_a_login_over_websocket_is_one_over_http(visitor: Visitor) -> None:
    with visitor.websocket() as socket:
        before = visitor.cookie
        assert visitor.get("/me").status == 401
        assert socket.rpc("account.login", "ada", "lovelace") == "ada"
        assert [name for name, _ in socket.events] == ["rpc.session"]
        assert visitor.cookie not in ("", before)  # through the ticket
        assert visitor.get("/me").json == {"user": "ada", "roles": ["admin"]}
        assert socket.rpc("account.logout") is None
        assert visitor.get("/me").status == 401
        assert socket.rpc("account.whoami") is None


def test_wrong_passwords_and_missing_roles_are_refused_on_both_sides(visitor: Visitor) -> None:
    assert visitor.post("/login", {"name": "ada", "password": "wrong"}).status == 401
    assert visitor.post("/login").status == 401
    with visitor.websocket() as socket:
        assert code_of(socket, "account.login", "nobody", "") == -32001
        assert socket.rpc("account.login", "bob", "builder") == "bob"
        assert code_of(socket, "reports.read") == -32001  # he is no admin
        assert visitor.get("/me").json == {"user": "bob", "roles": []}


def test_a_logout_over_http_ends_the_sockets(visitor: Visitor) -> None:
    visitor.post("/login", ADA)
    with visitor.websocket() as socket:
        assert visitor.post("/logout").status == 303
        with pytest.raises(ConnectionClosed) as closed:
            socket.connection.recv(timeout=PATIENCE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
    assert visitor.get("/me").status == 401


def test_another_site_cannot_log_anybody_in(visitor: Visitor) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://elsewhere.example"}
    reply = visitor.request("POST", "/login", "name=ada&password=lovelace", headers)
    assert (reply.status, visitor.cookie) == (403, "")
