"""The stores with ``layout="express"``, and sessions in them as Express writes and reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import pytest
from pymongo import MongoClient
from redis import Redis

from tests.stores.servers import Server
from tests.stores.worker import Options

JSONObject = dict[str, Any]  # Any: what a test puts into a session
ID = "AbCdEfGhIjKlMnOpQrStUvWxYz_-0123"  # 32 characters, as Express's are
KINDS = ["mongodb", "mongodb-embedded", "redis", "file"]


class Raw(Protocol):
    """What lies in a store. lives: seconds."""

    def put(self, id: str, session: JSONObject, lives: float = 60) -> None:
        """As the store's npm package writes a session."""

    def get(self, id: str) -> JSONObject | None:
        """The session JSON, if Express would find it."""

    def touch(self, id: str, lives: float) -> None:
        """As the npm package touches a session whose cookie has a maxAge of so many seconds."""

    def delete(self, id: str) -> None:
        """As the npm package destroys a session."""

    def write(self, id: str, text: str) -> None:
        """Anything, where a session JSON should be."""

    def text(self, id: str) -> str:
        """What ``write`` wrote."""


@dataclass
class Shared:
    """name, options: what ``ss.session.store.use`` is given."""

    name: str
    options: Options
    raw: Raw


class RawMongo:
    def __init__(self, uri: str, database: str, *, embedded: bool) -> None:
        self.client = MongoClient[JSONObject](uri, tz_aware=True)
        self.sessions = self.client[database]["sessions"]
        self.embedded = embedded

    def put(self, id: str, session: JSONObject, lives: float = 60) -> None:
        stored = _dated(session) if self.embedded else json.dumps(session)
        expires = datetime.fromtimestamp(time.time() + lives, UTC)
        self.sessions.update_one({"_id": id}, {"$set": {"session": stored, "expires": expires}}, upsert=True)

    def get(self, id: str) -> JSONObject | None:
        found = self.sessions.find_one({"_id": id, "expires": {"$gt": datetime.now(UTC)}})
        if found is None:
            return None
        session = found["session"]
        assert isinstance(session, dict) is self.embedded, "the other form"
        return _undated(session) if self.embedded else json.loads(session)

    def touch(self, id: str, lives: float) -> None:
        expires = datetime.fromtimestamp(time.time() + lives, UTC)
        self.sessions.update_one({"_id": id}, {"$set": {"expires": expires}})

    def delete(self, id: str) -> None:
        self.sessions.delete_one({"_id": id})

    def write(self, id: str, text: str) -> None:
        expires = datetime.fromtimestamp(time.time() + 60, UTC)
        self.sessions.update_one({"_id": id}, {"$set": {"session": text, "expires": expires}}, upsert=True)

    def text(self, id: str) -> str:
        found = self.sessions.find_one({"_id": id})
        assert found
        return str(found["session"])


def _dated(session: JSONObject) -> JSONObject:
    cookie = session.get("cookie")
    if not isinstance(cookie, dict) or not cookie.get("expires"):
        return session
    return session | {"cookie": cookie | {"expires": datetime.fromisoformat(cookie["expires"])}}


def _undated(session: JSONObject) -> JSONObject:
    ends = session["cookie"]["expires"]
    text = ends and ends.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return session | {"cookie": session["cookie"] | {"expires": text}}


class RawRedis:
    def __init__(self, url: str, prefix: str) -> None:
        self.client, self.prefix = Redis.from_url(url, decode_responses=True), prefix

    def put(self, id: str, session: JSONObject, lives: float = 60) -> None:
        self.client.set(self.prefix + id, json.dumps(session), px=int(lives * 1000))

    def get(self, id: str) -> JSONObject | None:
        text = self.client.get(self.prefix + id)
        assert text is None or isinstance(text, str)
        return text and json.loads(text)  # type: ignore[return-value]  # no session is an empty text

    def touch(self, id: str, lives: float) -> None:
        self.client.expire(self.prefix + id, ceil(lives))

    def delete(self, id: str) -> None:
        self.client.delete(self.prefix + id)

    def write(self, id: str, text: str) -> None:
        self.client.set(self.prefix + id, text, ex=60)

    def text(self, id: str) -> str:
        return str(self.client.get(self.prefix + id))


class RawFile:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, id: str, session: JSONObject, lives: float = 60) -> None:
        age = session.get("cookie", {}).get("originalMaxAge") or 3_600_000
        last = {"__lastAccess": int((time.time() + lives) * 1000 - age)}
        self.write(id, json.dumps(session | last))

    def get(self, id: str) -> JSONObject | None:
        try:
            session = json.loads((self.folder / f"{id}.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        last = session.pop("__lastAccess")
        ended = last + (session["cookie"]["originalMaxAge"] or 3_600_000) < time.time() * 1000
        return None if ended else session

    def touch(self, id: str, lives: float) -> None:
        """Of one that has expired it makes an empty one; of none, nothing. JavaScript puts keys like "2" first."""
        if (self.folder / f"{id}.json").exists():
            ends = datetime.fromtimestamp(time.time() + lives, UTC).isoformat(timespec="milliseconds")
            cookie = {
                "originalMaxAge": lives * 1000,
                "expires": ends.replace("+00:00", "Z"),
                "httpOnly": True,
                "path": "/",
            }
            session = (self.get(id) or {}) | {"cookie": cookie}
            self.put(id, dict(sorted(session.items(), key=lambda item: not item[0].isdigit())), lives)

    def delete(self, id: str) -> None:
        (self.folder / f"{id}.json").unlink()

    def write(self, id: str, text: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / f"{id}.json").write_text(text, "utf-8")

    def text(self, id: str) -> str:
        return (self.folder / f"{id}.corrupt").read_text("utf-8")  # set aside


@pytest.fixture(params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path: Path, own: str) -> Iterator[Shared]:
    """Each store, with nothing in it."""
    kind, layout = request.param, {"layout": "express"}
    if kind == "file":
        yield Shared("file", {"path": str(tmp_path / "sessions"), **layout}, RawFile(tmp_path / "sessions"))
    elif kind == "redis":
        server: Server = request.getfixturevalue("redis_server")
        raw = RawRedis(server.url, own)
        yield Shared("redis", {"url": server.url, "prefix": own, **layout}, raw)
        raw.client.close()
    else:
        uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
        # The server is in this process, with a thread for each connection: a thousand calls at once take it long.
        patient = "timeoutMS=60000&maxPoolSize=20"
        patient = f"{uri}&{patient}" if "?" in uri else f"{uri.rstrip('/')}/?{patient}"
        mongo, embedded = {"uri": patient, "database": database, **layout}, kind == "mongodb-embedded"
        found = RawMongo(uri, database, embedded=embedded)
        yield Shared("mongodb", {**mongo, **({"stringify": False} if embedded else {})}, found)
        found.client.close()
