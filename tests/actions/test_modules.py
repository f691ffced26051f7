"""Action modules: where they are found, what they are called, and what of them can be called."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpc_sessions import ConfigError, RPCError, Server
from tests.apps import ECHO, MakeServer, write_app


async def code(ss: Server, method: str) -> int | None:
    """The code of the error that a method answers with."""
    try:
        await ss.rpc(method)
    except RPCError as error:
        return error.code
    return None


MODULES = {
    "rpc/app.py": """
        from datetime import timedelta   # what a module imports cannot be called

        async def not_returned():
            return "a secret"

        async def _helper():
            return "helped"

        class Service:
            async def method(self):
                return "of an object"

        def actions(req, res, ss):
            async def first():
                return await _helper()
            async def second():
                return "second"
            return first, second, Service().method
    """,
    "rpc/admin/user.py": """
        def actions(req, res, ss):
            async def check(name):
                return f"{name} is fine"
            return {"check": check, "check_again": check}
    """,
    "rpc/admin/deep/er.py": """
        def actions(req, res, ss):
            async def only():
                return "alone"
            return only
    """,
    "rpc/lists.py": """
        def actions(req, res, ss):
            def made():
                async def generated():
                    return "by a generator"
                yield generated
            return made()
    """,
    "rpc/_private.py": "raise RuntimeError('a helper module is not imported')",
    "rpc/__init__.py": "raise RuntimeError('nor is this')",
    "rpc/_helpers/tool.py": "raise RuntimeError('nor that')",
    "rpc/notes.txt": "no module",
}


@pytest.mark.gen_test
async def test_a_method_is_called_by_folder_file_and_name(make_server: MakeServer) -> None:
    ss = make_server(MODULES)
    assert await ss.rpc("app.first") == "helped"
    assert await ss.rpc("app.second") == "second"
    assert await ss.rpc("app.method") == "of an object"
    assert await ss.rpc("admin.user.check", "ann") == "ann is fine"
    assert await ss.rpc("admin.user.check_again", "ann") == "ann is fine"
    assert await ss.rpc("admin.deep.er.only") == "alone"
    assert await ss.rpc("lists.generated") == "by a generator"


@pytest.mark.parametrize(
    "method",
    [
        "app.not_returned", "app._helper", "app.helper", "app.actions", "app.timedelta", "app.Service",
        "app.__class__", "app.first.__call__", "app.first.__globals__", "app.method.__self__",
        "app", "app.", ".app.first", "app..first", "app.first.", "App.first", "app.First", " app.first", "app/first",
        "admin.user", "user.check", "admin.check", "admin/user.check", "admin.deep.only",
        "_private.actions", "__init__.actions", "_helpers.tool.actions", "rpc.app.first", "", "\x00",
        "rpc.session", "rpc.", "rpc", "rpc.cancel.x",
    ],
)  # fmt: skip
@pytest.mark.gen_test
async def test_nothing_else_is_a_method(method: str, make_server: MakeServer) -> None:
    assert await code(make_server(MODULES), method) == -32601


@pytest.mark.gen_test
async def test_use_path_adds_a_folder(make_server: MakeServer, tmp_path: Path) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    extra = {
        "rpc/extra.py": """
            def actions(req, res, ss):
                req.use("shared.tag")
                async def tagged():
                    return req.tag
                return [tagged]
        """,
        "middleware/shared.py": """
            def tag():
                async def tag(req, res, next):
                    req.tag = "from the other folder"
                    await next()
                return tag
        """,
    }
    ss.use_path(write_app(tmp_path / "extra", extra))
    assert await ss.rpc("app.echo", 1) == 1
    assert await ss.rpc("extra.tagged") == "from the other folder"


def test_use_path_refuses_what_is_no_folder_and_what_exists_twice(make_server: MakeServer, tmp_path: Path) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    with pytest.raises(ConfigError, match="nowhere is not a folder"):
        ss.use_path(tmp_path / "nowhere")
    ss.use_path(str(write_app(tmp_path / "extra", {"rpc/app.py": ECHO})))
    with pytest.raises(ConfigError, match=r"app\.echo exists in another folder too"):
        ss.handlers()


def test_a_server_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing is not a folder"):
        Server(tmp_path / "missing")
    with pytest.raises(ConfigError, match="is not a folder"):
        Server(__file__)


@pytest.mark.gen_test
async def test_a_folder_without_modules_serves_no_method(make_server: MakeServer) -> None:
    assert await code(make_server({}), "app.echo") == -32601


@pytest.mark.gen_test
async def test_two_servers_with_modules_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    servers = []
    for name in ("one", "two"):
        module = f"def actions(req, res, ss):\n    async def who(): return {name!r}\n    return [who]\n"
        servers.append(Server(write_app(tmp_path / name, {"rpc/app.py": module})))
    assert [await ss.rpc("app.who") for ss in servers] == ["one", "two"]


@pytest.mark.gen_test
async def test_ss_and_its_api_reach_the_actions(make_server: MakeServer) -> None:
    ss = make_server(
        {
            "rpc/app.py": """
                def actions(req, res, ss):
                    async def add(number):
                        ss.api.numbers.append(number)
                        return [ss.api.numbers, str(ss.root.name)]
                    return [add]
            """
        }
    )
    ss.api.numbers = [1]
    assert await ss.rpc("app.add", 2) == [[1, 2], "app"]
