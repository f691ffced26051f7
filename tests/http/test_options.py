"""``ss.session.options``: what is refused, and that there is a secret."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from rpc_sessions import ConfigError, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import over_http, put, session_server

GOOD = "a secret that is long enough"
WRONG: dict[str, list[Any]] = {
    "secret": [
        "", "short", "fifteen letters", [GOOD, "short"], [], 5, [GOOD, None], b"bytes that are long enough", {GOOD: 1},
    ],
    "key": ["", "a b", "a;b", "a=b", "é", "a\n", None, 5],
    "max_age": [0, -1, 0.5, None, "30", True, float("nan"), float("inf"), 1e30, timedelta(0)],
    "absolute_max_age": [0, "1"],
    "touch_after": [-1, "1"],
    "cookie": [None, {"secure": True}],
}  # fmt: skip
WRONG_COOKIE: dict[str, list[Any]] = {
    "secure": ["yes", None],
    "same_site": [None, True, "", "la", "Lax; Secure"],
    "path": ["/;x", "/a b", "/\r\nSet-Cookie: a=b", None, 5],
    "domain": ["a;b", "a\nb", True],
    "http_only": [None, 1, "no"],
}
UNKNOWN = ["maxAge", "max_ages", "secrets", "name", "resave", "saveUninitialized", "Secret"]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_option_is_refused_at_once(make_server: MakeServer, name: str, value: Any) -> None:
    options = make_server({}).session.options
    before = getattr(options, name)
    with pytest.raises((TypeError, ValueError), match=name):
        setattr(options, name, value)
    assert getattr(options, name) == before


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG_COOKIE for value in WRONG_COOKIE[name]])
def test_a_wrong_option_of_the_cookie_is_refused_at_once(make_server: MakeServer, name: str, value: Any) -> None:
    options = make_server({}).session.options.cookie
    before = getattr(options, name)
    with pytest.raises((TypeError, ValueError), match=f"cookie.{name}"):
        setattr(options, name, value)
    assert getattr(options, name) == before


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_option_is_refused_and_the_known_ones_are_named(make_server: MakeServer, name: str) -> None:
    session = make_server({}).session
    with pytest.raises(AttributeError, match="max_age"):
        setattr(session.options, name, 1)
    with pytest.raises(AttributeError, match="same_site"):
        setattr(session.options.cookie, name, 1)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("maxAge", "max_age"), ("Secret", "secret"), ("absolute_maxage", "absolute_max_age")]
)
def test_what_was_meant_is_said(make_server: MakeServer, wrong: str, meant: str) -> None:
    options = make_server({}).session.options
    with pytest.raises(AttributeError, match=rf"^no option '{wrong}' \(did you mean '{meant}'\?\); there are "):
        setattr(options, wrong, 1)
    with pytest.raises(AttributeError, match=r"did you mean 'same_site'"):
        options.cookie.sameSite = "lax"


@pytest.mark.parametrize("secret", ["", [], ["", GOOD]])
def test_an_empty_secret_is_called_empty(make_server: MakeServer, secret: Any) -> None:
    with pytest.raises(ValueError, match="the secret is empty: set one of at least 16 characters"):
        make_server({}).session.options.secret = secret


@pytest.mark.parametrize(("written", "taken"), [("lax", "Lax"), ("STRICT", "Strict"), ("none", "None"), ("Lax", "Lax")])
def test_same_site_is_taken_in_any_case(make_server: MakeServer, written: str, taken: str) -> None:
    options = make_server({}).session.options.cookie
    options.same_site = written
    assert options.same_site == taken


def test_the_store_and_the_options_are_not_replaced(make_server: MakeServer) -> None:
    session = make_server({}).session
    store, options = session.store, session.options
    with pytest.raises(AttributeError, match=r'ss\.session\.store\.use\("file", path="sessions"\)'):
        session.store = "file"  # type: ignore[assignment]  # the mistake
    with pytest.raises(AttributeError, match=r"ss\.session\.options\.max_age = 3600"):
        session.options = {"maxAge": 5}  # type: ignore[assignment]  # the mistake
    assert (session.store, session.options) == (store, options)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("options", "ss.options.call_deadline = 60"),
        ("session", "ss.session.options.max_age = 3600"),
        ("http", '@ss.http.route("/path")'),
        ("publish", 'ss.publish.all("event")'),
    ],
)
def test_the_parts_of_a_server_are_not_replaced(make_server: MakeServer, name: str, instead: str) -> None:
    ss = make_server({})
    before = getattr(ss, name)
    with pytest.raises(AttributeError, match=rf"^{name} cannot be replaced: write .*{re.escape(instead)}"):
        setattr(ss, name, {"drain": 5})
    assert getattr(ss, name) is before


def test_good_options_are_taken(make_server: MakeServer) -> None:
    options = make_server({}).session.options
    options.secret = ("sixteen letters.", GOOD)  # type: ignore[assignment]  # a tuple will do
    options.max_age = 60
    options.max_age = timedelta(days=1)
    options.absolute_max_age = timedelta(days=2)
    options.absolute_max_age = None
    options.touch_after = 0
    options.key = "__Host-sid"
    assert (options.secret, options.max_age) == (["sixteen letters.", GOOD], timedelta(days=1))


# -- no secret ---------------------------------------------------------------------------------------


def without_secret(make_server: MakeServer) -> Server:
    ss = session_server(make_server)
    ss.session.options.secret = None
    return ss


@pytest.mark.gen_test
async def test_in_development_a_random_secret_is_made_and_a_warning_says_so(
    make_server: MakeServer, logs: Logs
) -> None:
    cookies = []
    for _ in range(2):
        async with serving(without_secret(make_server)) as site:
            browser = Browser(site)
            await over_http(browser, put(a=1))
            assert await over_http(browser, dict) == {"a": 1}
            cookies.append(browser.cookie)
            if len(cookies) == 2:
                assert await over_http(Browser(site, cookies[0]), dict) == {}
    warnings = logs.take("no ss.session.options.secret")
    assert len(warnings) == 2
    assert warnings[0].levelno == logging.WARNING


def test_in_production_the_server_does_not_start_without_a_secret(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPC_SESSIONS_ENV", "production")
    for start in (Server.make_app, Server.handlers):
        with pytest.raises(ConfigError, match="secret"):
            start(without_secret(make_server))
    with pytest.raises(SystemExit, match="secret"):
        without_secret(make_server).run(port=0)


def test_nor_with_several_processes(make_server: MakeServer) -> None:
    with pytest.raises(SystemExit, match="secret"):
        without_secret(make_server).run(processes=2, port=0)


@pytest.mark.gen_test
async def test_in_production_with_a_secret_it_starts_and_says_that_memory_forgets(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    monkeypatch.setenv("RPC_SESSIONS_ENV", "production")
    async with serving(session_server(make_server)) as site:
        await over_http(Browser(site), put(a=1))
    logs.take("memory store forgets")


@pytest.mark.parametrize(
    ("store", "options", "sentence"),
    [
        ("memry", {}, r"unknown store 'memry' \(did you mean 'memory'\?\); there are file, .*, sql$"),
        ("mongo", {}, "did you mean 'mongodb'"),
        ("MongoDB", {}, "did you mean 'mongodb'"),
        ("sqlite", {}, "did you mean 'sql'"),
        ("PostgreSQL", {}, "did you mean 'sql'"),
        ("nothing", {}, "unknown store 'nothing'; there are"),
        ("file", {}, r'needs path=, as in ss\.session\.store\.use\("file", path="..."\)'),
        ("file", {"paht": "x"}, "no option 'paht' \\(did you mean 'path'"),
        ("mongodb", {}, r'takes uri="mongodb://'),
        ("mongodb", {"url": "mongodb://localhost"}, "no option 'url' \\(did you mean 'uri'"),
        ("mongodb", {"uri": 5}, "the store 'mongodb': "),
        ("redis", {}, r'takes url="redis://'),
        ("redis", {"url": 5}, "the store 'redis': "),
        ("sql", {}, r"takes url= \(sqlite\+aiosqlite:///"),
        ("memory", {"max_session": 5}, "max_session"),
        ("memory", {"max_sessions": 0}, "max_sessions"),
        ("memory", {"max_sessions": "many"}, "memory"),
        (object(), {}, "lacks load, insert"),
        (None, {}, "is no store"),
        (dict, {}, "is no store"),
    ],
)
def test_a_wrong_store_is_refused_at_once(
    make_server: MakeServer, store: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make_server({}).session.store.use(store, **options)


def test_the_class_of_a_store_is_no_store(make_server: MakeServer) -> None:
    from rpc_sessions.session.stores.memory import MemoryStore

    choice = make_server({}).session.store
    with pytest.raises(ConfigError, match=r"MemoryStore\("):
        choice.use(MemoryStore)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigError, match="options go with the name"):
        choice.use(MemoryStore(), max_sessions=5)
