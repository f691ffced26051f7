"""JSON-RPC 2.0 text to calls, answers to text: pure, no I/O. https://www.jsonrpc.org/specification"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from rpc_sessions import codec
from rpc_sessions.codec import encode_finite
from rpc_sessions.errors import InternalError, InvalidRequest, RPCError
from rpc_sessions.types import JSON, JSONId

_ID_TYPES = (str, int, float, type(None))


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """One call as it was sent. A notification has no id and gets no answer."""

    jsonrpc: Literal["2.0"]
    method: str
    params: list[Any] | dict[str, Any] = []  # Any: what JSON holds; a recursive type would be walked again
    id: str | int | float | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def notification(self) -> bool:
        return self.id is msgspec.UNSET

    @property
    def answer_id(self) -> JSONId:
        """The id that the answer has."""
        return None if self.id is msgspec.UNSET else self.id


class Invalid(NamedTuple):
    """Something that is no call, in the place of one: its answer is ready."""

    id: JSONId
    error: RPCError


class _Result(msgspec.Struct, gc=False):  # it lives for a moment only
    jsonrpc: str
    result: object
    id: JSONId


_SIMPLE = {str, int, bool, type(None)}
_decode_call = msgspec.json.Decoder(Call).decode


def parse(text: str | bytes, batch_limit: int) -> Call | Invalid | list[Call | Invalid]:
    """The call of a text, or the list of calls of a batch. ParseError if it is not JSON."""
    if not codec.may_be_deep(text):
        try:
            return _decode_call(text)  # a tenth of the time that a call takes is saved by not making a dict first
        except (msgspec.DecodeError, UnicodeError, ValueError):
            pass  # a batch, or something wrong: see below what
    value = codec.decode(text)
    if type(value) is not list:
        return _call(value)
    if not value:
        return Invalid(None, InvalidRequest("Invalid request: an empty batch"))
    if len(value) > batch_limit:
        return Invalid(None, InvalidRequest(f"Invalid request: a batch of more than {batch_limit} calls"))
    return [_call(item) for item in value]


def _call(value: JSON) -> Call | Invalid:
    if type(value) is not dict:
        return Invalid(None, InvalidRequest("Invalid request: a call is an object"))
    id = value.get("id")
    # Exact types: a bool is an int to isinstance, and no id to the specification.
    if type(id) not in _ID_TYPES:
        return Invalid(None, InvalidRequest("Invalid request: id must be a string, a number or null"))
    method = value.get("method")
    params = value.get("params", [])
    if value.get("jsonrpc") != "2.0" or type(method) is not str or type(params) not in (list, dict):
        return Invalid(id, InvalidRequest(_fault(value)))  # type: ignore[arg-type]  # narrowed by _ID_TYPES
    return Call("2.0", method, params, id if "id" in value else msgspec.UNSET)  # type: ignore[arg-type]  # narrowed just above


def _fault(value: dict[str, JSON]) -> str:
    if value.get("jsonrpc") != "2.0":
        return 'Invalid request: jsonrpc must be "2.0"'
    if not isinstance(value.get("method"), str):
        return "Invalid request: method must be a string"
    return "Invalid request: params must be an array or an object"


def result_text(result: object, id: JSONId) -> bytes:
    """The answer to a call. TypeError or ValueError if the result cannot be written as JSON."""
    if type(result) in _SIMPLE:
        return encode_finite(_Result("2.0", result, id))
    return codec.encode(_Result("2.0", result, id))


def error_text(error: RPCError, id: JSONId) -> bytes:
    """The error answer to a call; data or a message that cannot be written is left out."""
    for fields in (error.as_dict(), {"code": error.code, "message": error.message}):
        try:
            return codec.encode({"jsonrpc": "2.0", "error": fields, "id": id})
        except Exception:  # an application's own type may raise anything while it is written
            continue
    return codec.encode({"jsonrpc": "2.0", "error": {"code": error.code, "message": InternalError.MESSAGE}, "id": id})


def batch_text(answers: list[bytes]) -> bytes:
    """The answers of a batch as one text."""
    return b"[" + b",".join(answers) + b"]"


def notification_text(method: str, params: object) -> bytes:
    """An event to a client: a call without id. TypeError or ValueError if it cannot be written."""
    return codec.encode({"jsonrpc": "2.0", "method": method, "params": params})
