"""A visitor: what a browser does to a session, in a few lines. One cookie, for HTTP and for WebSockets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from websockets.sync.client import ClientConnection, connect

PATIENCE = 60  # seconds; a machine may have much else to do


class Reply(NamedTuple):
    status: int
    headers: HTTPMessage
    body: str

    @property
    def json(self) -> Any:  # Any: whatever the server said
        return json.loads(self.body)


class CallFailed(Exception):
    """A call that was answered with an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error)
        self.code: int = error["code"]


class Visitor:
    """``Visitor(url).get("/me")``, ``.post("/login", {"name": "ada"})``, ``.rpc("app.echo", "x")``."""

    def __init__(self, url: str, cookie: str = "") -> None:
        self.host = urlsplit(url).netloc
        self.cookie = cookie

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def post(self, path: str, form: Mapping[str, str] | None = None) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"}
        return self.request("POST", path, urlencode(form or {}), headers)

    def rpc(self, method: str, *params: object) -> Any:
        """A call over HTTP POST."""
        return _result(self._post_json("/rpc", _call(method, params)).json)

    @contextmanager
    def websocket(self) -> Iterator[Socket]:
        headers = {"Cookie": self.cookie}
        with connect(f"ws://{self.host}/rpc", additional_headers=headers, open_timeout=PATIENCE) as connection:
            assert connection.response is not None
            self._take_cookie(connection.response.headers.get("Set-Cookie"))
            yield Socket(connection, self)

    def redeem(self, ticket: str) -> None:
        """What the JS client does when the session has a new id."""
        assert self._post_json("/rpc/session", {"ticket": ticket}).status == 204

    def request(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Cookie": self.cookie, **(headers or {})})
            response = connection.getresponse()
            self._take_cookie(response.headers.get("Set-Cookie"))
            return Reply(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def _post_json(self, path: str, value: object) -> Reply:
        return self.request("POST", path, json.dumps(value), {"Content-Type": "application/json"})

    def _take_cookie(self, header: str | None) -> None:
        if header:
            name, _, value = header.split(";")[0].partition("=")
            self.cookie = f"{name}={value}" if value else ""


class Socket:
    """``socket.rpc("app.echo", "x")``; ``events`` holds the notifications that came, as (name, params)."""

    def __init__(self, connection: ClientConnection, visitor: Visitor) -> None:
        self.connection = connection
        self.events: list[tuple[str, Any]] = []
        self._visitor = visitor

    def rpc(self, method: str, *params: object) -> Any:
        self.send(method, *params)
        return self.receive()

    def send(self, method: str, *params: object) -> None:
        self.connection.send(json.dumps(_call(method, params)))

    def receive(self) -> Any:
        """The result of the next answer."""
        while "method" in (message := json.loads(self.connection.recv(timeout=PATIENCE))):
            self._notified(message["method"], message["params"])
        return _result(message)

    def event(self) -> tuple[str, Any]:
        """The next notification, (name, params)."""
        if not self.events:
            message = json.loads(self.connection.recv(timeout=PATIENCE))
            self._notified(message["method"], message["params"])
        return self.events.pop(0)

    def _notified(self, method: str, params: Any) -> None:
        self.events.append((method, params))
        if method == "rpc.session" and "ticket" in params:
            self._visitor.redeem(params["ticket"])


def _call(method: str, params: tuple[object, ...]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _result(answer: Mapping[str, Any]) -> Any:
    if "error" in answer:
        raise CallFailed(answer["error"])
    return answer["result"]
