"""Bare Tornado: a handler that reads a session of a dictionary, found by a signed cookie."""

import secrets
import sys
import time
from dataclasses import dataclass, field

import tornado.web

from . import loop

MAX_AGE = 30 * 24 * 3600.0  # seconds


@dataclass
class Session:
    values: dict[str, int]
    expires: float = field(default_factory=lambda: time.time() + MAX_AGE)


SESSIONS: dict[bytes, Session] = {}


class Read(tornado.web.RequestHandler):
    async def get(self) -> None:
        session = SESSIONS.get(self.get_signed_cookie("sid") or b"")
        if session is None or session.expires < time.time():
            raise tornado.web.HTTPError(401)
        session.expires = time.time() + MAX_AGE
        self.write({"n": session.values["n"]})


class Write(tornado.web.RequestHandler):
    async def get(self) -> None:
        name = secrets.token_urlsafe(32)
        SESSIONS[name.encode()] = Session({"n": 1})
        self.set_signed_cookie("sid", name, httponly=True, samesite="Lax")
        self.set_header("Content-Type", "application/json")
        self.write("true")


if __name__ == "__main__":
    rules = [("/read", Read), ("/write", Write)]
    loop.serve(tornado.web.Application(rules, cookie_secret="only for benchmarks on 127.0.0.1"), *sys.argv[1:])
