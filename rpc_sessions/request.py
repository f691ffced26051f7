"""Request and Response: one call, from any transport. A Peer is whoever is at the other end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn

from rpc_sessions.errors import RPCError
from rpc_sessions.protocol import notification_text
from rpc_sessions.types import JSONId, Params

if TYPE_CHECKING:
    from rpc_sessions.session.claim import Claim
    from rpc_sessions.session.session import Session

log = logging.getLogger("rpc_sessions")
_NO_HEADERS: Mapping[str, str] = {}


class Peer:
    """Who calls: one WebSocket, one HTTP request, or this process. Transports subclass it.

    transport: "websocket", "http" or "internal". claim: the session it speaks for, if any.
    running: its calls under way. gone: nothing reaches it any more. reply_limit: the largest reply
    it can be sent, in bytes; 0 where there is no limit. spoke: when its client last said something,
    by the clock of the loop. ticketed: the session id that it was sent a ticket for.
    https: whether its client came by https, as far as the client knows.
    """

    transport = "internal"
    reply_limit = 0
    spoke = 0.0
    ticketed = ""
    https = False

    def __init__(self, headers: Mapping[str, str] = _NO_HEADERS, client_ip: str = "", socket_id: str = "") -> None:
        self.headers = headers
        self.client_ip = client_ip
        self.socket_id = socket_id
        self.claim: Claim | None = None
        self.running: set[Response] = set()
        self.gone = False

    def send(self, text: bytes) -> None:
        """Send a text to the client; dropped where the transport has no way to."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection with a WebSocket close code."""

    def notify(self, method: str, params: object) -> None:
        """Send an event. TypeError or ValueError if params cannot be written as JSON."""
        self.send(notification_text(method, params))


class Request:
    """One call. Middleware may set attributes of its own on it.

    id, method, params: as sent; over plain HTTP the id is None, the method GET, POST, ...
    and params the query and form fields. received_at: seconds since the epoch. opened: the session, or None
    before ``req.use("session")`` has run.
    """

    __slots__ = ("__dict__", "id", "method", "notification", "opened", "params", "peer", "received_at")

    def __init__(self, peer: Peer, method: str, params: Params, id: JSONId = None, notification: bool = False) -> None:
        self.peer = peer
        self.method = method
        self.params = params
        self.id = id
        self.notification = notification
        self.received_at = time.time()
        self.opened: Session | None = None

    def __str__(self) -> str:
        """What the log calls it."""
        return self.method

    @property
    def transport(self) -> str:
        return self.peer.transport

    @property
    def socket_id(self) -> str:
        """The id of the WebSocket, "" elsewhere."""
        return self.peer.socket_id

    @property
    def client_ip(self) -> str:
        """The client's address; X-Forwarded-For is believed from ``options.trusted_proxies`` only."""
        return self.peer.client_ip

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the HTTP request, or of the WebSocket's handshake."""
        return self.peer.headers

    @property
    def session(self) -> Session:
        """The session. RuntimeError where ``req.use("session")`` has not run: no store is read unasked."""
        if self.opened is None:
            raise RuntimeError('req.session needs req.use("session") before it')
        return self.opened

    @session.setter
    def session(self, session: Session) -> None:
        self.opened = session

    @property
    def has_session(self) -> bool:
        """Whether ``req.use("session")`` has run."""
        return self.opened is not None

    @property
    def session_id(self) -> str | None:
        """The id of the session this peer speaks for; None where there is none yet."""
        return self.peer.claim.id if self.peer.claim else None

    def use(self, name: str, /, *config: object, **options: object) -> NoReturn:
        """Only ``actions(req, res, ss)`` itself opts in to middleware, once, at start."""
        raise RuntimeError("req.use belongs in actions(req, res, ss), not in an action")


class Response:
    """The answer to one call. Only the first answer counts; a second is logged and dropped.

    deliver is told of the answer as soon as there is one, so that ``res(value)`` answers early.
    """

    __slots__ = ("_deliver", "answered", "failure", "reply", "request", "settled", "stopped", "task", "value")

    def __init__(
        self,
        request: Request,
        deliver: Callable[[Response], None],
        reply: Callable[[bytes], None] | None = None,
        settled: Callable[[], None] | None = None,
    ) -> None:
        self.request = request
        self.reply = reply
        self.answered = False
        self.value: object = None
        self.failure: RPCError | None = None
        self.task: asyncio.Task[None] | None = None
        self.stopped = False  # it has been cancelled: once, so that its cleaning up is not interrupted
        self._deliver = deliver
        self.settled = settled

    def __call__(self, value: object = None) -> None:
        """Answer with a result."""
        if self._first():
            self.value = value
            self._deliver(self)

    def error(self, code: int, message: str, data: object = None) -> None:
        """Answer with an error."""
        self.fail(RPCError(code, message, data))

    def fail(self, error: RPCError) -> None:
        """Answer with an error that is at hand."""
        if self._first():
            self.failure = error
            self._deliver(self)

    def settle(self) -> None:
        """The call is over, or nobody waits for it any longer: tell whoever counts. Only once."""
        settled, self.settled = self.settled, None
        if settled:
            settled()

    def _first(self) -> bool:
        if self.answered:
            log.warning("%s answered a second time: ignored", self.request)
            return False
        self.answered = True
        return True


current_call: ContextVar[tuple[Request, Response]] = ContextVar("rpc_sessions.call")
