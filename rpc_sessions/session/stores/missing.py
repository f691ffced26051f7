"""What ``lacks`` says of a store that lies in a file or a folder of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path


async def missing(kind: str, path: Path) -> str | None:
    """``"file /srv/sessions.db"`` if it is not there, else None. kind: "file" or "folder". OSError as of stat."""
    return await asyncio.to_thread(_missing, kind, path)


def _missing(kind: str, path: Path) -> str | None:
    if path.exists():
        return None
    here = "" if path.is_absolute() else f" ({path} is relative to the current directory)"
    return f"{kind} {path.absolute()}{here}"
