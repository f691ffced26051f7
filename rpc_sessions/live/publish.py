"""``ss.publish``: events to the open sockets of this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rpc_sessions.protocol import notification_text
from rpc_sessions.request import Peer
from rpc_sessions.session.sessions import Sessions


class Publish:
    """Sends events: notifications whose method is the event's name and whose params are a list.

    Each method returns how many sockets the event was sent to, and raises TypeError or ValueError if
    a param cannot be written as JSON, ValueError for a name that begins with ``rpc.``.
    """

    def __init__(self, sessions: Sessions, connections: Mapping[str, Peer]) -> None:
        self._sessions = sessions
        self._connections = connections

    def all(self, event: str, *params: object) -> int:
        """To every socket."""
        return _send(list(self._connections.values()), event, params)

    def user(self, user_id: str, event: str, *params: object) -> int:
        """To the sockets of a logged-in user."""
        claims = self._sessions.claims.of_user(user_id)
        return _send([socket for claim in claims for socket in claim.sockets], event, params)

    def channel(self, name: str, event: str, *params: object) -> int:
        """To the sockets of the sessions that subscribed to a channel."""
        claims = self._sessions.claims.of_channel(name)
        return _send([socket for claim in claims for socket in claim.sockets], event, params)

    def session(self, session_id: str, event: str, *params: object) -> int:
        """To the sockets of one session."""
        claim = self._sessions.claims.get(self._sessions.key_for(session_id))
        return _send(list(claim.sockets) if claim else [], event, params)

    def socket(self, socket_id: str, event: str, *params: object) -> int:
        """To one socket."""
        socket = self._connections.get(socket_id)
        return _send([socket] if socket else [], event, params)


def _send(sockets: Iterable[Peer], event: str, params: tuple[object, ...]) -> int:
    if not event or event.startswith("rpc."):
        raise ValueError(f"{event!r} cannot be the name of an event: rpc. is the protocol's own")
    text = notification_text(event, params)  # encoded once, however many there are
    count = 0
    for socket in sockets:
        socket.send(text)
        count += 1
    return count
