"""Text of any origin, made fit for a terminal. A user id or an agent may hold whatever its sender likes."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_PERHAPS_UNSAFE = re.compile(r"[^\n -~]")
_LONGEST_LINE = 500


def safe(text: str) -> str:
    """What a terminal does not print (escapes, control and direction marks) as ``\\x1b`` or ``\\u202e``."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """A message, often a driver's, as one safe line of bounded length."""
    line = safe("; ".join(part for part in map(str.strip, text.splitlines()) if part))
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."


def width(text: str) -> int:
    """How many columns of a terminal a safe text takes: East Asian characters two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """A safe text, cut to so many columns with ``…`` at the end. Marks cost nothing, but are bounded too."""
    if width(text) <= columns and len(text) <= 4 * columns:
        return text
    kept = ""
    for char in text[: 4 * columns]:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept + "…"


def pad(text: str, columns: int) -> str:
    """A safe text with spaces behind it, so many columns wide."""
    return text + " " * (columns - width(text))


def line_of_json(value: object) -> str:
    """JSON for programs: one line of ASCII."""
    return _without_controls(json.dumps(value))


def pretty_json(value: object) -> str:
    """JSON for people: indented, letters of all languages as they are."""
    return _without_controls(json.dumps(value, ensure_ascii=False, indent=2))


def _without_controls(text: str) -> str:
    """JSON itself escapes the controls of ASCII but one, and no others."""
    return _PERHAPS_UNSAFE.sub(lambda found: found[0] if found[0].isprintable() else _escape(found[0]), text)


def _escape(char: str) -> str:
    digits = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{digits[at : at + 4]}" for at in range(0, len(digits), 4))


def relative(then: datetime, now: datetime) -> str:
    """``5 min ago`` or ``in 30 d``."""
    span = (then - now).total_seconds()
    size, unit = next((each for each in _UNITS if abs(span) >= 2 * each[0]), _UNITS[-1])
    amount = f"{round(abs(span) / size)} {unit}"
    return f"in {amount}" if span > 0 else f"{amount} ago"


def exact(then: datetime) -> str:
    """``2026-03-01 12:00:00 UTC``; the time is UTC."""
    return f"{then:%Y-%m-%d %H:%M:%S} UTC"
