"""The ``req`` and ``res`` of an HTTP route."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rpc_sessions import codec
from rpc_sessions.request import Peer, Request, Response
from rpc_sessions.tokens import TOKEN
from rpc_sessions.types import JSON

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

_NAME = re.compile(TOKEN)
# RFC 9110, section 5.5: what may be in a field's value. Headers are sent as Latin-1.
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class HTTPRequest(Request):
    """method: GET, POST, ... params: the fields of query, form and path; a repeated field is a list."""

    __slots__ = ("http",)

    def __init__(self, peer: Peer, http: HTTPServerRequest, path_params: dict[str, str]) -> None:
        super().__init__(peer, http.method or "", _fields(http.arguments) | dict(path_params))
        self.http = http

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def path(self) -> str:
        """The path of the URL."""
        return self.http.path

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return self.http.body

    def json(self) -> JSON:
        """The body as JSON. ParseError (HTTP 400) if it is not."""
        return codec.decode(self.http.body)


def _fields(arguments: dict[str, list[bytes]]) -> dict[str, JSON]:
    fields: dict[str, JSON] = {}
    for name, values in arguments.items():
        texts: list[JSON] = [value.decode("utf-8", "replace") for value in values]
        fields[_utf8(name)] = texts[0] if len(texts) == 1 else texts
    return fields


def _utf8(name: str) -> str:
    """Tornado reads the values of query and form as bytes, but their names as Latin-1."""
    try:
        return name.encode("latin1").decode()
    except UnicodeError:
        return name


class HTTPResponse(Response):
    """What a route answers. It leaves when the route is done and the session is saved."""

    __slots__ = ("body", "code", "fields")

    def __init__(self, request: Request) -> None:
        super().__init__(request, _later)
        self.code = 200
        self.fields: list[tuple[str, str]] = []
        self.body = b""

    def status(self, code: int) -> HTTPResponse:
        """Set the status, e.g. 404. Returns itself, as ``header`` does. ValueError for what is none of an answer."""
        self.code = _checked_status(code)
        return self

    def header(self, name: str, value: str | int) -> HTTPResponse:
        """Set a header. ValueError for what no header can hold, such as a line break."""
        self.fields.append((_checked_name(name), _checked_value(name, value)))
        return self

    def end(self, text: str | bytes = "") -> None:
        """Answer with a text: text/plain, unless ``header`` said otherwise."""
        self._answer("text/plain; charset=utf-8", text.encode() if isinstance(text, str) else text)

    def json(self, value: object) -> None:
        """Answer with JSON. TypeError or ValueError if the value cannot be written."""
        self._answer("application/json", codec.encode(value))

    def redirect(self, url: str, code: int = 303) -> None:
        """Send the browser to another URL, once the session is saved. ValueError as of ``header``."""
        code, url = _checked_status(code), _checked_value("Location", url)
        if self._answer("text/plain; charset=utf-8", b""):
            self.status(code).header("Location", url)

    def __call__(self, value: object = None) -> None:
        """Answer as a returned value would: str as text, None as 204, anything else as JSON."""
        if isinstance(value, str | bytes):
            self.end(value)
        elif value is None:
            if self._answer("", b"") and self.code == 200:
                self.code = 204
        else:
            self.json(value)

    def _answer(self, content_type: str, body: bytes) -> bool:
        """Whether this is the answer: only the first is."""
        if not self._first():
            return False
        if content_type and not any(name.lower() == "content-type" for name, _ in self.fields):
            self.fields.append(("Content-Type", content_type))
        self.body = body
        return True


def _checked_status(code: int) -> int:
    if code not in range(200, 600):
        raise ValueError(f"a status is a number from 200 to 599, not {code!r}")
    return code


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header")
    return name


def _checked_value(name: str, value: str | int) -> str:
    """Without the value in the error: it may be a secret, and errors are logged."""
    if not isinstance(value, str | int):
        raise TypeError(f"the header {name} is a string or a number, not {type(value).__name__}")
    text = str(value)
    if found := _NOT_IN_A_VALUE.search(text):
        instead = ": in a URL, write urllib.parse.quote(text)" if found[0] > "\xff" else ""
        raise ValueError(f"the header {name} cannot hold {found[0]!r}{instead}")
    return text.strip(" \t")


def _later(res: Response) -> None:
    """An HTTP answer leaves when its handler is done."""
