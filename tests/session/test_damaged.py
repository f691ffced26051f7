"""A record that is damaged in the store is reported, and never taken for an empty session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rpc_sessions import RPCError
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs

APP = """
    def actions(req, res, ss):
        req.use("session")

        async def put(value):
            req.session["a"] = value

        async def get():
            return dict(req.session)

        return [put, get]
"""


@pytest.mark.gen_test
@pytest.mark.parametrize("data", ['{"a": 1', "[1]", ""])
async def test_damaged_data_is_the_stores_fault_and_stays(make_server: MakeServer, logs: Logs, data: str) -> None:
    ss, store = make_server({"rpc/app.py": APP}), MemoryStore()
    ss.session.store.use(store)
    async with serving(ss) as site:
        browser = Browser(site)
        await browser.rpc("app.put", 1)
        (key,) = [key async for key in store.keys()]  # noqa: SIM118 (a store is no dict)
        record = await store.load(key)
        assert record is not None
        damaged = replace(record, data=data, token="damaged")
        assert await store.replace(key, damaged, record)
        for method, params in (("app.get", ()), ("app.put", (2,))):
            with pytest.raises(RPCError) as raised:
                await browser.rpc(method, *params)
            assert raised.value.code == -32010
        assert await store.load(key) == damaged
    logs.take("503 POST")
