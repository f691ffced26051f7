"""What is wrong with an application is found when it starts, by file and line, before any call runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpc_sessions import ConfigError, Server
from tests.apps import ECHO, MakeServer, write_app

MIDDLEWARE = {
    "middleware/guard.py": """
        from functools import wraps

        def fine():
            async def check(req, res, next):
                await next()
            return check

        def needs_config(role):
            return fine()

        def raises():
            raise ValueError("no luck")

        def returns_nothing():
            pass

        def returns_sync():
            def check(req, res, next): pass
            return check

        def returns_too_few():
            async def check(req, res): pass
            return check

        async def is_async():
            return fine()

        def returns_text():
            return "check"

        def _hidden():
            return fine()

        NO_FUNCTION = 1
    """,
    "middleware/folder/deeper.py": """
        def fine():
            async def check(req, res, next):
                await next()
            return check
    """,
}
WRONG_USE: dict[object, str] = {
    "example.authenticated": "unknown middleware 'example.authenticated'; there are debug, folder.deeper.fine, guard.",
    "guard.fin": "unknown middleware 'guard.fin'",
    "guard._hidden": "unknown middleware 'guard._hidden'",
    "guard.NO_FUNCTION": "unknown middleware 'guard.NO_FUNCTION'",
    "guard.wraps": "unknown middleware 'guard.wraps'",  # imported there, not defined there
    "guard": "'guard' is a file or folder of middleware: name a function in it, as guard.function",
    "folder": "'folder' is a file or folder of middleware",
    "folder.deeper": "'folder.deeper' is a file or folder of middleware",
    "guard.raises": "middleware guard.raises raised ValueError: no luck",
    "guard.needs_config": "middleware guard.needs_config: missing a required argument",
    "guard.returns_nothing": "middleware guard.returns_nothing must return an async function (req, res, next), not",
    "guard.returns_sync": "middleware guard.returns_sync must return an async function",
    "guard.returns_too_few": "middleware guard.returns_too_few must return a function of (req, res, next)",
    "guard.is_async": "middleware guard.is_async must return an async function",
    "guard.returns_text": "middleware guard.returns_text must return an async function",
    "": "unknown middleware ''",
    None: "unknown middleware None",
    5: "unknown middleware 5",
    b"session": "unknown middleware b'session'",
    ("guard.fine",): "unknown middleware ('guard.fine',)",
}


def problems(ss: Server) -> list[str]:
    """What the server says instead of starting: file names without their folders."""
    with pytest.raises(ConfigError) as caught:
        ss.handlers()
    with pytest.raises(ConfigError):
        ss.make_app()  # it does not start at the second try, either
    root = f"{ss.root.absolute()}/"
    assert all(problem.startswith(root) for problem in caught.value.problems), caught.value
    return [problem.removeprefix(root) for problem in caught.value.problems]


UNHASHABLE: list[tuple[object, str]] = [
    (["guard.fine"], "unknown middleware ['guard.fine']"),
    ({"name": "guard.fine"}, "unknown middleware {'name': 'guard.fine'}"),
]


@pytest.mark.parametrize(("name", "sentence"), [*WRONG_USE.items(), *UNHASHABLE], ids=str)
def test_a_wrong_use_is_found_at_its_line(name: object, sentence: str, make_server: MakeServer) -> None:
    module = f"""
        def actions(req, res, ss):
            req.use("guard.fine")
            req.use({name!r})
            async def act(): pass
            return [act]
    """
    (problem,) = problems(make_server({**MIDDLEWARE, "rpc/admin/app.py": module}))
    assert problem.startswith(f"rpc/admin/app.py:4: {sentence}")


WRONG_MODULES = {
    "no actions": ("x = 1", "1: defines no function actions(req, res, ss)"),
    "actions is no function": ("actions = []", "1: defines no function actions"),
    "an empty file": ("", "1: defines no function actions"),
    "a syntax error": ("def actions(req, res, ss):\n    return (\n", "2: SyntaxError: '(' was never closed"),
    "an indentation error": ("def actions(req, res, ss):\nreturn 1", "2: SyntaxError: expected an indented block"),
    "an import that fails": ("\nimport no_such_module_at_all", "2: ModuleNotFoundError: No module named"),
    "a module that raises": ("x = 1\ny = 1 / 0", "2: ZeroDivisionError"),
    "actions raises": ("def actions(req, res, ss):\n    return missing", "2: NameError: name 'missing'"),
    "actions takes nothing": ("def actions():\n    return []", "1: TypeError: actions() takes 0 positional"),
    "actions is async": ("async def actions(req, res, ss):\n    return []", "1: actions is no async function"),
    "it returns nothing": ("def actions(req, res, ss):\n    pass", "1: actions must return functions"),
    "it returns a number": ("def actions(req, res, ss):\n    return 5", "1: actions must return functions"),
    "it returns names": ("def actions(req, res, ss):\n    return ['a']", "1: 'a' is not an async function"),
    "it returns a text": ("def actions(req, res, ss):\n    return 'a'", "1: 'a' is not an async function"),
    "a generator that raises": ("def actions(req, res, ss):\n    yield 1 / 0", "2: ZeroDivisionError"),
    "a sync action": ("def actions(req, res, ss):\n    def act(): pass\n    return [act]", "2: 'act' is not an async"),
    "an async generator": (
        "def actions(req, res, ss):\n    async def act(): yield\n    return [act]", "2: 'act' is not an async"),
    "a private action": (
        "def actions(req, res, ss):\n    async def _act(): pass\n    return [_act]",
        "2: '_act' cannot be the name of an action",
    ),
    "a lambda's name": (
        "import asyncio\ndef actions(req, res, ss):\n    async def a(): pass\n    return {'a b': a, '': a, 5: a}",
        "3: 'a b' cannot be the name of an action",
    ),
    "a dotted name": (
        "def actions(req, res, ss):\n    async def a(): pass\n    return {'a.b': a}", "2: 'a.b' cannot be the name"),
    "a name twice": (
        "def actions(req, res, ss):\n    async def a(): pass\n    return [a, a]", "2: a is returned twice"),
    "an annotation that cannot be resolved": (
        "from __future__ import annotations\ndef actions(req, res, ss):\n    async def a(x: Nope): 1\n    return [a]",
        "3: the annotations of app.a cannot be checked: name 'Nope' is not defined",
    ),
    "an annotation that cannot be checked": (
        "def actions(req, res, ss):\n    async def a(x: dict[tuple, 1]): pass\n    return [a]",
        "2: the annotations of app.a cannot be checked",
    ),
    "req.session while it starts": (
        "def actions(req, res, ss):\n    req.session['a'] = 1\n    return []",
        "2: RuntimeError: no call is running: only an action can ask for 'session'",
    ),
    "setting on req while it starts": (
        "def actions(req, res, ss):\n    req.user = 1\n    return []", "2: RuntimeError: no call is running"),
    "res while it starts": ("def actions(req, res, ss):\n    res(1)\n    return []", "2: RuntimeError: no call"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "sentence"), WRONG_MODULES.values(), ids=WRONG_MODULES)
def test_a_wrong_module_is_found(source: str, sentence: str, make_server: MakeServer) -> None:
    found = problems(make_server({"rpc/app.py": source}))
    assert found[0].startswith(f"rpc/app.py:{sentence}"), found


WRONG_FILES = {
    "rpc/rpc.py": "rpc/rpc.py:1: names that begin with rpc. are the protocol's own: rename the file",
    "rpc/rpc/app.py": "rpc/rpc/app.py:1: names that begin with rpc.",
    "rpc/my-app.py": "rpc/my-app.py:1: 'my-app' is no Python name: rename it",
    "rpc/a b/app.py": "rpc/a b/app.py:1: 'a b' is no Python name: rename it",
    "middleware/1st.py": "middleware/1st.py:1: '1st' is no Python name: rename it",
}


@pytest.mark.parametrize(("file", "sentence"), WRONG_FILES.items(), ids=WRONG_FILES)
def test_a_file_whose_name_is_wrong_is_found(file: str, sentence: str, make_server: MakeServer) -> None:
    (problem,) = problems(make_server({file: ECHO}))
    assert problem.startswith(sentence)


def test_all_problems_are_told_at_once(make_server: MakeServer) -> None:
    uses = """
        def actions(req, res, ss):
            req.use("guard.fin")
            req.use("guard.fine")
            req.use("guard.raises")
            async def a(): pass
            return [a]
    """
    two = "def actions(req, res, ss):\n    def b(): pass\n    async def _c(): pass\n    return [b, _c]"
    files = {**MIDDLEWARE, "rpc/one.py": uses, "rpc/two.py": two, "rpc/three.py": "1 +", "rpc/my-app.py": ECHO}
    found = [problem.split(" ")[0] for problem in problems(make_server(files))]
    assert sorted(found) == [
        "rpc/my-app.py:1:", "rpc/one.py:3:", "rpc/one.py:5:", "rpc/three.py:1:", "rpc/two.py:2:", "rpc/two.py:3:",
    ]  # fmt: skip


def test_problems_of_middleware_and_of_modules_come_together(make_server: MakeServer) -> None:
    files = {"middleware/a.py": "1 +", "middleware/b.py": "1 / 0", "rpc/app.py": "", "rpc/ok.py": ECHO}
    found = [problem.split(" ")[0] for problem in problems(make_server(files))]
    assert found == ["middleware/a.py:1:", "middleware/b.py:1:", "rpc/app.py:1:"]


def test_lines_are_right_where_the_folder_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_app(tmp_path / "app", {"rpc/app.py": "\n\n1 / 0"})
    monkeypatch.chdir(tmp_path)
    (problem,) = problems(Server("app"))
    assert problem.startswith("rpc/app.py:3: ZeroDivisionError")


@pytest.mark.gen_test
async def test_start_and_call_refuse_as_well(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": "1 +"})
    with pytest.raises(ConfigError):
        await ss.start(port=0)
    with pytest.raises(ConfigError):
        await ss.rpc("app.echo", 1)
