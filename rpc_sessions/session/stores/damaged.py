"""Records that this release did not write so: they are reported, refused as StoreUnavailable, and left as they are.

A damaged session is no empty one: its owner is told so, and the log says where it lies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.merge import NO_OBJECT, UNREADABLE
from rpc_sessions.session.stores.base import Record

FORMAT = 1  # of what the stores write; one with a higher number is a later release's
CORRUPT = "The stored session is corrupt"
NEWER = "The stored session is of a newer format"
_DAMAGED = {CORRUPT, UNREADABLE, NO_OBJECT}

_log = logging.getLogger(__name__)


class DamagedError(Exception):
    """The cause, for the log. where: the record's place, for whoever looks after the store."""

    def __init__(self, where: str, why: object) -> None:
        super().__init__(f"{where}: {why}. It is left as it is")


def check_format(where: str, version: object) -> None:
    """StoreUnavailable if a record says that a newer release wrote it."""
    if isinstance(version, int) and version > FORMAT:
        why = f"it has the format {version}, of a newer rpc_sessions than this"
        raise StoreUnavailable(NEWER) from DamagedError(where, why)


def checked(where: str, data: object, created: object, expires: object, user_id: object, token: object) -> Record:
    """The record, if each part of it is of its kind; else StoreUnavailable."""
    if (
        isinstance(data, str)
        and isinstance(created, float | int)
        and isinstance(expires, float | int)
        and isinstance(user_id, str | None)
        and isinstance(token, str)
    ):
        if data.startswith("{") and data.endswith("}"):  # the rest is decoded when it is used
            return Record(data, created, expires, user_id, token)
        raise StoreUnavailable(CORRUPT) from DamagedError(where, "its data is no JSON object")
    raise StoreUnavailable(CORRUPT) from DamagedError(where, "a field is missing, or of a wrong type")


@contextmanager
def skipping_corrupt(key: str = "") -> Iterator[None]:
    """In a list of sessions, a corrupt one hides no others: nobody can use it any more. It is reported.

    key: for the log, where what is wrong does not say it.
    """
    try:
        yield
    except StoreUnavailable as error:
        if error.message not in _DAMAGED:
            raise
        where = f"{key}: " if key and not isinstance(error.__cause__, DamagedError) else ""
        _log.error("%s: %s%s", error.message, where, error.cause)
