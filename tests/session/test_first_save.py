"""A session that is stored for the first time, and what a call does to it after that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.session.steps import Way, every_way, session_server


@every_way
@pytest.mark.gen_test
async def test_a_second_save_keeps_the_cookie_that_express_is_to_set(
    make_server: MakeServer, tmp_path: Path, way: Way
) -> None:
    folder = tmp_path / "sessions"

    def stored() -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in folder.glob("*.json")]

    async def save_twice(session: Session) -> None:
        session["a"] = 1
        await session.save()
        first = [values["cookie"] for values in stored() if "a" in values]
        assert not session.changed
        session["b"] = 2
        await session.save()
        again = [values["cookie"] for values in stored() if "b" in values]
        assert [cookie["sameSite"] for cookie in first + again] == ["strict"] * 2  # type: ignore[index]  # an object

    ss = session_server(make_server)
    ss.session.store.use("file", path=str(folder), layout="express")
    ss.session.options.cookie.same_site = "Strict"
    async with serving(ss) as site, way(site) as do:
        await do(save_twice)
