"""The errors of a call, and the errors of a set-up.

Raise an ``RPCError`` anywhere in the chain and it is the reply; anything else raised is an
``InternalError`` (-32603) whose cause goes to the log and never to the client.

    Exception
     +-- ConfigError             the server cannot start: says file and line
     +-- ChainError              a middleware broke the contract of ``next``
     +-- RPCError(code, message, data)
          +-- ParseError          -32700  not JSON
          +-- InvalidRequest      -32600  JSON, but not a call
          +-- MethodNotFound      -32601
          +-- InvalidParams       -32602
          +-- InternalError       -32603
          +-- Busy                -32000  too many calls in flight on this connection
          +-- NotAuthorised       -32001
          |    +-- SessionGone            the session was destroyed, expired or moved to another id
          +-- DeadlinePassed      -32002
          +-- TooLarge            -32003  a message or a reply
          +-- RateLimited         -32004
          +-- StoreUnavailable    -32010
          +-- Cancelled           -32800

Codes from -32768 to -32000 are the specification's: https://www.jsonrpc.org/specification#error_object
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class RPCError(Exception):
    """An error that is the answer to a call.

    code: int, e.g. -32001. message: str, one short sentence. data: anything JSON can hold, or None.
    """

    def __init__(self, code: int, message: str, data: object = None) -> None:
        """TypeError for a code that is no int, or a message that is no str: the two are easily swapped."""
        if not isinstance(code, int) or not isinstance(message, str):
            raise TypeError(f"an error is (code: int, message: str), not ({code!r}, {message!r})")
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    def as_dict(self) -> dict[str, object]:
        """The ``error`` member of a JSON-RPC reply."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


class _Coded(RPCError):
    """An RPCError whose class fixes its code: ``raise Busy()`` or ``raise Busy("why", data)``."""

    CODE: ClassVar[int]
    MESSAGE: ClassVar[str]

    def __init__(self, message: str = "", data: object = None) -> None:
        super().__init__(self.CODE, message or self.MESSAGE, data)


class ParseError(_Coded):
    CODE, MESSAGE = -32700, "Parse error"


class InvalidRequest(_Coded):
    CODE, MESSAGE = -32600, "Invalid request"


class MethodNotFound(_Coded):
    CODE, MESSAGE = -32601, "Method not found"


class InvalidParams(_Coded):
    CODE, MESSAGE = -32602, "Invalid params"


class InternalError(_Coded):
    CODE, MESSAGE = -32603, "Internal error"


class Busy(_Coded):
    CODE, MESSAGE = -32000, "Too many calls in flight"


class NotAuthorised(_Coded):
    CODE, MESSAGE = -32001, "Not authorised"


class SessionGone(NotAuthorised):
    """The session is no longer there: nothing was written, and nothing will bring it back."""

    MESSAGE = "Session ended"


class DeadlinePassed(_Coded):
    CODE, MESSAGE = -32002, "Deadline passed"


class TooLarge(_Coded):
    CODE, MESSAGE = -32003, "Message too large"


class RateLimited(_Coded):
    CODE, MESSAGE = -32004, "Rate limited"


class StoreUnavailable(_Coded):
    """The session store did not answer. Nothing was overwritten."""

    CODE, MESSAGE = -32010, "Session store unavailable"

    @property
    def cause(self) -> str:
        """What the driver said, for the log: drivers can be very long about it."""
        if self.__cause__ is None:
            return "no cause given"
        text = str(self.__cause__).split(" (configured timeouts")[0] or type(self.__cause__).__name__
        return text if len(text) <= 200 else text[:200] + "..."


class Cancelled(_Coded):
    CODE, MESSAGE = -32800, "Cancelled"


class ChainError(Exception):
    """A middleware called ``next`` twice, left it unawaited, or neither answered nor called it."""


class ConfigError(Exception):
    """The application cannot start. ``problems`` lists what is wrong, each as ``file:line: sentence``."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def problem(path: Path | str, line: int, sentence: str) -> str:
    """One line of a ConfigError."""
    return f"{path}:{line}: {sentence}"
