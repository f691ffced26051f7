"""Text on its way to a terminal, whatever it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc_sessions.cli.table import Column, table
from rpc_sessions.cli.text import cut, line_of_json, one_line, pretty_json, relative, safe, width

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner))


@given(TEXT)
def test_what_is_safe_is_printable(text: str) -> None:
    assert safe(text).isprintable()
    assert one_line(text).isprintable()
    if text.isprintable():
        assert safe(text) == text


@given(VALUES)
def test_json_is_the_same_value_and_printable(value: object) -> None:
    assert json.loads(line_of_json(value)) == json.loads(pretty_json(value)) == value
    assert line_of_json(value).isascii()
    assert line_of_json(value).isprintable()
    assert pretty_json(value).replace("\n", "").isprintable()


@given(TEXT, st.integers(1, 100))
def test_a_cut_is_as_long_as_it_may_be(text: str, columns: int) -> None:
    short = cut(safe(text), columns)
    assert width(short) <= columns
    assert len(short) <= 4 * columns + 1


def test_a_tower_of_marks_is_cut_too() -> None:
    tower = "z" + "\u0301" * 1000
    assert width(tower) == 1
    assert len(cut(tower, 10)) == 41


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5), st.integers(1, 200))
def test_a_table_fits(rows: list[tuple[str, str, str]], room: int) -> None:
    columns = [Column("FIRST", rank=0), Column("SECOND", rank=2, least=4), Column("THIRD", rank=1, least=4)]
    lines = list(table(columns, rows, room))
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert line.isprintable()
        assert width(line) <= room


def test_of_columns_that_do_not_fit_the_least_important_goes_first() -> None:
    columns = [Column("A", rank=0), Column("B", rank=2), Column("C", rank=1, least=2)]
    row = ["aaaaa", "bbbbb", "ccccc"]
    shown = {room: list(table(columns, [row], room))[1] for room in (19, 18, 16, 15, 12, 9, 8, 5, 4)}
    assert shown == {
        19: "aaaaa  bbbbb  ccccc",
        18: "aaaaa  bbbbb  ccc…",
        16: "aaaaa  bbbbb  c…",
        15: "aaaaa  ccccc",
        12: "aaaaa  ccccc",
        9: "aaaaa  c…",
        8: "aaaaa",
        5: "aaaaa",
        4: "aaa…",
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s ago"),
        (-119, "119 s ago"),
        (-120, "2 min ago"),
        (-7100, "118 min ago"),
        (7200, "in 2 h"),
        (47 * 3600, "in 47 h"),
        (30 * 86400 - 5, "in 30 d"),
        (-3650 * 86400, "3650 d ago"),
    ],
)
def test_relative_times(seconds: int, said: str) -> None:
    assert relative(NOW + timedelta(seconds=seconds), NOW) == said


def test_a_message_of_a_driver_is_one_line_of_bounded_length() -> None:
    assert one_line(" a \n\n  b\r\nc\x1b[2J\n") == r"a; b; c\x1b[2J"
    assert len(one_line("x" * 10_000)) < 600
