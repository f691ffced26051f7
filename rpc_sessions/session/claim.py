"""Which session a peer speaks for, and which sockets speak for which session.

A Claim may name a session that is not stored yet (``fresh``): nothing is stored until something is
written. Only the claim that made a fresh id may store a session under it. Any other unknown id is
a dead one, and is never used again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

from rpc_sessions.request import Peer
from rpc_sessions.session.content import Latest
from rpc_sessions.session.stores.base import Record

LONG_AGO = float("-inf")


class Claim:
    """The session of one HTTP request, or of all the sockets that share a session.

    id: the session's id. key: its key in the store. browser_ids: the ids the browser's cookie may
    hold by now, the newest last. twin: for an HTTP request, the live claim whose fresh id it shares.
    cookie: what the reply must tell the browser: nothing, "set" or "clear"; cookie_at: since when
    (time.monotonic()). idle: how long the session lives unused, once that is known. borrowed: a fresh id that
    another process may have handed out, or a dead one: the session gets an id of its own when it is first stored.
    came_with: the id the browser had before that. What is known of the latest record: seen, the hashes of the
    latest tokens, the newest last; created, expires; latest, where the store is in this process; copy, the record
    itself if it is wanted, and copied_at (time.monotonic()). used: when one of its sockets last spoke, as far as
    that was seen. renewals: how many more tickets were asked for, for this id. recheck: something happened to it
    during the first handshake.
    """

    __slots__ = (
        "__weakref__", "borrowed", "browser_ids", "came_with", "channels", "cookie", "cookie_at", "copied_at", "copy",
        "created", "expires", "fresh", "id", "idle", "key", "latest", "recheck", "renewals", "seen", "sockets", "twin",
        "used", "user_id",
    )  # fmt: skip

    def __init__(self, id: str, key: str, *, fresh: bool, browser_ids: Iterable[str] = ()) -> None:
        self.id = id
        self.key = key
        self.fresh = fresh
        self.browser_ids = list(browser_ids)
        self.twin: Claim | None = None
        self.cookie = ""
        self.cookie_at = LONG_AGO
        self.borrowed = False
        self.came_with = ""
        self.idle = self.created = self.expires = 0.0
        self.renewals = 0
        self.sockets: set[Peer] = set()
        self.seen: tuple[int, ...] = ()
        self.latest: Latest | None = None
        self.copy: Record | None = None
        self.copied_at = LONG_AGO
        self.used = 0.0
        self.recheck = False
        self.user_id: str | None = None
        self.channels: frozenset[str] = frozenset()

    @property
    def may_insert(self) -> bool:
        """Whether a session may be stored under this id."""
        return self.fresh and (self.twin is None or self.twin.fresh)

    def stored(self) -> None:
        """The session is in the store now: whoever does not find it there any more finds a dead one."""
        self.fresh = self.borrowed = False
        if self.twin and self.twin.key == self.key:  # it may have moved to another id, which is not stored
            self.twin.fresh = self.twin.borrowed = False

    def set_cookie(self) -> None:
        """The reply must tell the browser the id, or that its cookie lives longer."""
        self.cookie, self.cookie_at = "set", time.monotonic()

    def told(self, id: str) -> None:
        """The browser is about to learn of this id, by a reply or a ticket."""
        self.browser_ids = [*self.browser_ids[-7:], id]
        self.renewals = 0

    def shown(self) -> None:
        """The browser came with the id: it holds no other, and needs no ticket."""
        self.browser_ids = [self.id]

    def move(self, id: str, key: str, *, fresh: bool) -> None:
        """Speak for another id from now on."""
        if fresh and self.id in self.browser_ids:
            self.came_with = self.came_with or self.id
        self.id, self.key, self.fresh, self.twin = id, key, fresh, None
        self.borrowed = False
        self.copied_at = LONG_AGO


class Claims:
    """The claims of the open sockets of this process: by store key, by user and by channel."""

    def __init__(self) -> None:
        self._by_key: dict[str, Claim] = {}
        self._by_user: defaultdict[str, set[Claim]] = defaultdict(set)
        self._by_channel: defaultdict[str, set[Claim]] = defaultdict(set)

    def get(self, key: str) -> Claim | None:
        """The live claim on a stored or fresh session, if any socket of this process has it."""
        return self._by_key.get(key)

    def join(self, claim: Claim, socket: Peer) -> None:
        """A socket speaks for the claim's session from now on."""
        self._by_key[claim.key] = claim
        claim.sockets.add(socket)
        socket.claim = claim

    def leave(self, socket: Peer) -> None:
        """The socket is gone; with the last one its claim goes."""
        claim = socket.claim
        if claim is None:
            return
        claim.sockets.discard(socket)
        if not claim.sockets:
            self.identify(claim, None, frozenset())
            self._drop(claim)

    def _drop(self, claim: Claim) -> None:
        if self._by_key.get(claim.key) is claim:
            del self._by_key[claim.key]

    def move(self, claim: Claim, id: str, key: str, *, fresh: bool = False) -> None:
        """The session of a live claim has a new id: its sockets follow."""
        self._drop(claim)
        claim.move(id, key, fresh=fresh)
        there = self._by_key.setdefault(key, claim)
        if there is not claim:  # sockets that came with the new cookie were faster
            self.identify(claim, None, frozenset())
            for socket in list(claim.sockets):
                self.join(there, socket)
            claim.sockets.clear()

    def identify(self, claim: Claim, user_id: str | None, channels: frozenset[str]) -> None:
        """Remember who the session's user is and what it listens to, for publishing."""
        if claim.user_id != user_id:
            _reindex(self._by_user, claim, _one(claim.user_id), _one(user_id))
            claim.user_id = user_id
        if claim.channels != channels:
            _reindex(self._by_channel, claim, claim.channels, channels)
            claim.channels = channels

    def all(self) -> Iterator[Claim]:
        """Every live claim."""
        return iter(list(self._by_key.values()))

    def of_user(self, user_id: str) -> list[Claim]:
        """The live claims of a user."""
        return list(self._by_user.get(user_id, ()))

    def of_channel(self, channel: str) -> list[Claim]:
        """The live claims that listen to a channel."""
        return list(self._by_channel.get(channel, ()))


def _reindex(index: defaultdict[str, set[Claim]], claim: Claim, old: Iterable[str], new: Iterable[str]) -> None:
    for name in old:
        index[name].discard(claim)
        if not index[name]:
            del index[name]
    for name in new:
        index[name].add(claim)


def _one(name: str | None) -> list[str]:
    return [] if name is None else [name]
