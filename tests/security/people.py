"""Ada, who is logged in, and Eve, who is up to something."""

from __future__ import annotations

from rpc_sessions import Session
from tests.apps import Site
from tests.http.browser import Browser
from tests.session.steps import over_http, put

ADA = ("ada", {"cart": [1]})
NOBODY: tuple[None, dict[str, object]] = (None, {})


def log_in(session: Session) -> object:
    """A step."""
    return session.set_user_id("ada")


def log_out(session: Session) -> object:
    """A step."""
    return session.set_user_id(None)


def regenerate(session: Session) -> object:
    """A step."""
    return session.regenerate()


def destroy(session: Session) -> object:
    """A step."""
    return session.destroy()


async def logged_in(site: Site) -> Browser:
    """Ada's browser, logged in over HTTP."""
    ada = Browser(site)
    await over_http(ada, put(cart=[1]))
    await over_http(ada, log_in)
    return ada
