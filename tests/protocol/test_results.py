"""What an action may return, and what becomes of that which JSON cannot hold."""

from __future__ import annotations

import pytest

from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.wire import connect, post_call

RESULTS = """
    from __future__ import annotations
    import dataclasses, datetime, decimal, enum, uuid
    from collections import OrderedDict, namedtuple
    import msgspec

    @dataclasses.dataclass
    class Point:
        x: float
        label: str | None = None

    class Line(msgspec.Struct):
        start: Point

    class Colour(enum.Enum):
        RED = "red"

    class Money(int): pass
    class Name(str): pass
    class Degrees(float): pass
    Pair = namedtuple("Pair", "a b")

    class Nowhere(datetime.tzinfo):
        def utcoffset(self, when):
            raise LookupError("no such place")

    cycle = []
    cycle.append(cycle)
    big_cycle = [2**70]
    big_cycle.append(big_cycle)
    deep = []
    for _ in range(100_000):
        deep = [deep]

    GOOD = {
        "none": None,
        "bool": True,
        "float": 1.0,
        "minus zero": -0.0,
        "2**63": 2**63,
        "2**70": 2**70,
        "4300 digits": 10**4299,
        "a big integer and null": [2**70, None],
        "a big integer in a dataclass": Point(2**70),
        "a big integer and a date": [2**70, datetime.date(2026, 1, 2)],
        "unicode": "h\\u00e9llo \\U0001f680 \\u2028 \\x00",
        "slash": "</script>",
        "tuple": (1, 2),
        "set": {1},
        "dict": {"": [{}]},
        "integer keys": {1: "one"},
        "ordered dict": OrderedDict(a=1),
        "named tuple": Pair(1, 2),
        "dataclass": Point(1.5),
        "struct": Line(Point(1.0, "p")),
        "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "uuid": uuid.UUID(int=1),
        "decimal": decimal.Decimal("1.50"),
        "enum": Colour.RED,
        "bytes": b"abc",
        "an int of a class of its own": Money(5),
        "a str of a class of its own": [Name("n")],
        "a float of a class of its own": {"d": Degrees(1.5)},
        "null and an int of a class of its own": [None, Money(5), 2**70],
    }
    BAD = {
        "object": object(),
        "function": print,
        "iterator": iter([1]),
        "NaN": float("nan"),
        "Infinity, deep inside": {"a": [1, {"b": float("-inf")}]},
        "NaN in a dataclass": Point(float("nan")),
        "NaN beside a big integer": [2**70, float("nan")],
        "NaN of a class of its own": Degrees("nan"),
        "complex": 1j,
        "what raises while it is written": datetime.datetime(2026, 1, 2, tzinfo=Nowhere()),
        "cycle": cycle,
        "cycle with a big integer": big_cycle,
        "100,000 levels": deep,
        "tuple keys": {(1, 2): 3},
        "lone surrogate": "\\ud800",
        "lone surrogate in a key": {"\\ud800": 1},
        "more digits than anybody reads": 10**5000,
    }

    def actions(req, res, ss):
        async def good(name: str):
            return GOOD[name]
        async def bad(name: str):
            return BAD[name]
        async def early(name: str):
            res(BAD[name])
        async def names():
            return [list(GOOD), list(BAD)]
        return good, bad, early, names
"""

EXPECTED: dict[str, object] = {
    "none": None,
    "bool": True,
    "float": 1.0,
    "minus zero": -0.0,
    "2**63": 2**63,
    "2**70": 2**70,
    "4300 digits": 10**4299,
    "a big integer and null": [2**70, None],
    "a big integer in a dataclass": {"x": 2**70, "label": None},
    "a big integer and a date": [2**70, "2026-01-02"],
    "unicode": "héllo 🚀 \u2028 \x00",
    "slash": "</script>",
    "tuple": [1, 2],
    "set": [1],
    "dict": {"": [{}]},
    "integer keys": {"1": "one"},
    "ordered dict": {"a": 1},
    "named tuple": [1, 2],
    "dataclass": {"x": 1.5, "label": None},
    "struct": {"start": {"x": 1.0, "label": "p"}},
    "datetime": "2026-01-02T03:04:05Z",
    "uuid": "00000000-0000-0000-0000-000000000001",
    "decimal": "1.50",
    "enum": "red",
    "bytes": "YWJj",
    "an int of a class of its own": 5,
    "a str of a class of its own": ["n"],
    "a float of a class of its own": {"d": 1.5},
    "null and an int of a class of its own": [None, 5, 2**70],
}


@pytest.mark.gen_test
async def test_what_json_can_hold_arrives(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": RESULTS})) as site, connect(site) as socket:
        names, _ = await socket.result("app.names")
        assert set(names) == EXPECTED.keys()
        results = {name: await socket.result("app.good", name) for name in names}
    assert {name: str(value) for name, value in results.items()} == {k: str(v) for k, v in EXPECTED.items()}


@pytest.mark.gen_test
async def test_what_it_cannot_hold_is_an_internal_error_with_the_id(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/app.py": RESULTS})) as site, connect(site) as socket:
        _, names = await socket.result("app.names")
        for name in names:
            for method in ("app.bad", "app.early"):
                reply = await socket.call(method, name)
                assert reply["error"]["code"] == -32603, name
                correlation = reply["error"]["data"]["id"]
                logs.take(rf"{method} failed \[{correlation}\]")
        assert (await post_call(site, "app.bad", "object"))["error"]["code"] == -32603
        assert await socket.result("app.good", "float") == 1.0
    logs.take(r"app\.bad failed")
