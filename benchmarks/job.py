"""One call made again and again: how to connect for it, what to ask, what must be answered."""

from dataclasses import dataclass
from typing import Any

from .client import Client
from .dialects import DIALECTS

FIRST_ID = 10  # ids of two digits: all requests have one length


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
        return DIALECTS[self.dialect].connect(self.port, self.path, self._login() if self.prepare else "")

    def _login(self) -> str:
        client = DIALECTS[self.dialect].connect(self.port, self.path, "")
        self._ask(client, self.prepare, [], FIRST_ID, True)
        client.close()
        assert client.cookie, "the server set no cookie"
        return client.cookie

    def wire(self, client: Client, id: int) -> bytes:
        """The call with this id, as it goes over the wire."""
        return client.wire(DIALECTS[self.dialect].request(self.method, self.params, id))

    def ask(self, client: Client, id: int = FIRST_ID) -> bytes:
        """Make the call once. The reply, when it is the right one."""
        return self._ask(client, self.method, self.params, id, self.expect)

    def _ask(self, client: Client, method: str, params: list[Any], id: int, expect: Any) -> bytes:
        """The reply is read as JSON and compared with what it must be."""
        dialect = DIALECTS[self.dialect]
        client.send(dialect.request(method, params, id))
        message = client.receive()
        if dialect.reply(message, id) != (id, expect):
            raise ValueError(f"{method} {params} id {id}: wrong reply {message!r}")
        return message
