"""What docs/writing-a-store.md says is true: its programs run, its tables are those of the code."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rpc_sessions import Record, StoreUnavailable
from rpc_sessions.cli.new import write_store
from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, MadeOnUse, Store, Watches
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.testing import StoreContract, a_key, a_record
from tests.conftest import StartProcess
from tests.examples.visitor import Visitor
from tests.processes import REPOSITORY, find_free_port
from tests.test_readme import blocks

PAGE = REPOSITORY / "docs" / "writing-a-store.md"
TEXT = PAGE.read_text()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files in a folder: a block's first line names its file. They can be imported."""
    names = [write_block(tmp_path, block) for block in blocks(TEXT, "python")]
    assert names == ["dict_store.py", "app.py", "failures.py", "listing_store.py", "test_stores.py"]
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in names:
        sys.modules.pop(name.removesuffix(".py"), None)


def write_block(folder: Path, block: str) -> str:
    first, rest = block.split("\n", 1)
    name = first.removeprefix("# ")
    (folder / name).write_text(rest)
    return name


def run(folder: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_its_stores_pass_its_tests(programs: Path) -> None:
    code, output = run(programs, "pytest", "-q", "test_stores.py")
    assert code == 0, output
    assert f"{2 * sum(name.startswith('test_') for name in dir(StoreContract))} passed" in output


def test_its_code_is_clean(programs: Path) -> None:
    for path in programs.glob("*.py"):  # without the line that names the file
        path.write_text(path.read_text().strip() + "\n")
    typed = ["dict_store.py", "failures.py", "listing_store.py", "test_stores.py"]  # an app is as its author likes
    for check in (
        ["ruff", "check", "--isolated", "--line-length=120", "--select=E,F,W,I,B,UP", "."],
        ["mypy", "--strict", f"--cache-dir={REPOSITORY / '.mypy_cache'}", *typed],
    ):
        code, output = run(programs, *check)
        assert code == 0, output


def test_its_application_runs(programs: Path, start_process: StartProcess) -> None:
    port = find_free_port()
    (programs / "app.py").write_text((programs / "app.py").read_text().replace("3000", str(port)))
    server = start_process(["app.py"], port, cwd=programs)
    visitor = Visitor(server.url)
    assert [visitor.get("/visit").json["visits"] for _ in range(3)] == [1, 2, 3]
    server.stop()  # now its log is whole
    assert "with the DictStore store" in server.output


def test_its_failures_are_the_stores(programs: Path) -> None:
    failures = import_module("failures").failures
    with pytest.raises(StoreUnavailable) as caught, failures():
        raise ConnectionRefusedError("nobody listens")
    assert caught.value.cause == "nobody listens"
    with pytest.raises(KeyError), failures():
        raise KeyError("a mistake")


@pytest.mark.gen_test
async def test_its_watch_tells_what_happens(programs: Path) -> None:
    store: Any = import_module("listing_store").ListingStore()
    assert all(isinstance(store, kind) for kind in (Watches, FindsByUser, ListsKeys))
    key, record = a_key(), a_record()
    async with aclosing(store.watch()) as told, aclosing(store.watch()) as other:
        assert await anext(told) is await anext(other) is None
        await store.insert(key, record)
        await store.touch(key, record.expires)
        await store.replace(a_key(), record, record)
        await store.replace(key, record, record)
        await store.delete(key)
        for watch in (told, other):
            assert [await anext(watch) for _ in range(3)] == [key] * 3
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(told), 0.05)
    assert store.watchers == set()


def test_the_entry_point_is_the_scaffolds(tmp_path: Path) -> None:
    (block,) = blocks(TEXT, "toml")
    assert block in (write_store("my_db", tmp_path) / "pyproject.toml").read_text()


def rows(heading: str) -> list[str]:
    """The first cell of each row of the table whose header begins so."""
    table = TEXT.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip(" `") for line in table.splitlines()[2:]]


def methods(*protocols: type) -> set[str]:
    return {name for protocol in protocols for name in vars(protocol) if not name.startswith("_")}


def test_the_tables_are_those_of_the_code() -> None:
    assert [row.split(":")[0] for row in rows("field")] == [field.name for field in fields(Record)]
    required, optional = re.findall(r"\n\| method \|.*?\n\n", TEXT, re.DOTALL)
    for table, protocols in ((required, [Store]), (optional, [FindsByUser, ListsKeys, MadeOnUse, Watches])):
        assert set(re.findall(r"^\| `(\w+)\(", table, re.MULTILINE)) == methods(*protocols)
    attributes = [row.split(" = ")[0] for row in rows("attribute")]
    assert attributes == ["forks", "sweeps_itself", "shared", "plain_ids"]


def test_the_attributes_are_asked_for(programs: Path) -> None:
    class Marked(import_module("dict_store").DictStore):  # type: ignore[misc]  # a class that was just written
        shared, plain_ids, sweeps_itself = False, True, True

    choice = StoreChoice()
    choice.use(Marked())
    assert (choice.shared, choice.plain_ids, choice.sweeps_itself) == (False, True, True)
    choice.use(import_module("dict_store").DictStore())
    assert (choice.shared, choice.plain_ids, choice.sweeps_itself) == (True, False, False)


def test_links_lead_somewhere() -> None:
    links = [link.split("#") for link in re.findall(r"\]\(([^)]+)\)", TEXT)]
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    for path, *anchor in links:
        assert (PAGE.parent / path).exists()
        assert set(anchor) <= headings
