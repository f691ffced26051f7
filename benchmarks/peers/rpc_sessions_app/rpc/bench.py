"""No session: what a call itself costs."""

from collections.abc import Callable
from typing import Any


def actions(req: Any, res: Any, ss: Any) -> tuple[Callable[..., Any], ...]:
    async def echo(text: str) -> str:
        return text

    return (echo,)
