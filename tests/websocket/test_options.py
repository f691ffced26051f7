"""Options are checked when they are set."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rpc_sessions.options import Options
from tests.websocket.transports import ANY_TRANSPORT

pytestmark = ANY_TRANSPORT

COUNTS = ("message_limit", "batch_limit", "calls_in_flight", "send_queue")
TIMES = ("call_deadline", "ping_interval", "ping_timeout", "drain")


def test_the_defaults() -> None:
    options = Options()
    assert {name: getattr(options, name) for name in (*COUNTS, *TIMES)} == {
        "message_limit": 65536,
        "batch_limit": 100,
        "calls_in_flight": 32,
        "send_queue": 1048576,
        "call_deadline": 30,
        "ping_interval": 25,
        "ping_timeout": 20,
        "drain": 30,
    }
    assert (options.origins, options.trusted_proxies, options.debug, options.transport) == ([], [], False, "auto")


@pytest.mark.parametrize("name", ["orgins", "call_deadlines", "Debug", "_private", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(AttributeError, match="there are origins, trusted_proxies, message_limit"):
        setattr(Options(), name, 1)


def test_what_was_meant_is_said() -> None:
    for name, meant in {"orgins": "origins", "callDeadline": "call_deadline", "Debug": "debug"}.items():
        with pytest.raises(AttributeError, match=rf"^no option '{name}' \(did you mean '{meant}'\?\); there are "):
            setattr(Options(), name, 1)
    for name in ("prot", "secret"):
        with pytest.raises(AttributeError, match=r"of sessions: ss\.session\.options; host and port: ss\.run\(\)$"):
            setattr(Options(), name, 1)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    options = Options()
    setattr(options, name, 1)
    assert getattr(options, name) == 1
    for wrong in ("1", 1.0, True, None, [1]):
        with pytest.raises(TypeError, match=name):
            setattr(options, name, wrong)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=name):
            setattr(options, name, wrong)
    assert getattr(options, name) == 1


@pytest.mark.parametrize("name", TIMES)
def test_times(name: str) -> None:
    options = Options()
    setattr(options, name, timedelta(minutes=2))
    assert getattr(options, name) == 120
    for right in (0, 0.5, 10):
        setattr(options, name, right)
        assert getattr(options, name) == right
    for wrong in ("1", True, None, [1]):
        with pytest.raises(TypeError, match=f"^{name} is a timedelta or a number of seconds"):
            setattr(options, name, wrong)
    for unfit in (-1, timedelta(seconds=-1), float("nan"), float("inf")):
        with pytest.raises(ValueError, match=name):
            setattr(options, name, unfit)


@pytest.mark.parametrize("name", ["debug", "metrics", "compression"])
def test_switches(name: str) -> None:
    options = Options()
    assert getattr(options, name) is False
    setattr(options, name, True)
    for wrong in (1, 0, "yes", None):
        with pytest.raises(TypeError, match=name):
            setattr(options, name, wrong)


def test_origins() -> None:
    options = Options()
    options.origins = ["https://App.example", "http://localhost:5173"]
    assert options.origins == ["https://app.example", "http://localhost:5173"]
    for wrong in ("https://app.example", None, 5, {"https://app.example": 1}):
        with pytest.raises(TypeError, match="origins is a list of strings"):
            options.origins = wrong  # type: ignore[assignment]  # the point
    for wrong in ("*", "app.example", "https://app.example/", "https://app.example/path", "null", "", "https://"):
        with pytest.raises(ValueError, match="origins: an origin is scheme://host"):
            options.origins = [wrong]
    with pytest.raises(TypeError, match="origins is a list of strings"):
        options.origins = [5]  # type: ignore[list-item]  # the point


def test_trusted_proxies() -> None:
    options = Options()
    options.trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "::1"]
    for wrong in ("10.0.0.1/8", "proxy.example", "", "300.1.1.1"):
        with pytest.raises(ValueError, match=r"^trusted_proxies: .*(does not appear to be|host bits set)"):
            options.trusted_proxies = [wrong]
    with pytest.raises(TypeError, match="trusted_proxies is a list of strings"):
        options.trusted_proxies = "127.0.0.1"  # type: ignore[assignment]  # the point
    with pytest.raises(TypeError, match="trusted_proxies is a list of strings"):
        options.trusted_proxies = [5]  # type: ignore[list-item]  # the point


def test_the_transport() -> None:
    options = Options()
    for name in ("auto", "fast", "tornado"):
        options.transport = name
    with pytest.raises(ValueError, match="transport is one of auto, fast, tornado"):
        options.transport = "uvloop"
