"""The session JSON, word for word: texts that express-session 1.19.0 wrote, and what comes back of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpc_sessions import StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.stores.express import SessionJSON, iso, parse
from rpc_sessions.testing import a_record

ENDS = 1_795_221_912.181  # 2026-11-21T00:45:12.181Z
FORMAT = SessionJSON(ttl=86_400)
# JSON.stringify of sessions that express-session made: without maxAge, with one, and with every option of a cookie.
WRITTEN = [
    '{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"a":1}',
    '{"cookie":{"originalMaxAge":60000,"expires":"2026-11-21T00:45:12.181Z","httpOnly":true,"path":"/"}}',
    '{"cookie":{"originalMaxAge":60000,"partitioned":true,"priority":"high","expires":"2026-11-21T00:45:12.181Z",'
    '"secure":true,"httpOnly":false,"domain":"example.org","path":"/","sameSite":"lax"},"passport":{"user":7},'
    '"f":1.5,"neg":0,"t":"é漢🙂\\u0000\\"/\u2028\\u001f","when":"2030-01-01T00:00:00.000Z","nested":{"b":[1,null,{}]},'
    '"userId":42,"channels":["news","sport"]}',
    '{"cookie":{"originalMaxAge":59999,"expires":"2026-11-21T00:45:12.181Z","secure":false,"httpOnly":true,'
    '"path":"/","sameSite":"none"},"userId":"ada","channels":[]}',
]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_express_wrote_comes_back_word_for_word(text: str) -> None:
    values = FORMAT.values(FORMAT.record(parse(text), ENDS, "token"))
    values.pop("rpc.created")  # and this is all that is new
    assert merge.pack(values) == text


def test_numbers_are_those_of_javascript() -> None:
    text = '{"cookie":{},"n":1152921504606847000,"e":1e+21,"whole":9007199254740992,"deep":[{"x":-9007199254740994}]}'
    data: Any = json.loads(FORMAT.record(parse(text), ENDS, "").data)
    assert (data["n"], data["e"], data["whole"], data["deep"]) == (2.0**60, 1e21, 2**53, [{"x": -9007199254740994.0}])
    assert isinstance(data["n"], float)
    assert isinstance(data["whole"], int)


@pytest.mark.parametrize("age", ["60000", True, [], {}, 0])
def test_a_max_age_that_is_none_is_left_alone(age: Any) -> None:
    cookie = {"originalMaxAge": age, "expires": "2026-11-21T00:45:12.181Z", "path": "/"}
    record = FORMAT.record({"cookie": cookie}, ENDS, "")
    assert json.loads(record.data)["rpc.max_age"] == 86_400
    assert FORMAT.values(record)["cookie"] == cookie


def test_a_life_of_more_than_a_century_is_cut_but_not_in_the_cookie() -> None:
    cookie: merge.Values = {"originalMaxAge": 2**53 - 1, "expires": None}
    record = FORMAT.record({"cookie": cookie}, ENDS, "")
    assert json.loads(record.data)["rpc.max_age"] == 100 * 365 * 86_400
    stored: Any = FORMAT.values(record)["cookie"]
    assert stored["originalMaxAge"] == 2**53 - 1


@pytest.mark.parametrize(("seconds", "text"), [(0, "1970-01-01T00:00:00.000Z"), (ENDS, "2026-11-21T00:45:12.181Z")])
def test_times_are_as_javascript_writes_them(seconds: float, text: str) -> None:
    assert iso(seconds) == text


@pytest.mark.parametrize(
    "text", ["", "[]", "nul", b"\xff", '{"a":' + "1" * 400 + "}", '{"a":' * 200 + "1" + "}" * 200, '{"a":"\\ud800}']
)
def test_what_cannot_be_read_says_so(text: str | bytes) -> None:
    with pytest.raises(StoreUnavailable):
        parse(text)


def test_a_record_of_ours_is_written_the_same_each_time() -> None:
    record = a_record('{"b":1,"a":{"c":0.1}}', user_id="ada")
    assert merge.pack(FORMAT.values(record)) == merge.pack(FORMAT.values(record))
    again = FORMAT.record(FORMAT.values(record), record.expires, record.token)
    assert merge.pack(FORMAT.values(again)) == merge.pack(FORMAT.values(record))
