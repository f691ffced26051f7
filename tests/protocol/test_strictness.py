"""What is not strict JSON is -32700 on every way; what is, comes back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apps import ECHO, MakeServer
from tests.ways import WAYS, Text, Way, in_process, over_http, over_websocket

BINARY = [over_http, over_websocket, in_process]


def echo(value: str) -> str:
    """A call whose param is this JSON text."""
    return '{"jsonrpc":"2.0","method":"app.echo","params":[' + value + '],"id":1}'


def nested(levels: int) -> str:
    """A call that nests this deep: itself and its params are two levels of it."""
    return echo("[" * (levels - 2) + "]" * (levels - 2))


NOT_JSON = {
    "NaN": echo("NaN"),
    "Infinity": echo("Infinity"),
    "-Infinity": echo("-Infinity"),
    "a leading zero": echo("01"),
    "a number that ends in a point": echo("1."),
    "a number that begins with a point": echo(".5"),
    "a plus sign": echo("+1"),
    "a hexadecimal number": echo("0x10"),
    "a float out of range": echo("1e999"),
    "a negative float out of range": echo("-1e999"),
    "an integer of 4,301 digits": echo("9" * 4301),
    "a float with 400 digits": echo("1" + "0" * 400 + ".0"),
    "a lone high surrogate": echo(r'"\ud800"'),
    "a lone low surrogate": echo(r'"\udc00"'),
    "surrogates the wrong way round": echo(r'"\ude80\ud83d"'),
    "a surrogate in a name": r'{"jsonrpc":"2.0","method":"app.echo","params":{"\ud800":1},"id":1}',
    "a raw control character": echo('"a\x01b"'),
    "a raw newline in a string": echo('"a\nb"'),
    "an unknown escape": echo(r'"\x41"'),
    "a bad unicode escape": echo(r'"\u00zz"'),
    "single quotes": echo("'a'"),
    "a trailing comma in an array": echo("[1,]"),
    "a trailing comma in an object": echo('{"a":1,}'),
    "a name without quotes": echo("{a:1}"),
    "a comment": echo("1 /* one */"),
    "True": echo("True"),
    "two values": echo("1") + echo("2"),
    "a byte order mark": "\ufeff" + echo("1"),
    "a NUL": "\0",
    "white space only": " \n ",
    "65 levels": nested(65),
    "65 levels of objects": echo('{"a":' * 63 + "1" + "}" * 63),
    "thousands of levels": "[" * 30_000,
}

NOT_UTF8 = {
    "a lone byte": b"\xff",
    "a byte in a string": echo('"X"').encode().replace(b"X", b"\xff"),
    "an overlong slash": echo('"X"').encode().replace(b"X", b"\xc0\xaf"),
    "an encoded surrogate": echo('"X"').encode().replace(b"X", b"\xed\xa0\x80"),
    "a truncated character": echo('"X"').encode().replace(b"X", b"\xe2\x82"),
    "UTF-16": echo("1").encode("utf-16"),
    "a call in Latin-1": echo('"é"').encode("latin-1"),
}

ALLOWED = {
    "64 levels": nested(64),
    "more brackets than levels": echo("[" + ",".join(["[]"] * 200) + "]"),
    "brackets in a string": echo('"' + "[{" * 200 + '"'),
    "an integer of 4,300 digits": echo("9" * 4300),
    "integers at the edges of 64 bits": echo("[9223372036854775807,9223372036854775808,-9223372036854775809]"),
    "a tiny float": echo("5e-324"),
    "a float that is too small to tell from zero": echo("1e-999"),
    "minus zero": echo("-0.0"),
    "DEL, which JSON allows": echo('"\x7f"'),
    "an escaped control character": echo(r'"\u0000\u001f"'),
    "a surrogate pair": echo(r'"\ud83d\ude80"'),
    "duplicate keys: the last counts": echo('{"a":1,"a":2}'),
    "white space around": " \r\n\t" + echo("1") + "\n ",
}


def is_parse_error(reply: Any) -> bool:
    return bool((reply["id"], reply["error"]["code"]) == (None, -32700))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
@pytest.mark.gen_test
async def test_what_is_not_json_is_a_parse_error(way: Way, text: str, make_server: MakeServer) -> None:
    reply = await way(make_server({"rpc/app.py": ECHO}), text)
    assert is_parse_error(reply), reply


@pytest.mark.parametrize("way", BINARY, ids=lambda way: way.__name__)
@pytest.mark.parametrize("data", NOT_UTF8.values(), ids=NOT_UTF8)
@pytest.mark.gen_test
async def test_what_is_not_utf8_is_a_parse_error(way: Way, data: bytes, make_server: MakeServer) -> None:
    assert is_parse_error(await way(make_server({"rpc/app.py": ECHO}), data))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
@pytest.mark.gen_test
async def test_what_is_strict_json_comes_back(way: Way, text: Text, make_server: MakeServer) -> None:
    reply = await way(make_server({"rpc/app.py": ECHO}), text)
    (sent,) = json.loads(text)["params"]
    assert reply["result"] == sent
    assert str(reply["result"]) == str(sent)  # -0.0 equals 0.0, but is not the same
