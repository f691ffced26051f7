"""The keys of the library's own values, which lie in a record beside the user's."""

from __future__ import annotations

RESERVED = "rpc."  # how all of them begin
CHANNELS = RESERVED + "channels"
MAX_AGE = RESERVED + "max_age"
COOKIE = RESERVED + "cookie"  # of a session that is shared with Express: the attributes of its cookie
CLIENT = RESERVED + "client"  # where the user logged in from
TICKET = RESERVED + "ticket"  # of a record that is a ticket, not a session
MOVED = RESERVED + "moved"  # of a record that says where a session has gone
