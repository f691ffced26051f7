"""``ss.publish``: events to the open sockets of this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rpc_sessions.options import Options
from rpc_sessions.protocol import notification_text
from rpc_sessions.request import Peer
from rpc_sessions.session.sessions import Sessions


class Publish:
    """Sends events: notifications whose method is the event's name and whose params are a list.

    Each method returns how many sockets the event was sent to, and raises TypeError or ValueError if
    a param cannot be written as JSON, ValueError for a name that begins with ``rpc.``, or for an event
    that is larger than ``options.send_queue``: it would close every socket it is sent to.
    """

    def __init__(self, sessions: Sessions, connections: Mapping[str, Peer], options: Options) -> None:
        self._sessions = sessions
        self._connections = connections
        self._options = options

    def all(self, event: str, *params: object) -> int:
        """To every socket."""
        return self._send(list(self._connections.values()), event, params)

    def user(self, user_id: str, event: str, *params: object) -> int:
        """To the sockets of a logged-in user."""
        claims = self._sessions.claims.of_user(user_id)
        return self._send([socket for claim in claims for socket in claim.sockets], event, params)

    def channel(self, name: str, event: str, *params: object) -> int:
        """To the sockets of the sessions that subscribed to a channel."""
        claims = self._sessions.claims.of_channel(name)
        return self._send([socket for claim in claims for socket in claim.sockets], event, params)

    def session(self, session_id: str, event: str, *params: object) -> int:
        """To the sockets of one session."""
        claim = self._sessions.claims.get(self._sessions.key_for(session_id))
        return self._send(list(claim.sockets) if claim else [], event, params)

    def socket(self, socket_id: str, event: str, *params: object) -> int:
        """To one socket."""
        socket = self._connections.get(socket_id)
        return self._send([socket] if socket else [], event, params)

    def _send(self, sockets: Iterable[Peer], event: str, params: tuple[object, ...]) -> int:
        if not isinstance(event, str):
            raise TypeError(f"the name of an event is a string, not {event!r}")
        if not event or event.startswith("rpc."):
            raise ValueError(f"{event!r} cannot be the name of an event: rpc. is the protocol's own")
        text = notification_text(event, params)  # encoded once, however many there are
        if len(text) > self._options.send_queue:
            raise ValueError(f"the event has {len(text)} bytes, more than send_queue={self._options.send_queue}")
        open_sockets = [socket for socket in sockets if not socket.gone]
        for socket in open_sockets:
            socket.send(text)
        return len(open_sockets)
