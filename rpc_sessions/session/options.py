"""``ss.session.options``: secret, cookie and lifetimes, checked when they are set."""

from __future__ import annotations

import logging
import os
import re
import secrets
from dataclasses import dataclass, field, fields
from datetime import timedelta

from rpc_sessions.errors import ConfigError
from rpc_sessions.hints import did_you_mean
from rpc_sessions.tokens import TOKEN
from rpc_sessions.types import Seconds, seconds

log = logging.getLogger("rpc_sessions")
_SHORTEST_SECRET = 16


class _Known:
    """A dataclass whose unknown names are refused."""

    def __setattr__(self, name: str, value: object) -> None:
        known = [known.name for known in fields(self)]  # type: ignore[arg-type]  # subclasses are dataclasses
        if name not in known:
            raise AttributeError(f"no option {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
        object.__setattr__(self, name, self._checked(name, value))

    def _checked(self, name: str, value: object) -> object:
        return value


@dataclass
class CookieOptions(_Known):
    """secure: True, False or "auto" (when the request is https). same_site: "Lax", "Strict" or "None", in any case."""

    secure: bool | str = "auto"
    same_site: str = "Lax"
    path: str = "/"
    domain: str | None = None
    http_only: bool = True

    def _checked(self, name: str, value: object) -> object:
        if name == "secure" and value not in (True, False, "auto"):
            raise ValueError(f'cookie.secure is True, False or "auto", not {value!r}')
        if name == "same_site":
            return _same_site(value)
        if name == "http_only" and not isinstance(value, bool):
            raise TypeError(f"cookie.http_only is True or False, not {value!r}")
        if name == "path" or (name == "domain" and value is not None):
            return _attribute(name, value)
        return value


@dataclass
class SessionOptions(_Known):
    """Times are seconds or a timedelta. An unknown name is an AttributeError.

    secret: a str, or a list of them: the first signs, any is accepted. key: the cookie's name.
    max_age: how long an unused session lives. absolute_max_age: how long a used one does, None for ever.
    touch_after: the expiry is pushed out at most this often; None is a tenth of max_age.
    poll_interval: how often the sessions of open sockets are looked at where the store cannot tell of changes.
    notify_changes: tell the other sockets of a session which keys were changed: rpc.session {"changed": [...]}.
    """

    secret: str | list[str] | None = field(default=None, repr=False)  # whoever prints the options does not print it
    key: str = "connect.sid"
    max_age: Seconds = timedelta(days=30)
    absolute_max_age: Seconds | None = None
    touch_after: Seconds | None = None
    poll_interval: Seconds = 3.0
    notify_changes: bool = False
    cookie: CookieOptions = field(default_factory=CookieOptions)

    def _checked(self, name: str, value: object) -> object:
        if name == "secret" and value is not None:
            return _secrets(value)
        if name == "key" and not (isinstance(value, str) and re.fullmatch(TOKEN, value)):
            raise ValueError(f"key is the name of a cookie, not {value!r}")
        if name in ("max_age", "absolute_max_age", "touch_after") and (value is not None or name == "max_age"):
            return checked_span(name, value)
        if name == "poll_interval" and not 0 < seconds(value, name) <= 3600:  # type: ignore[arg-type]  # it refuses others
            raise ValueError(f"poll_interval is more than 0 and at most an hour, not {value!r}")
        if name == "notify_changes" and not isinstance(value, bool):
            raise TypeError(f"notify_changes is True or False, not {value!r}")
        if name == "cookie" and not isinstance(value, CookieOptions):
            raise TypeError("set the members of options.cookie, as options.cookie.secure = True")
        return value

    @property
    def idle(self) -> float:
        """max_age in seconds."""
        return seconds(self.max_age)

    def signing_secrets(self, *, must: bool) -> list[str]:
        """The secrets, first one first. Without any: a random one and a warning, or ConfigError where they must be."""
        if not self.secret:
            if must or in_production():
                raise ConfigError("set ss.session.options.secret: production and processes > 1 need one of your own")
            log.warning("no ss.session.options.secret: a random one is used, and cookies end with this process")
            self.secret = secrets.token_urlsafe(32)
        assert isinstance(self.secret, list)
        return self.secret


def in_production() -> bool:
    """Whether the environment says so: RPC_SESSIONS_ENV=production."""
    return os.environ.get("RPC_SESSIONS_ENV") == "production"


def _attribute(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"cookie.{name} is a string, not {value!r}")
    if re.search(r"[;,\s\x00-\x1f\x7f]", value):
        raise ValueError(f"cookie.{name} cannot hold {value!r}")
    return value


def _same_site(value: object) -> str:
    written = value.capitalize() if isinstance(value, str) else ""
    if written not in ("Lax", "Strict", "None"):
        raise ValueError(f'cookie.same_site is "Lax", "Strict" or "None", not {value!r}')
    return written


def _secrets(value: object) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
        raise TypeError("secret is a string, or a list of strings")
    if not all(values or [""]):
        raise ValueError(f"the secret is empty: set one of at least {_SHORTEST_SECRET} characters")
    if any(len(item) < _SHORTEST_SECRET for item in values):
        raise ValueError(f"a secret has at least {_SHORTEST_SECRET} characters")
    return list(values)


def checked_span(name: str, value: object) -> timedelta:
    """A lifetime. TypeError or ValueError if it is none."""
    span = seconds(value, name)  # type: ignore[arg-type]  # seconds() refuses what is no duration
    least = 0 if name == "touch_after" else 1
    if not least <= span <= timedelta(days=365 * 100).total_seconds():
        raise ValueError(f"{name} is {least} second or more, not {value!r}")
    return timedelta(seconds=span)
