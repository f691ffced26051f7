"""The channels of a session: kept in it, so that every socket of the session follows, now and later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from rpc_sessions.session.reserved import CHANNELS

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session
    from rpc_sessions.types import JSON

Edit: TypeAlias = Callable[[set[str]], set[str]]


class Channels:
    """``await session.channel.subscribe("news", "sport")``: stored at once, without a save."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self) -> list[str]:
        """The names of the channels, sorted."""
        names = self._session.reserved(CHANNELS) or []
        return sorted(cast("list[str]", names))

    async def subscribe(self, *names: str) -> None:
        """Listen to channels."""
        await self._change(lambda now: now | _checked(names))

    async def unsubscribe(self, *names: str) -> None:
        """Listen no longer to channels."""
        await self._change(lambda now: now - _checked(names))

    async def reset(self) -> None:
        """Listen to no channel."""
        await self._change(lambda _: set())

    async def _change(self, edit: Edit) -> None:
        def write(session: Session) -> None:
            names = sorted(edit(set(Channels(session).list())))
            if names:
                session.raw[CHANNELS] = cast("list[JSON]", names)
            else:
                session.raw.pop(CHANNELS, None)

        await self._session.mutate(write)


def _checked(names: tuple[str, ...]) -> set[str]:
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"the name of a channel is a string, not {name!r}")
    return set(names)
