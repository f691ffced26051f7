"""The direction of imports: a call goes down the layers once and comes back; no layer knows a higher one.

The modules are read, not imported. Imports inside functions count; those under ``if TYPE_CHECKING:`` do not.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "rpc_sessions"

# From the lowest to the highest. A name stands for the module and for all below it: live, live.bus.
LAYERS = [
    {"errors", "types", "hints", "tokens"},
    {"codec", "protocol", "loops", "params", "options", "request"},
    {"modules", "chain", "middleware", "actions", "answers", "batch", "crew", "deadlines", "session"},
    {"dispatcher"},
    {"live", "transport"},
    {"processes", "stopping"},
    {"server"},
    {"testing", "cli", "__main__"},
]

# Where a package that is always there may be imported.
PACKAGES = {
    "tornado": ("transport", "processes", "server"),
    "click": ("cli",),
    "picows": ("transport.picows_reader",),
}
# Where a driver may be imported, in functions only: nobody pays who does not use it.
DRIVERS = {
    "pymongo": ("session.stores.mongodb", "session.stores.mongodb_setup", "session.stores.mongodb_watch"),
    "bson": ("session.stores.mongodb", "session.stores.mongodb_express"),
    "motor": ("session.stores.mongodb_setup",),
    "redis": (
        "session.stores.redis",
        "session.stores.redis_client",
        "session.stores.redis_connection",
        "session.stores.redis_link",
        "session.stores.redis_reads",
        "session.stores.redis_watch",
        "live",
    ),
    "sqlalchemy": (
        "session.stores.sql",
        "session.stores.sql_engine",
        "session.stores.sql_failures",
        "session.stores.sql_table",
        "session.stores.postgresql_listen",
        "session.stores.postgresql_notify",
    ),
    "aiosqlite": ("session.stores.sql",),
    "asyncpg": ("session.stores.sql",),
    "asyncmy": ("session.stores.sql",),
}
PUBLIC_NAMES = 15


@dataclass(frozen=True)
class Import:
    importer: str  # dotted, without "rpc_sessions."; the package's own __init__ is ""
    target: str  # for modules of the package: the same; others: with a leading "/", as in "/tornado.web"
    where: str  # file:line
    lazy: bool  # in a function

    def __str__(self) -> str:
        target = self.target.lstrip("/") or "rpc_sessions"
        return f"{self.where}: {self.importer or '__init__'} imports {target}"


def read_package(root: Path) -> tuple[set[str], list[Import]]:
    """The modules below a package's folder, and what they import."""
    files = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if "node_modules" not in parts:
            files[".".join(parts).removesuffix("__init__").removesuffix(".")] = path
    modules = set(files)
    imports: list[Import] = []
    for module, path in files.items():
        is_package = path.name == "__init__.py"
        for node, lazy in import_nodes(ast.parse(path.read_bytes(), str(path)), lazy=False):
            where = f"{path.relative_to(root.parent)}:{node.lineno}"
            names = sorted(set(targets(node, root.name, module, is_package, modules)))
            imports += [Import(module, target, where, lazy) for target in names]
    return modules, imports


