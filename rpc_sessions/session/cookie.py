"""The session cookie: ``s:<id>.<HMAC-SHA256 of the id>``, URL-encoded, as express-session writes it.

Format: https://github.com/tj/node-cookie-signature (base64 without padding), prefix ``s:`` by express-session.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from urllib.parse import quote, unquote

from rpc_sessions.session.options import CookieOptions

_ID = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")  # ours have 43 characters, Express's 32
_LONGEST = 1024


def new_id() -> str:
    """256 random bits in 43 characters of ``[A-Za-z0-9_-]``."""
    return secrets.token_urlsafe(32)


def id_bytes(id: str) -> bytes:
    """The 32 bytes of an id that ``new_id`` made."""
    return urlsafe_b64decode(id + "=")


def id_text(data: bytes) -> str:
    """The id of 32 bytes."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(id: str, secret: str) -> str:
    """The cookie's value for an id."""
    return quote(f"s:{id}.{_signature(id, secret)}", safe="!'()*~")


def unsign(value: str, secrets: Sequence[str]) -> str | None:
    """The id in a cookie's value, if one of the secrets signed it; else None."""
    text = unquote(value)
    if not text.startswith("s:") or "." not in text:
        return None
    id, signature = text[2:].rsplit(".", 1)
    given = signature.encode("utf-8", "replace")
    valid = [hmac.compare_digest(_signature(id, secret).encode(), given) for secret in secrets]
    return id if any(valid) else None


def _signature(id: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), id.encode("utf-8", "replace"), sha256)
    return b64encode(digest).rstrip(b"=").decode()


def read(header: str, name: str, secrets: Sequence[str]) -> str | None:
    """The session id in a Cookie header; None unless it is signed and well-formed.

    Where a browser sends several cookies of the name (of different paths), the first valid one counts.
    """
    for value in _values(header, name):
        if len(value) <= _LONGEST and (id := unsign(value, secrets)) and _ID.match(id):
            return id
    return None


def _values(header: str, name: str) -> Iterator[str]:
    for pair in header.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            yield value.strip().strip('"')


def header(name: str, value: str, max_age: float, options: CookieOptions, *, https: bool) -> str:
    """The value of a Set-Cookie header (RFC 6265). max_age in seconds; 0 removes the cookie."""
    secure = https if options.secure == "auto" else bool(options.secure)
    parts = [
        f"{name}={value}",
        f"Max-Age={int(max_age)}",
        f"Path={options.path}",
        f"Domain={options.domain}" if options.domain else "",
        "HttpOnly" if options.http_only else "",
        "Secure" if secure else "",
        f"SameSite={options.same_site}",
    ]
    return "; ".join(part for part in parts if part)
