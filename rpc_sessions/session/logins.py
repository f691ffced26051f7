"""Where a user logged in from: kept in the session, for the list of the user's sessions."""

from __future__ import annotations

from rpc_sessions.request import Peer
from rpc_sessions.session.merge import Values, unpack
from rpc_sessions.session.reserved import CLIENT

_LONGEST_AGENT = 300


def note(values: Values, user_id: str | None, peer: Peer) -> None:
    """Keep the address and the program of who logs in, if that is known; forget those of who was logged in before."""
    values.pop(CLIENT, None)
    if user_id is not None and peer.client_ip:
        values[CLIENT] = {"ip": peer.client_ip, "agent": peer.headers.get("User-Agent", "")[:_LONGEST_AGENT]}


def noted(text: str) -> tuple[str, str]:
    """The address and the program in a session's text; "" for what is not known."""
    client = unpack(text).get(CLIENT) if CLIENT in text else None
    if not isinstance(client, dict):
        return "", ""
    return str(client.get("ip") or ""), str(client.get("agent") or "")
