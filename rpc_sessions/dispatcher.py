"""From the text of a message to the text of its answer: decode, chain, action, encode.

``receive`` is for sockets: it never waits, and answers through ``peer.send``. ``answer`` is for HTTP
and for calls within the process: it waits and returns the answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import partial

from msgspec import UNSET

from rpc_sessions import protocol
from rpc_sessions.actions import Method
from rpc_sessions.answers import Answers
from rpc_sessions.batch import Batch, Item, Reply, Settled
from rpc_sessions.crew import Crew
from rpc_sessions.deadlines import Deadlines
from rpc_sessions.errors import (
    Busy,
    Cancelled,
    DeadlinePassed,
    InternalError,
    InvalidParams,
    MethodNotFound,
    RPCError,
    StoreUnavailable,
)
from rpc_sessions.options import Options
from rpc_sessions.protocol import Call, Invalid
from rpc_sessions.request import Peer, Request, Response, current_call, log
from rpc_sessions.types import seconds

SHUTTING_DOWN = "The server is shutting down"
_PATIENCE = 0.1  # seconds


class Dispatcher:
    """Runs calls. ``methods`` may be replaced while it runs; ``draining`` refuses new calls.

    started: how many calls began.
    """

    def __init__(self, methods: Mapping[str, Method], options: Options) -> None:
        self.methods = methods
        self.draining = False
        self.started = 0
        self._options = options
        self._deadline = seconds(options.call_deadline)
        self._deadlines = Deadlines(self._too_late)
        self._crew = Crew(self._run)
        self._answers = Answers(options)
        self._deliver = self._answers.send

    @property
    def failed(self) -> Counter[int]:
        """How many calls were answered with an error, by code."""
        return self._answers.failed

    @property
    def running(self) -> int:
        """How many calls are under way."""
        return len(self._deadlines)

    def runs(self, res: Response) -> bool:
        """Whether this call is under way."""
        return res in self._deadlines

    def receive(self, text: str | bytes, peer: Peer) -> None:
        """Begin the calls of one message from a socket. Whatever it holds, this raises nothing."""
        message = self._parse(text)
        if isinstance(message, list):
            Batch(self.start, message, peer, self.free, partial(self._answers.send_batch, peer)).fill()
        else:
            self.start(message, peer, peer.send)

    async def answer(self, text: str | bytes, peer: Peer) -> bytes | None:
        """The answer to one message, once all its calls have ended. None: nothing to answer."""
        message = self._parse(text)
        items = message if isinstance(message, list) else [message]
        done: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()

        def hand_over(answers: list[bytes]) -> None:
            if not done.cancelled():
                done.set_result(answers)

        Batch(self.start, items, peer, self.free, hand_over).fill()
        try:
            answers = await done
        except asyncio.CancelledError:  # nobody waits any longer
            self.hang_up(peer)
            raise
        if not answers:
            return None
        return protocol.batch_text(answers) if isinstance(message, list) else answers[0]

    def _parse(self, text: str | bytes) -> Item | list[Item]:
        try:
            return protocol.parse(text, self._options.batch_limit)
        except RPCError as error:
            return Invalid(None, error)

    def start(self, call: Item, peer: Peer, reply: Reply, settled: Settled | None = None) -> None:
        """Begin one call. ``reply`` gets its answer, if it has one; ``settled`` is called when it is over."""
        method = self.methods.get(call.method) if isinstance(call, Call) else None
        if method is None or self.draining or len(peer.running) >= self._options.calls_in_flight:
            self._refuse(call, peer, reply)
            if settled:
                settled()
            return
        assert isinstance(call, Call)
        id = call.id
        req = Request(peer, call.method, call.params, None if id is UNSET else id, id is UNSET)
        res = Response(req, self._deliver, reply, settled)
        self.started += 1
        self._crew.begin(method, res)
        if res.task is not None:
            self._watch(res)

    def _watch(self, res: Response) -> None:
        """The call waits for something: it can be cancelled now, and come too late."""
        peer = res.request.peer
        peer.running.add(res)
        self._deadlines.add(res, self._deadline)
        if peer.gone:  # by the call's first step
            res.answered = True
            self._stop(res)

    def _refuse(self, call: Item, peer: Peer, reply: Reply) -> None:
        refusal = self._refusal(call, peer)
        if isinstance(call, Invalid) or not call.notification:
            reply(refusal)

    def _refusal(self, call: Item, peer: Peer) -> bytes:
        """The answer to what needs no running: an invalid call, one too many, ``rpc.cancel``."""
        if isinstance(call, Invalid):
            return self._answers.error(call.error, call.id)
        if call.method == "rpc.cancel":
            return self._cancel(call, peer)
        if call.method not in self.methods:
            return self._answers.error(MethodNotFound(), call.answer_id)
        return self._answers.error(Busy(SHUTTING_DOWN) if self.draining else Busy(), call.answer_id)

    def free(self, peer: Peer) -> int:
        """How many more calls the peer may begin now."""
        return self._options.calls_in_flight - len(peer.running)

    async def _run(self, method: Method, res: Response) -> None:
        req = res.request
        current_call.set((req, res))
        try:
            value = await method.run(req, res)
            if not res.answered:
                res.answered, res.value = True, value  # as res(value) does
                self._deliver(res)
            elif value is not None:
                log.warning("%s returned a value after it had answered: ignored", req.method)
        except asyncio.CancelledError:
            # Ours (hang-up, deadline, rpc.cancel) has marked the response; any other is the action's own fault.
            self._failed(res, InternalError("Internal error: the action was cancelled from within"))
        except RPCError as error:
            self._failed(res, error)
        except (Exception, SystemExit) as error:  # sys.exit() ends the call, not the server
            self._failed(res, self._answers.internal(error, req))
        except BaseException as error:
            self._failed(res, self._answers.internal(error, req))
            raise
        finally:
            if res.task is not None:
                self._over(res)
            if res.settled is not None:
                res.settle()

    def _over(self, res: Response) -> None:
        """The call takes no more of anybody's time."""
        res.task = None
        res.request.peer.running.discard(res)
        self._deadlines.remove(res)

    def _stop(self, res: Response) -> None:
        """Cancel a call that has been answered, or needs no answer. Once: its cleaning up is not interrupted."""
        if res.task is not None and not res.stopped:
            res.stopped = True
            res.task.cancel()

    def _end(self, res: Response, error: RPCError) -> None:
        """Answer at once, then cancel: an action that will not be cancelled cannot keep its client waiting."""
        if not res.answered:
            res.fail(error)
        self._stop(res)
        # A batch waits for the end of the task, but not for long: the action may not let itself be cancelled. The place
        # is taken until it does.
        asyncio.get_running_loop().call_later(_PATIENCE, res.settle)

    def _failed(self, res: Response, error: RPCError) -> None:
        if isinstance(error, StoreUnavailable):
            log.warning("%s: %s: %s", res.request.method, error, error.cause)
        if not res.answered:
            res.fail(error)
            res.failure = None  # by its traceback it holds the frames that hold res

    def _too_late(self, res: Response) -> None:
        log.warning("%s passed its deadline of %g s", res.request.method, self._deadline)
        self._end(res, DeadlinePassed())

    def _cancel(self, call: Call, peer: Peer) -> bytes:
        """``rpc.cancel {"id": ...}``: true if a call with that id was under way on this connection."""
        params = call.params if isinstance(call.params, dict) else {}
        if set(params) != {"id"}:
            return self._answers.error(InvalidParams('Invalid params: rpc.cancel takes {"id": ...}'), call.answer_id)
        wanted = params["id"]
        found = [res for res in peer.running if _has_id(res.request, wanted)]
        for res in found:
            self._end(res, Cancelled())
        return protocol.result_text(bool(found), call.answer_id)

    def hang_up(self, peer: Peer) -> None:
        """The peer is gone: its calls end, unanswered."""
        peer.gone = True
        for res in list(peer.running):
            res.answered = True
            self._stop(res)

    def end_all(self) -> None:
        """The server stops: cancel what still runs, and say so to whoever waits for it."""
        for res in self._deadlines:
            self._end(res, Cancelled(SHUTTING_DOWN))

    def close(self) -> None:
        """Begin no more calls, and stop the timers. Calls still running are left to their peers."""
        self._crew.close()
        self._deadlines.close()


def _has_id(req: Request, id: object) -> bool:
    return not req.notification and type(req.id) is type(id) and req.id == id
