"""Server: wires sessions, actions, routes and transport together, and runs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import socket
from types import SimpleNamespace

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.routing import PathMatches, Rule

from rpc_sessions import codec, stopping
from rpc_sessions.actions import Method, load_actions
from rpc_sessions.dispatcher import Dispatcher
from rpc_sessions.errors import ConfigError, RPCError, StoreUnavailable
from rpc_sessions.hints import refuse_to_replace
from rpc_sessions.live.publish import Publish
from rpc_sessions.loops import OneLoop
from rpc_sessions.middleware import MiddlewareRegistry, debug
from rpc_sessions.options import Options
from rpc_sessions.processes import Parent, bind, fork, loop_factory, stop_event, stop_listening, stops_held
from rpc_sessions.request import Peer
from rpc_sessions.session.session import Session
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.transport.application import SETTING
from rpc_sessions.transport.builtin import builtin_methods, builtin_rules
from rpc_sessions.transport.choice import check_transport
from rpc_sessions.transport.context import Context
from rpc_sessions.transport.fast_http import FastHTTPServer
from rpc_sessions.transport.routes import HTTP
from rpc_sessions.transport.websocket import Connection
from rpc_sessions.types import JSON, Seconds, seconds

_INSTEAD = {
    "options": "its members, as ss.options.call_deadline = 60",
    "session": 'its members, as ss.session.options.max_age = 3600, or ss.session.store.use("file", path="sessions")',
    "http": '@ss.http.route("/path") above a function',
    "publish": 'ss.publish.all("event") to send one',
}


class Server:
    """An application: the folder that holds ``rpc/``, ``middleware/`` and ``static/``.

    session: options and store of the sessions. http: routes. publish: events to clients. api: a
    namespace of your own, to hand services to actions. log: the logger. options: limits and times.
    """

    def __init__(self, root: str | Path) -> None:
        """ConfigError if the folder does not exist."""
        self.root = Path(root).absolute()
        self.options = Options()
        self.session = Sessions()
        self.http = HTTP()
        self.api = SimpleNamespace()
        self.log = logging.getLogger("rpc_sessions")
        self._folders: list[Path] = []
        self._context: Context | None = None
        self._connections: dict[str, Connection] = {}
        self._server: HTTPServer | FastHTTPServer | None = None
        self._hurry = asyncio.Event()
        self._told: asyncio.Event | None = None  # to end ``run``
        self._stopping: asyncio.Task[None] | None = None
        self._loop = OneLoop()
        self.publish = Publish(self.session, self._connections, self.options)
        self.use_path(self.root)

    def __setattr__(self, name: str, value: object) -> None:
        refuse_to_replace(self, name, _INSTEAD)
        object.__setattr__(self, name, value)

    def use_path(self, folder: str | Path) -> None:
        """Take ``rpc/`` and ``middleware/`` of another folder too. ConfigError if it does not exist."""
        if not Path(folder).is_dir():
            raise ConfigError(f"{folder} is not a folder")
        self._folders.append(Path(folder).absolute())

    # -- what is served ----------------------------------------------------------------------------

    def handlers(self) -> list[Rule]:
        """The rules of this server, for a ``tornado.web.Application`` of your own.

        ConfigError, listing everything by file and line, if any module, route or option is wrong.
        """
        context = self._ready()
        rules = [*builtin_rules(context), *self.http.rules(context)]
        if context.uses_sessions:
            self.session.require_secret()
            self.session.store.check_config()
        return rules

    def make_app(self) -> tornado.web.Application:
        """A Tornado application: ``handlers()``, and the files of ``static/``. ConfigError as there."""
        rules = self.handlers()
        static = self.root / "static"
        if static.is_dir():
            arguments = {"path": str(static), "default_filename": "index.html"}
            rules.append(Rule(PathMatches(r"/(.*)"), tornado.web.StaticFileHandler, arguments))
        settings = {SETTING: self._ready(), "cross_origin_protection": True, "trusted_origins": self.options.origins}
        return tornado.web.Application(rules, **settings)  # type: ignore[arg-type]  # a list of Rule is what it takes

    def _ready(self) -> Context:
        """Load and check everything, once."""
        if self._context is None:
            check_transport(self.options.transport)
            self.session.start()
            registry, methods = self._load()
            self._context = Context(
                self.options, self.session, Dispatcher(methods, self.options), registry, self._connections
            )
            self._context.uses_sessions = any("session" in method.uses for method in methods.values())
            methods |= builtin_methods(self._context)
        return self._context

    def _load(self) -> tuple[MiddlewareRegistry, dict[str, Method]]:
        registry = MiddlewareRegistry({"debug": debug, "session": self.session.layer})
        methods: dict[str, Method] = {}
        problems: list[str] = []
        steps = [partial(registry.load, folder / "middleware") for folder in self._folders]
        steps += [partial(self._add_methods, methods, folder, registry) for folder in self._folders]
        for step in steps:
            try:
                step()
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)
        return registry, methods

    def _add_methods(self, methods: dict[str, Method], folder: Path, registry: MiddlewareRegistry) -> None:
        found = load_actions(folder / "rpc", registry, self)
        if twice := methods.keys() & found.keys():
            raise ConfigError(f"{folder}: {', '.join(sorted(twice))} exists in another folder too")
        methods |= found

    async def rpc(self, method: str, *params: object, session: Session | str | None = None) -> JSON:
        """Call an action in this process, through the same dispatcher. For tests and jobs.

        params: what JSON can hold. session: a Session or a session id. Returns the result; raises
        RPCError with the code of the error answer, and RuntimeError in a thread beside that of the server.
        """
        self._loop.enter("ss.rpc(...)")
        context = self._ready()
        peer = Peer()
        if session is not None:
            peer.claim = session.claim if isinstance(session, Session) else self.session.claim_of(session)
        text = codec.encode({"jsonrpc": "2.0", "method": method, "params": params, "id": 0})
        answer = codec.decode(await context.dispatcher.answer(text, peer) or b"")
        assert isinstance(answer, dict)
        if isinstance(error := answer.get("error"), dict):
            raise RPCError(error["code"], error["message"], error.get("data"))  # type: ignore[arg-type]  # our own reply
        return answer["result"]

    # -- its life ----------------------------------------------------------------------------------

    def run(self, host: str = "127.0.0.1", port: int = 3000, processes: int = 1) -> None:
        """Serve until SIGTERM or Ctrl-C, then drain; a second Ctrl-C cuts that short.

        processes: fork that many servers, on one port.
        If anything is wrong with the application, several processes cannot share its store, or the port is taken,
        that is a message on stderr and SystemExit(1). ``start`` raises instead.
        """
        try:
            self._check(processes)
            with stops_held() as ready:  # who sees the port open can end us in good order, however early
                sockets = self._bind(host, port)
                parent = fork(processes, sockets, ready) if processes > 1 else None
                with asyncio.Runner(loop_factory=loop_factory()) as runner:
                    runner.run(self._serve(sockets, parent, ready))
        except ConfigError as error:
            raise SystemExit(f"rpc_sessions: {error}") from error

    def _check(self, processes: int) -> None:
        """Whether so many processes can serve this application; and have somebody hear of it."""
        if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
            raise ConfigError(f"processes is a whole number from 1, not {processes!r}")
        if not logging.getLogger().handlers:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        if processes > 1:
            self._check_shareable()
        self.handlers()  # what is wrong with a route is said now, not by each process

    def _bind(self, host: str, port: int) -> list[socket]:
        try:
            return bind(host, port)
        except OSError as error:
            place = f"{host}:{port} (host and port of ss.run)"
            raise ConfigError(f"cannot listen on {place}: {error.strerror}") from error

    def _check_shareable(self) -> None:
        context = self._ready()
        self.http.rules(context)  # routes use sessions, too
        if context.uses_sessions:
            self.session.require_secret(must=True)
        if not getattr(self.session.store.current, "forks", True):
            raise ConfigError(
                "a client does not survive a fork: give the store a uri, or a function that makes the client"
            )
        if self.session.store.name == "memory":
            self.log.warning("the memory store is not shared: each process has sessions of its own")

    async def _serve(self, sockets: list[socket], parent: Parent | None, ready: Callable[[], None]) -> None:
        """ready: called as soon as signals are listened to."""
        self._loop.enter("ss.start()")
        self._hurry.clear()
        self._told, loop = stop_event(parent, self._hurry.set), asyncio.get_running_loop()
        ready()
        await self._listen(sockets)
        host, port = sockets[0].getsockname()[:2]
        methods = sum(not name.startswith("rpc.") for name in self._ready().dispatcher.methods)
        made_by = type(loop).__module__.split(".")[0]
        self.log.info(
            "serving %d methods on http://%s:%d with the %s store, on %s",
            *(methods, f"[{host}]" if ":" in host else host, port, self.session.store.name, made_by),
        )
        checking = loop.create_task(self._check_store())  # beside: a store that hangs must not keep us from stopping
        await self._told.wait()
        checking.cancel()
        running = self._ready().dispatcher.running
        self.log.info("stopping: up to %g s for %d running calls", seconds(self.options.drain), running)
        await self.stop()
        self.log.info("stopped")
        stop_listening()

    async def _check_store(self) -> None:
        """Say it now if the store is away, not at the first visit. The server serves all the same: it may come back."""
        if self._ready().uses_sessions:
            try:
                await self.session.store.check()
            except StoreUnavailable as error:
                self.log.warning("%s: %s", error, error.cause)

    async def start(self, host: str = "127.0.0.1", port: int = 3000) -> int:
        """Serve in the running loop. The port, which the system chose if ``port`` is 0. ConfigError as ``run``."""
        self._loop.enter("ss.start()")
        self.handlers()  # what is wrong is said before a port is taken
        sockets = bind(host, port)
        await self._listen(sockets)
        bound: int = sockets[0].getsockname()[1]
        return bound

    async def _listen(self, sockets: list[socket]) -> None:
        server = HTTPServer(self.make_app(), max_body_size=self.options.body_limit)
        if self.options.transport == "tornado":
            self._server = server
            server.add_sockets(sockets)
        else:
            self._server = FastHTTPServer(server)
            await self._server.listen(sockets)
        self._ready().dispatcher.draining = False
        self._ready().timers.start(self._ready())

    async def stop(self, drain: Seconds | None = None) -> None:
        """Take no new calls, let those under way finish and be answered, close sockets with 1001, let go. ``run`` ends.

        drain: how long running calls may take; by default ``options.drain``. What is not done then is cancelled.
        In a call, a route or a RequestHandler of this library it only begins, and goes on beside: that call is still
        answered. It has a second for that, whatever ``drain`` says. Of several processes, only this one stops.
        Handlers that are Tornado's own, mounted or of static files, are not waited for.
        """
        self._loop.enter("ss.stop()")
        context, span = self._ready(), seconds(self.options.drain if drain is None else drain)
        context.dispatcher.draining = True
        if await stopping.is_within(context):
            self._stopping = asyncio.create_task(self._stop(context, max(span, stopping.LEAST)))
        else:
            await self._stop(context, span)

    async def _stop(self, context: Context, span: float) -> None:
        await stopping.stop(context, self._server, span, self._hurry)
        if self._told:
            self._told.set()
