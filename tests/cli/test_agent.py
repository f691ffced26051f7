"""The client column: common browsers in two words, anything else as it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc_sessions.cli.agent import short
from tests.cli.command import CommandLine

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
MOBILE_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"

BROWSERS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0": "Firefox 133, Linux",
    "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0": "Firefox 133, Android",
    f"{IPHONE} {MOBILE_WEBKIT} FxiOS/133.0 Mobile/15E148 Safari/605.1.15": "Firefox 133, iOS",
    f"{WINDOWS} {WEBKIT} Chrome/140.0.0.0 Safari/537.36": "Chrome 140, Windows",
    f"{ANDROID} {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36": "Chrome 140, Android",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/140.0.0.0 Safari/537.36": "Chrome 140, ChromeOS",
    f"{IPHONE} {MOBILE_WEBKIT} CriOS/140.0.1 Mobile/15E148 Safari/604.1": "Chrome 140, iOS",
    f"{WINDOWS} {WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge 140, Windows",
    f"{ANDROID} {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/139.0.0.0": "Edge 139, Android",
    f"{LINUX} {WEBKIT} Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0": "Opera 124, Linux",
    f"{MAC} {MOBILE_WEBKIT} Version/18.1 Safari/605.1.15": "Safari 18, macOS",
    f"{IPHONE} {MOBILE_WEBKIT} Version/18.1 Mobile/15E148 Safari/604.1": "Safari 18, iOS",
    f"Mozilla/5.0 (iPad; CPU OS 16_1 like Mac OS X) {MOBILE_WEBKIT} Version/16.1 Safari/604.1": "Safari 16, iPadOS",
}
OTHERS = [
    "",
    "curl/8.5.0",
    "python-requests/2.32",
    "Firefox/133.0",  # no system
    f"{ANDROID} {WEBKIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    f"{LINUX} {WEBKIT} HeadlessChrome/140.0.0.0 Safari/537.36",
    f"{LINUX} {WEBKIT} Chrome/140.0.0.0 Safari/537.36 Vivaldi/7.0",
    f"{LINUX} {WEBKIT} Version/16.0 Safari/605.1.15",  # WebKit, but of no Apple's
    f"Mozilla/5.0 {WEBKIT[:-1]}; compatible; Googlebot/2.1; Linux) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)",
    "(" * 5000 + "Chrome/1" * 5000,
]


@pytest.mark.parametrize(("agent", "said"), BROWSERS.items())
def test_common_browsers(agent: str, said: str) -> None:
    assert short(agent) == said


@pytest.mark.parametrize("agent", OTHERS)
def test_anybody_else_is_not_taken_for_one_of_them(agent: str) -> None:
    assert short(agent) == agent


@given(st.text())
def test_whatever_it_is(agent: str) -> None:
    assert short(agent) in (agent, *BROWSERS.values())


def test_in_the_list(cli: CommandLine) -> None:
    agent = next(iter(BROWSERS))
    cli.put({}, "ada", ip="192.0.2.7", agent=agent)
    assert cli("sessions", "list").lines[1].endswith("  192.0.2.7 Firefox 133, Linux")
    assert cli("sessions", "list", "--full").lines[1].endswith(f"  192.0.2.7 {agent}")
    assert cli("sessions", "list", "--json").json[0]["agent"] == agent


def test_a_long_one_is_cut_to_the_width_of_the_terminal(cli: CommandLine) -> None:
    cli.put({}, "ada", ip="192.0.2.7", agent="somebody/1.0 " * 20)
    row = cli.terminal(100, "sessions", "list").splitlines()[1]
    assert (len(row), row[-1]) == (100, "…")
    assert "192.0.2.7 somebody/1.0 " in row
