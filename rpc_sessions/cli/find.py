"""Sessions by what a person types: a key, the beginning of one, a user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rpc_sessions.cli.text import safe
from rpc_sessions.errors import ConfigError
from rpc_sessions.session.devices import SessionInfo
from rpc_sessions.session.sessions import Sessions

_WHOLE = re.compile(r"[0-9a-f]{64}")


async def by_user(sessions: Sessions, user: str | None) -> list[SessionInfo]:
    """The sessions of a user, or of all; the last used first. ConfigError if the store cannot list them."""
    found = [each async for each in sessions.all()] if user is None else await sessions.of_user(user)
    return sorted(found, key=lambda info: info.seen, reverse=True)


async def by_keys(sessions: Sessions, texts: Sequence[str]) -> list[SessionInfo]:
    """A session for each key or beginning of a key. ConfigError if one names none, or several.

    The store is asked for its list only where a key is not whole.
    """
    listed: list[SessionInfo] | None = None
    found: dict[str, SessionInfo] = {}
    for text in texts:
        info = await _by_whole_key(sessions, text)
        if info is None:
            listed = await by_user(sessions, None) if listed is None else listed
            info = _by_prefix(text, listed)
        found[info.key] = info
    return list(found.values())


async def _by_whole_key(sessions: Sessions, text: str) -> SessionInfo | None:
    """The session of a key that may be whole; None if it has to be looked for."""
    if sessions.store.plain_ids:
        shown = await sessions.show(text)
        return shown[0] if shown else None
    elif _WHOLE.fullmatch(text):
        if shown := await sessions.show(text):
            return shown[0]
        raise ConfigError(f"there is no session {text}")
    return None


def _by_prefix(text: str, listed: Sequence[SessionInfo]) -> SessionInfo:
    found = [info for info in listed if text and info.key.startswith(text)]
    if not found:
        raise ConfigError(f"there is no session whose key begins with {safe(text)!r}")
    if len(found) > 1:
        raise ConfigError(f"the keys of {len(found)} sessions begin with {safe(text)!r}: give more of it")
    return found[0]
