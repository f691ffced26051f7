"""Clients from npm that nobody here wrote. Each script asserts by itself; it ends with 0 if all is well."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.apps import MakeServer, serving
from tests.clients.application import APPLICATION
from tests.logs import Logs
from tests.requirements import needs, needs_npm

HERE = Path(__file__).parent


@pytest.mark.parametrize("client", ["rpc-websockets", "json-rpc-2.0"])
@pytest.mark.gen_test
async def test_a_client_from_npm(client: str, make_server: MakeServer, logs: Logs) -> None:
    folder = needs_npm(client)
    script = HERE / f"{client}.mjs"
    ss = make_server(APPLICATION)
    async with serving(ss) as site:
        process = await asyncio.create_subprocess_exec(
            needs("node"), script, site.ws, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
    assert process.returncode == 0, output.decode()
    assert output.decode().strip() == f"{client}: all is well"
    logs.take("app.boom failed")