def import_nodes(node: ast.AST, lazy: bool) -> Iterator[tuple[ast.stmt | ast.Call, bool]]:
    """Every import statement and every ``import_module("...")``, with whether it is inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom) or imported_by_call(child):
            assert isinstance(child, ast.stmt | ast.Call)
            yield child, lazy
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from import_nodes(ast.Module([other], []), lazy)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from import_nodes(child, lazy or function)


def imported_by_call(node: ast.AST) -> str | None:
    match node:
        case ast.Call(
            func=ast.Name("import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(str(name)), *_],
        ):
            return name
    return None


def targets(node: ast.AST, package: str, importer: str, is_package: bool, modules: set[str]) -> Iterator[str]:
    """What one import names; ``from a import b`` is a.b where that is a module, else a."""

    def place(dotted: str) -> str:
        return "" if dotted == package else dotted.removeprefix(f"{package}.")

    def inside(dotted: str) -> bool:
        return dotted == package or dotted.startswith(f"{package}.")

    if name := imported_by_call(node):
        yield place(name) if inside(name) else f"/{name}"
    elif isinstance(node, ast.Import):
        for alias in node.names:
            yield place(alias.name) if inside(alias.name) else f"/{alias.name}"
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            here = [package, *importer.split(".")] if importer else [package]
            up = node.level - is_package
            base = ".".join([*here[: len(here) - up], *([base] if base else [])])
        if not inside(base):
            yield f"/{base}"
            return
        for alias in node.names:
            full = place(f"{base}.{alias.name}")
            yield full if full in modules else place(base)


def under(module: str, names: Sequence[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def layer(module: str) -> int | None:
    for number, names in enumerate(LAYERS):
        if under(module, sorted(names)):
            return number
    return None


def unplaced(modules: set[str], imports: list[Import]) -> list[str]:
    return [
        f"rpc_sessions.{module} is in no layer: place it in the table LAYERS of tests/test_layers.py"
        for module in sorted(modules)
        if module and layer(module) is None
    ]


def upward(modules: set[str], imports: list[Import]) -> list[str]:
    found = []
    for each in imports:
        low, high = layer(each.importer), layer(each.target)
        if each.importer and low is not None and high is not None and high > low:
            found.append(f"{each}: from layer {low} up to {high}")
    return found


def cycles(modules: set[str], imports: list[Import]) -> list[str]:
    graph = {module: {each.target for each in imports if each.importer == module} for module in modules}
    for module in graph:
        graph[module] &= modules - {module, ""}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> list[str]:
        if module in path:
            return [" -> ".join((*path[path.index(module) :], module))]
        if module in done:
            return []
        found = [cycle for target in sorted(graph[module]) for cycle in walk(target, (*path, module))]
        done.add(module)
        return found

    return [cycle for module in sorted(modules) for cycle in walk(module, ())]


def packages_elsewhere(modules: set[str], imports: list[Import]) -> list[str]:
    return [
        f"{each}: only {', '.join(places)} may"
        for each in imports
        for name, places in PACKAGES.items()
        if under(each.target, [f"/{name}"]) and not under(each.importer, places)
    ]


def drivers_elsewhere(modules: set[str], imports: list[Import]) -> list[str]:
    found = []
    for each in imports:
        name = each.target.removeprefix("/").split(".")[0]
        if each.target.startswith("/") and name in DRIVERS:
            if not under(each.importer, DRIVERS[name]):
                found.append(f"{each}: only {', '.join(DRIVERS[name])} may")
            elif not each.lazy:
                found.append(f"{each}: inside a function, please")
    return found


def session_in_dispatcher(modules: set[str], imports: list[Import]) -> list[str]:
    return [str(each) for each in imports if each.importer == "dispatcher" and under(each.target, ["session"])]


def from_the_top(modules: set[str], imports: list[Import]) -> list[str]:
    return [f"{each}: name the module instead" for each in imports if each.importer and each.target == ""]


Rule = Callable[[set[str], list[Import]], list[str]]
RULES: list[Rule] = [
    unplaced,
    upward,
    cycles,
    packages_elsewhere,
    drivers_elsewhere,
    session_in_dispatcher,
    from_the_top,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package(rule: Rule) -> None:
    violations = rule(*read_package(PACKAGE))
    assert not violations, "\n".join(violations)


def test_the_public_names_are_few() -> None:
    names: list[str] = []
    for node in ast.parse((PACKAGE / "__init__.py").read_bytes()).body:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")], value=value):
                names = ast.literal_eval(value)
    assert names, "rpc_sessions/__init__.py has no __all__"
    assert len(names) <= PUBLIC_NAMES, f"{len(names)} public names: {names}"


# The rules themselves: each must see what it is there for.
BAD: list[tuple[Rule, dict[str, str]]] = [
    (unplaced, {"novel.py": ""}),
    (upward, {"codec.py": "from rpc_sessions import server", "server.py": ""}),
    (upward, {"session/cookie.py": "def f():\n    from ..dispatcher import x", "dispatcher.py": ""}),
    (upward, {"request.py": "from .session import session", "session/session.py": ""}),
    (cycles, {"actions.py": "from . import middleware", "middleware.py": "from .actions import x"}),
    (cycles, {"codec.py": "import rpc_sessions.params", "params.py": "def f(): from .codec import x"}),
    (packages_elsewhere, {"dispatcher.py": "import tornado.web"}),
    (packages_elsewhere, {"live/bus.py": "class A:\n    from tornado import ioloop"}),
    (packages_elsewhere, {"session/devices.py": "def f():\n    import click"}),
    (drivers_elsewhere, {"session/stores/redis.py": "import redis.asyncio"}),
    (drivers_elsewhere, {"session/stores/mongodb.py": "try:\n    import pymongo\nexcept ImportError: pass"}),
    (drivers_elsewhere, {"live/bus.py": "def f():\n    import pymongo"}),
    (drivers_elsewhere, {"server.py": "def f():\n    return import_module('motor.motor_asyncio')"}),
    (session_in_dispatcher, {"dispatcher.py": "from .session import session", "session/session.py": ""}),
    (from_the_top, {"server.py": "from rpc_sessions import Server"}),
    (from_the_top, {"session/cookie.py": "from .. import Server"}),
]

GOOD = {
    "__init__.py": "from rpc_sessions.server import Server",
    "errors.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .server import Server",
    "codec.py": "import ujson\nfrom rpc_sessions import errors",
    "session/__init__.py": "from .cookie import x",
    "session/cookie.py": "from ..codec import y",
    "session/stores/mongodb_setup.py": "def f():\n    import pymongo\n    from motor.motor_asyncio import x",
    "server.py": "import tornado.web\nfrom .session import cookie",
    "cli/new.py": "import click\nfrom rpc_sessions.server import Server",
}


def write_package(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "rpc_sessions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "rpc_sessions"


@pytest.mark.parametrize(("rule", "files"), BAD)
def test_a_rule_sees_its_violation(rule: Rule, files: dict[str, str], tmp_path: Path) -> None:
    assert rule(*read_package(write_package(tmp_path, files)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_accepts_what_is_right(rule: Rule, tmp_path: Path) -> None:
    assert rule(*read_package(write_package(tmp_path, GOOD))) == []
