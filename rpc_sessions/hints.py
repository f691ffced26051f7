"""What to say to somebody who misspelt a name, or set what is changed in another way. A leaf."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'max_age'?)`` for ``maxAge``; "" where nothing known is close."""
    return "".join(f" (did you mean {close!r}?)" for close in get_close_matches(name.lower(), list(known), 1))


def refuse_to_replace(owner: object, name: str, instead: Mapping[str, str]) -> None:
    """AttributeError if the owner has this attribute already and it is for keeps.

    instead: what to write, by the name of each such attribute.
    """
    if name in instead and name in vars(owner):
        raise AttributeError(f"{name} cannot be replaced: write {instead[name]}")
