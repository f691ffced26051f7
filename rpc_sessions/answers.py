"""The texts of answers: of what a call gave, of what went wrong, and of what is too large to send."""

from __future__ import annotations

import secrets
import traceback
from collections import Counter

from rpc_sessions import protocol
from rpc_sessions.errors import InternalError, RPCError, TooLarge
from rpc_sessions.options import Options
from rpc_sessions.request import Peer, Request, Response, log
from rpc_sessions.types import JSONId


class Answers:
    """failed: how many calls were answered with an error, by code."""

    def __init__(self, options: Options) -> None:
        self.failed: Counter[int] = Counter()
        self._options = options

    def send(self, res: Response) -> None:
        """Answer a call, if it waits for an answer."""
        if res.reply is not None and not res.request.notification:
            res.reply(self._text(res))

    def _text(self, res: Response) -> bytes:
        req = res.request
        if res.failure is not None:
            return self.error(res.failure, req.id)
        try:
            text = protocol.result_text(res.value, req.id)
        except Exception as error:  # an application's own type may raise anything while it is written
            return self.error(self.internal(error, req), req.id)
        if 0 < req.peer.reply_limit < len(text):
            return self._too_large(text, req.method, req.id)
        return text

    def send_batch(self, peer: Peer, answers: list[bytes]) -> None:
        """Answer a batch; none of it may have waited for an answer."""
        if answers:
            text = protocol.batch_text(answers)
            peer.send(self._too_large(text, "a batch", None) if 0 < peer.reply_limit < len(text) else text)

    def _too_large(self, text: bytes, what: str, id: JSONId) -> bytes:
        """Instead of a text that is over the limit: sent, its client would be taken for a slow consumer."""
        log.warning("%s: the reply of %d bytes is over send_queue", what, len(text))
        return self.error(TooLarge("Reply too large"), id)

    def error(self, error: RPCError, id: JSONId) -> bytes:
        """The text of an error answer, counted."""
        self.failed[error.code] += 1
        return protocol.error_text(error, id)

    def internal(self, error: BaseException, req: Request) -> InternalError:
        """What the client is told of an unforeseen error: an id to look up in the log, and no more."""
        correlation = secrets.token_hex(8)
        log.error("%s failed [%s]", req.method, correlation, exc_info=error)
        data = {"id": correlation}
        if self._options.debug:
            data["trace"] = "".join(traceback.format_exception(error))
        return InternalError(data=data)
