"""What must be in no log: session ids, cookies, tickets, the secret, values of sessions."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from rpc_sessions import Session
from tests.apps import SECRET
from tests.http.browser import Browser
from tests.session.steps import Step

VALUE = "hunter2 is a value of the session"


class Secrets:
    """Meets them while a test goes on. The fixture ``no_leaks`` looks for them when it is over."""

    def __init__(self) -> None:
        self._met = {SECRET, VALUE}

    def meet(self, *secrets: str | None) -> None:
        self._met |= {secret for secret in secrets if secret}

    def meet_cookie(self, browser: Browser) -> None:
        value = browser.cookie.partition("=")[2]
        self.meet(browser.id, value, value.partition(".")[2])

    def meeting(self, step: Step) -> Step:
        """The step; the ids that its session has on the way are met."""

        async def met(session: Session) -> Any:
            self.meet(session.id)
            try:
                result = step(session)
                return await result if inspect.isawaitable(result) else result
            finally:
                self.meet(session.id)

        return met

    def found(self, lines: list[str]) -> list[tuple[str, str]]:
        return [(secret, line) for line in lines for secret in self._met if secret in line]


async def anyway(*doings: Awaitable[Any]) -> None:
    """Do all of it, whatever comes of it."""
    for doing in doings:
        with suppress(Exception):
            await doing
