"""What another process does with a session: ``python -m tests.stores.worker TASK STORE OPTIONS ID ...``."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from typing import cast

from rpc_sessions.request import Peer
from rpc_sessions.session.session import Session
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.session.stores.choice import StoreChoice
from tests.apps import SECRET

Options = dict[str, object]


def make_sessions(store: str, options: Options) -> Sessions:
    """The sessions of a server that uses this store."""
    sessions = Sessions()
    sessions.options.secret = SECRET
    sessions.store.use(store, **options)
    sessions.start()
    return sessions


async def open_session(sessions: Sessions, id: str) -> Session:
    peer = Peer()
    peer.claim = sessions.claim_of(id)
    return await sessions.open(peer)


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def count_up(sessions: Sessions, id: str, times: str) -> None:
    """Add 1 to the session's ``n``, so many times, three calls at once."""

    def add(session: Session) -> None:
        session["n"] = cast(int, session.get("n", 0)) + 1

    async def some() -> None:
        session = await open_session(sessions, id)
        for _ in range(int(times) // 3):
            await session.mutate(add)

    await asyncio.gather(some(), some(), some())


async def save_forever(sessions: Sessions, id: str, size: str) -> None:
    """Save 1, 2, 3 ... each with a filling that is made of it, and print what is acknowledged."""
    session = await open_session(sessions, id)
    for n in count(1):
        session.update(n=n, filling=f"{n}," * (int(size) // len(f"{n},")))
        await session.save()
        say(n)


async def create_table(store: StoreChoice, start: str) -> None:
    """Use the store for the first time, when a line comes."""
    say(start)
    sys.stdin.readline()
    await store.current.delete("0" * 64)


async def main(task: str, store: str, options: str, *rest: str) -> None:
    sessions = make_sessions(store, json.loads(options))
    try:
        if task == "create_table":
            await create_table(sessions.store, *rest)
        else:
            await {"count_up": count_up, "save_forever": save_forever}[task](sessions, *rest)
    finally:
        await sessions.store.current.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
