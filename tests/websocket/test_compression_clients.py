"""Compression with the clients that users have: a browser, and ws from npm."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import async_playwright

from rpc_sessions import Server
from tests.apps import ECHO, MakeServer, serving
from tests.requirements import needs, needs_npm
from tests.websocket.transports import ANY_TRANSPORT

pytestmark = ANY_TRANSPORT

# Calls of several sizes, one after the other. What was agreed on, and whether all came back.
CALLS = """
    async (socket) => {
      await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
      const back = [];
      for (const size of [0, 10, 1000, 2000, 50000, 2000]) {
        const text = ("é€" + Math.random()).repeat(size).slice(0, size);
        const reply = new Promise((resolve) => { socket.onmessage = (event) => resolve(JSON.parse(event.data)); });
        socket.send(JSON.stringify({ jsonrpc: "2.0", method: "app.echo", params: [text], id: size }));
        back.push((await reply).result === text);
      }
      socket.close();
      return { extensions: socket.extensions, back };
    }
"""
NODE = """
    import { createRequire } from "node:module";
    const WebSocket = createRequire(`${process.cwd()}/`)("ws");
    const [url, options] = process.argv.slice(1);
    console.log(JSON.stringify(await (%s)(new WebSocket(url, JSON.parse(options)))));
"""


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": ECHO, "static/index.html": "<p>"}, compression=True)


@pytest.mark.gen_test
async def test_a_browser(ss: Server) -> None:
    chromium = needs("chromium")
    async with serving(ss) as site, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(site.url)
        found = await page.evaluate(f"() => ({CALLS})(new WebSocket({json.dumps(site.ws)}))")
        await browser.close()
    assert found["extensions"].split(";")[0] == "permessage-deflate"
    assert found["back"] == [True] * 6


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"serverMaxWindowBits": 10, "clientMaxWindowBits": 10, "threshold": 0},
        {"serverNoContextTakeover": True, "clientNoContextTakeover": True, "threshold": 0},
    ],
)
@pytest.mark.gen_test
async def test_ws_from_npm(options: dict[str, object], ss: Server) -> None:
    folder = needs_npm("ws")
    async with serving(ss) as site:
        arguments = ["--input-type=module", "-e", NODE % CALLS, site.ws, json.dumps({"perMessageDeflate": options})]
        process = await asyncio.create_subprocess_exec(
            needs("node"), *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    found = json.loads(output)
    assert found["extensions"] == "permessage-deflate"
    assert found["back"] == [True] * 6
