"""One call made again and again: how to connect for it, what to ask, what must be answered."""

from dataclasses import dataclass
from typing import Any

from .dialects import DIALECTS
from .wire import Client

FIRST_ID = 10  # ids of two digits: all requests have one length, and all replies


@dataclass(frozen=True)
class Job:
    """Which call, and how it must be answered."""

    port: int
    path: str
    dialect: str
    method: str
    params: list[Any]
    expect: Any
    prepare: str = ""  # a method that writes a session; the connections then carry its cookie

    def connect(self) -> Client:
        cookie = self._login() if self.prepare else ""
        return self._open(cookie)

    def _open(self, cookie: str) -> Client:
        client = Client(self.port, self.path, cookie)
        DIALECTS[self.dialect].greet(client)
        return client

    def _login(self) -> str:
        client = self._open("")
        self.ask(client, self.prepare, [], FIRST_ID, True)
        client.close()
        assert client.cookie, "the server set no cookie"
        return client.cookie

    def ask(self, client: Client, method: str, params: list[Any], id: int, expect: Any) -> str:
        """One call, its reply read as JSON and compared with what it must be."""
        dialect = DIALECTS[self.dialect]
        client.send(dialect.request(method, params, id))
        text = client.receive()
        if dialect.reply(text) != (id, expect):
            raise ValueError(f"{method} {params} id {id}: wrong reply {text}")
        return text
