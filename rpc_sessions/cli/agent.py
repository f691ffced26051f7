"""A User-Agent as people say it: ``Firefox 133, Linux``. Only of the common browsers, and only where it is certain.

A browser names itself by a product (https://www.rfc-editor.org/rfc/rfc9110#name-user-agent), beside those of
the browsers it wants to be taken for. One more product than those is somebody else, and stays as it is.
"""

from __future__ import annotations

import re

_PRODUCT = re.compile(r"([A-Za-z]+)/(\d+)")
_COMMENT = re.compile(r"\([^()]*\)")
_CLAIMED = {"Mozilla", "AppleWebKit", "Gecko", "Chrome", "Version", "Mobile", "Safari"}  # by nearly everybody
# The first that is there: Edge and Opera claim to be Chrome, which claims to be Safari, which alone has a Version.
_BROWSERS = {
    "Edg": "Edge",
    "EdgA": "Edge",
    "EdgiOS": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Version": "Safari",
}
# The first that is there: iPhones claim to be like Mac OS X, and Android is a Linux.
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
_APPLE = ("macOS", "iOS", "iPadOS")


def short(agent: str) -> str:
    """``Safari 18, macOS`` for a common browser; anything else as it came."""
    products = dict(_PRODUCT.findall(_COMMENT.sub(" ", agent)))
    name = next((each for each in _BROWSERS if each in products), "")
    system = next((_SYSTEMS[each] for each in _SYSTEMS if each in agent), "")
    certain = name and system and products.keys() <= _CLAIMED | {name} and "compatible" not in agent
    if not certain or (name == "Version" and system not in _APPLE):
        return agent
    return f"{_BROWSERS[name]} {products[name]}, {system}"
