"""An existing Tornado application that gets JSON-RPC and sessions: a library, not a framework.

    python examples/04_plain_tornado/app.py

Then open http://127.0.0.1:3000.
"""

import asyncio
import os
import signal
from pathlib import Path

import tornado.web

import rpc_sessions

ss = rpc_sessions.Server(Path(__file__).parent)


class Home(rpc_sessions.RequestHandler):
    """A tornado.web.RequestHandler with self.req, in the same chain as a call."""

    use = ["session"]

    async def get(self):
        self.render("home.html", cart=self.req.session.get("cart", {}))

    async def delete(self):
        self.req.session.pop("cart", None)  # saved before the reply leaves
        self.set_status(204)


class About(tornado.web.RequestHandler):
    """Handlers that need no session stay as they are."""

    def get(self):
        self.write("just Tornado")


app = tornado.web.Application([*ss.handlers(), (r"/", Home), (r"/about", About)], cross_origin_protection=True)


async def main() -> None:
    server = app.listen(int(os.environ.get("PORT", 3000)), "127.0.0.1")
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await stopped.wait()
    server.stop()
    await ss.stop()  # running calls finish and are answered, then the sockets are closed


if __name__ == "__main__":
    asyncio.run(main())
