"""``ss.options``: the limits and times of a server, checked when they are set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from urllib.parse import urlsplit

from rpc_sessions.hints import did_you_mean
from rpc_sessions.types import Seconds, seconds

_COUNTS = {"message_limit", "body_limit", "batch_limit", "calls_in_flight", "send_queue"}
_TIMES = {"call_deadline", "ping_interval", "ping_timeout", "drain"}
_SWITCHES = {"debug", "metrics", "compression"}
TRANSPORTS = ("auto", "fast", "tornado")


@dataclass
class Options:
    """Sizes are bytes, times are seconds (a timedelta will do). An unknown name is an AttributeError.

    origins: web origins, such as "https://app.example", whose pages may connect beside our own.
    trusted_proxies: addresses or networks whose X-Forwarded-For and -Proto are believed.
    message_limit: the largest message; a larger one closes the socket with 1009, or is a 413.
    body_limit: the largest body of any other HTTP request.
    batch_limit: calls in one batch.
    calls_in_flight: running calls of one connection; the next one is answered -32000.
    send_queue: bytes a client may leave unread before its socket is closed with 4008.
    call_deadline: how long one call may take before it is cancelled and answered -32002.
    ping_interval, ping_timeout: a ping this often, answered within that long. 0: no pings.
    drain: how long ``stop()`` and SIGTERM wait for running calls.
    debug: error answers carry the exception and its traceback. Never in production.
    metrics: serve /metrics, for Prometheus.
    transport: "auto": picows reads the WebSocket frames of plain TCP connections where it is installed,
    Python those of all others, such as TLS; and GETs go to Tornado's handlers past its HTTPServer. "fast": the same,
    but without picows the server does not start. "tornado": Python reads all, on Tornado's streams.
    compression: of WebSockets, permessage-deflate with those clients that offer it (browsers do). Python reads their
    frames, whatever the transport. Large texts then travel at a quarter of their size, and take time to pack.
    """

    origins: list[str] = field(default_factory=list)
    trusted_proxies: list[str] = field(default_factory=list)
    message_limit: int = 64 * 1024
    body_limit: int = 16 * 1024 * 1024
    batch_limit: int = 100
    calls_in_flight: int = 32
    send_queue: int = 1024 * 1024
    call_deadline: Seconds = 30.0
    ping_interval: Seconds = 25.0
    ping_timeout: Seconds = 20.0
    drain: Seconds = 30.0
    debug: bool = False
    metrics: bool = False
    transport: str = "auto"
    compression: bool = False

    def __setattr__(self, name: str, value: object) -> None:
        known = [known.name for known in fields(self)]
        if name not in known:
            there_are = f"there are {', '.join(known)}; of sessions: ss.session.options; host and port: ss.run()"
            raise AttributeError(f"no option {name!r}{did_you_mean(name, known)}; {there_are}")
        object.__setattr__(self, name, _checked(name, value))


def _checked(name: str, value: object) -> object:
    if name in _COUNTS:
        return _count(name, value)
    if name in _TIMES:
        return _time(name, value)
    if name == "transport" and value not in TRANSPORTS:
        raise ValueError(f"transport is one of {', '.join(TRANSPORTS)}, not {value!r}")
    if name in _SWITCHES and not isinstance(value, bool):
        raise TypeError(f"{name} is True or False, not {value!r}")
    if name in ("origins", "trusted_proxies"):
        return _strings(name, value)
    return value


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} is at least 1, not {value}")
    return value


def _time(name: str, value: object) -> float:
    span = seconds(value, name)  # type: ignore[arg-type]  # seconds() refuses what is no duration
    if not 0 <= span < float("inf"):
        raise ValueError(f"{name} is not negative, and finite")
    return span


def _strings(name: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{name} is a list of strings, not {value!r}")
    return [_origin(item) if name == "origins" else _network(item) for item in value]


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError(f"trusted_proxies: {error}") from None


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or not parts.netloc or value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"origins: an origin is scheme://host[:port] and nothing more, not {value!r}")
    return value.lower()
