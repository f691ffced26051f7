"""Compare-and-swap without a version: what is compared is the stored session itself.

Express keeps no version, so the token of a record that was read is a digest of what was read. A session that
was changed and then changed back is the same to it; nothing is lost by writing over that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha1

import msgspec

from rpc_sessions.session.merge import Values
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express import milliseconds

_READ = re.compile(r"([0-9a-f]{40})\.-?\d+")
_sorted = msgspec.json.Encoder(order="sorted").encode


def token(digest: str, expires: float) -> str:
    """The token of a record that was read. ``replace`` compares the digest; with the expiry it names one version."""
    return f"{digest}.{milliseconds(expires)}"


def expected_digest(expected: Record, written: Callable[[Record], str]) -> str:
    """The digest that the stored session must have.

    The token says it if the record was read. One that was given to be written has a token of the server's:
    written is asked for the digest of what this store writes for it.
    """
    read = _READ.fullmatch(expected.token)
    return read[1] if read else written(expected)


def digest_of(values: Values, own: frozenset[str] = frozenset()) -> str:
    """The digest of a session JSON, but for what a mere touch changes: cookie.expires, and the store's own keys."""
    steady = {name: value for name, value in values.items() if name not in own}
    cookie = values.get("cookie")
    if isinstance(cookie, dict):
        steady["cookie"] = {name: value for name, value in cookie.items() if name != "expires"}
    return digest(_sorted(steady))


def digest(text: bytes) -> str:
    """SHA-1, because Redis can compute it. It only tells the versions of one session apart."""
    return sha1(text, usedforsecurity=False).hexdigest()
