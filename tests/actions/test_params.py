"""How params become arguments, and what is answered -32602 before the action runs."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import Server
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.wire import connect, post, request

PARAMS = """
    from __future__ import annotations
    import dataclasses, datetime, enum, uuid
    from typing import Annotated, Literal, Optional, TypedDict
    import msgspec

    @dataclasses.dataclass
    class Item:
        name: str
        count: int = 1

    class Order(msgspec.Struct):
        items: list[Item]
        note: str | None = None

    class Colour(enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        LOW = 1

    @dataclasses.dataclass
    class Shelf:
        places: dict[int, Item]

    class Size(TypedDict):
        width: int

    def actions(req, res, ss):
        async def plain(a, b=2): return [a, b]
        async def none(): return []
        async def rest(a, *others): return [a, others]
        async def options(a, **others): return [a, others]
        async def everything(a, /, b, *others, c=3, **named): return [a, b, others, c, named]
        async def named_only(*, a, b=2): return [a, b]
        async def rest_named(*others, a): return [others, a]
        async def position_only(a, b=2, /): return [a, b]
        async def text(value: str): return value
        async def whole(value: int): return value
        async def real(value: float): return value
        async def flag(value: bool): return value
        async def maybe(value: Optional[int] = None): return value
        async def cart(cart: dict[str, int], checkout: bool = False): return [cart, checkout]
        async def by_number(value: dict[int, int]): return sorted(value.items())
        async def by_real(value: dict[float, str]): return sorted(value.items())
        async def by_level(value: dict[Level, int]): return value[Level.LOW]
        async def by_colour(value: dict[Colour, int]): return value[Colour.RED]
        async def by_literal(value: dict[Literal[1, "a"], int]): return [value.get(1), value.get("a")]
        async def by_either(value: dict[int | str, int]): return [type(key).__name__ for key in value]
        async def by_text(value: dict[str, dict[int, list[int]]]): return [[*value], value["1"][2]]
        async def shelf(shelf: Shelf): return [shelf.places[7].name, shelf.places[7].count]
        async def literal(value: Literal["a", "b", 3]): return value
        async def either(value: int | str): return value
        async def when(value: datetime.datetime): return value.year
        async def day(value: datetime.date): return [type(value).__name__, value]
        async def colour(value: Colour): return value is Colour.RED
        async def unique(value: uuid.UUID): return value.int
        async def item(item: Item): return [type(item).__name__, item.name, item.count]
        async def order(order: Order): return [type(order).__name__, order.items[0].count, order.note]
        async def size(size: Size): return size
        async def noted(value: Annotated[int, {"unit": "m"}]): return value  # of no meaning here, and unhashable
        async def few(values: Annotated[list[int], msgspec.Meta(max_length=2)]): return values
        async def numbers(*values: int): return values
        async def settings(**values: int): return values
        async def unlike(values: set): return values
        async def both(*a: int, **b: str): return [a, b]
        async def anything(value: object): return value
        async def half(value: int, other): return [value, other]
        async def inside(value: int):
            return None + value
        return {name: action for name, action in locals().items() if name not in ("req", "res", "ss")}
"""

# method, params, result
BOUND: list[tuple[str, Any, Any]] = [
    ("plain", [1], [1, 2]),
    ("plain", [1, None], [1, None]),
    ("plain", {"a": 1}, [1, 2]),
    ("plain", {"b": 1, "a": 2}, [2, 1]),
    ("none", [], []),
    ("none", {}, []),
    ("rest", [1, 2, 3], [1, [2, 3]]),
    ("rest", {"a": 1}, [1, []]),
    ("options", {"a": 1, "b": 2, "self": 3, "": 4}, [1, {"b": 2, "self": 3, "": 4}]),
    ("options", [1], [1, {}]),
    ("everything", [1, 2, 3], [1, 2, [3], 3, {}]),
    ("named_only", {"a": 1}, [1, 2]),
    ("rest_named", {"a": 1}, [[], 1]),
    ("position_only", [1], [1, 2]),
    ("text", ["x"], "x"),
    ("whole", [2**70], 2**70),
    ("real", [1.5], 1.5),
    ("real", [1], 1.0),
    ("flag", [True], True),
    ("maybe", [], None),
    ("maybe", [None], None),
    ("maybe", {"value": 5}, 5),
    ("cart", [{"tea": 1}], [{"tea": 1}, False]),
    ("cart", {"checkout": True, "cart": {}}, [{}, True]),
    ("by_number", [{"1": 2, "-3": 4}], [[-3, 4], [1, 2]]),
    ("by_number", {"value": {}}, []),
    ("by_real", [{"1.5": "a", "2": "b"}], [[1.5, "a"], [2.0, "b"]]),
    ("by_level", [{"1": 5}], 5),
    ("by_colour", [{"red": 5}], 5),
    ("by_literal", [{"1": 5, "a": 6}], [5, 6]),
    ("by_either", [{"1": 1}], ["str"]),
    ("by_text", [{"1": {"2": [3]}}], [["1"], [3]]),
    ("shelf", [{"places": {"7": {"name": "tea"}}}], ["tea", 1]),
    ("literal", ["a"], "a"),
    ("literal", [3], 3),
    ("either", [1], 1),
    ("either", ["1"], "1"),
    ("when", ["2026-01-02T03:04:05Z"], 2026),
    ("day", ["2026-01-02"], ["date", "2026-01-02"]),
    ("colour", ["red"], True),
    ("unique", ["00000000-0000-0000-0000-000000000007"], 7),
    ("item", [{"name": "tea"}], ["Item", "tea", 1]),
    ("order", [{"items": [{"name": "tea"}]}], ["Order", 1, None]),
    ("size", [{"width": 1}], {"width": 1}),
    ("few", [[1, 2]], [1, 2]),
    ("noted", [1], 1),
    ("numbers", [1, 2], [1, 2]),
    ("numbers", [], []),
    ("settings", {"a": 1}, {"a": 1}),
    ("both", {"a": "x", "b": "y"}, [[], {"a": "x", "b": "y"}]),
    ("anything", [{"x": [None]}], {"x": [None]}),
    ("half", [1, "any"], [1, "any"]),
]

# method, params, what the message says
REFUSED: list[tuple[str, Any, str]] = [
    ("plain", [], "expected 1 to 2 (a, b), got 0"),
    ("plain", [1, 2, 3], "expected 1 to 2 (a, b), got 3"),
    ("plain", {}, "missing a"),
    ("plain", {"b": 1}, "missing a"),
    ("plain", {"a": 1, "c": 2}, "unknown c"),
    ("none", [1], "expected 0, got 1"),
    ("rest", [], "expected at least 1 (a, ...), got 0"),
    ("named_only", [1], "goes by name: a"),
    ("named_only", {"b": 1}, "missing a"),
    ("rest_named", [1, 2], "goes by name: a"),
    ("position_only", {}, "goes by position: a"),
    ("position_only", {"a": 1}, "goes by position: a"),
    ("everything", {"a": 1, "b": 2}, "goes by position: a"),
    ("text", [1], "value: Expected `str`, got `int`"),
    ("text", [None], "value: Expected `str`, got `null`"),
    ("whole", ["1"], "value: Expected `int`, got `str`"),
    ("whole", [True], "value: Expected `int`, got `bool`"),
    ("whole", [1.5], "value: Expected `int`, got `float`"),
    ("real", [True], "value: Expected `float`, got `bool`"),
    ("real", ["1"], "value: Expected `float`, got `str`"),
    ("flag", [1], "value: Expected `bool`, got `int`"),
    ("by_number", [{"one": 1}], "value: Expected `int`, got `str` - at `key` in `$`"),
    ("by_number", [{"1.5": 1}], "value: Expected `int`, got `str` - at `key` in `$`"),
    ("by_number", [{"1": "1"}], "value: Expected `int`, got `str` - at `$[...]`"),
    ("by_real", [{"": "a"}], "value: Expected `float`, got `str` - at `key` in `$`"),
    ("by_level", [{"2": 5}], "value: Invalid enum value 2 - at `key` in `$`"),
    ("by_colour", [{"blue": 5}], "value: Invalid enum value 'blue' - at `key` in `$`"),
    ("by_literal", [{"2": 5}], "value: Invalid enum value 2 - at `key` in `$`"),
    ("by_text", [{"1": {"2": ["3"]}}], "value: Expected `int`, got `str` - at `$[...][...][0]`"),
    ("shelf", [{"places": {"7": {"name": 7}}}], "shelf: Expected `str`, got `int` - at `$.places[...].name`"),
    ("maybe", {"value": "x"}, "value: Expected `int | null`, got `str`"),
    ("cart", [{"tea": "one"}], "cart: Expected `int`, got `str` - at `$[...]`"),
    ("cart", [{}, "yes"], "checkout: Expected `bool`, got `str`"),
    ("literal", ["c"], "value: Invalid enum value 'c'"),
    ("either", [None], "value: Expected `int | str`, got `null`"),
    ("when", ["yesterday"], "value: Invalid RFC3339 encoded datetime"),
    ("colour", ["blue"], "value: Invalid enum value 'blue'"),
    ("unique", ["7"], "value: Invalid UUID"),
    ("item", [{}], "item: Object missing required field `name`"),
    ("order", [{"items": [{"name": 1}]}], "order: Expected `str`, got `int` - at `$.items[0].name`"),
    ("few", [[1, 2, 3]], "values: Expected `array` of length <= 2"),
    ("unlike", [[[1]]], "values: unhashable type: 'list'"),
    ("real", [10**400], "value: Number out of range"),
    ("numbers", [1, "2"], "values: Expected `int`, got `str`"),
    ("settings", {"a": "1"}, "a: Expected `int`, got `str`"),
]


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": PARAMS})


@pytest.mark.gen_test
async def test_params_are_bound_and_converted(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        for method, params, expected in BOUND:
            await socket.send(request(f"app.{method}", params))
            reply = await socket.reply()
            assert reply.get("result") == expected, (method, params, reply)
            assert type(reply["result"]) is type(expected), (method, params, reply)


@pytest.mark.gen_test
async def test_what_does_not_fit_is_refused_and_the_message_says_which(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        for method, params, sentence in REFUSED:
            await socket.send(request(f"app.{method}", params))
            error = (await socket.reply()).get("error", {})
            assert error.get("code") == -32602, (method, params, error)
            assert sentence in error["message"], (method, params, error)


@pytest.mark.gen_test
async def test_a_type_error_inside_the_action_is_its_own_fault(ss: Server, logs: Logs) -> None:
    async with serving(ss) as site, connect(site) as socket:
        assert (await socket.call("app.inside", 1))["error"]["code"] == -32603
        assert (await socket.call("app.inside", "1"))["error"]["code"] == -32602
    logs.take(r"app\.inside failed")


@pytest.mark.gen_test
async def test_a_param_of_thousands_of_values_is_checked_at_once(ss: Server) -> None:
    async with serving(ss) as site:
        response = await post(site, request("app.numbers", [*range(5000), "end"]))
        assert b"-32602" in response.body
