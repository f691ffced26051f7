"""With a session: what reading a stored one adds."""

from collections.abc import Callable
from typing import Any


def actions(req: Any, res: Any, ss: Any) -> tuple[Callable[..., Any], ...]:
    req.use("session")

    async def read() -> int:
        value: int = req.session.get("n", 0)
        return value

    async def write() -> bool:
        req.session["n"] = 1
        await req.session.save()
        return True

    return read, write
