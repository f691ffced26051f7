"""The HTTP side of the page. Each route has its twin among the actions, in rpc/."""

from __future__ import annotations

from rpc_sessions import HTTPRequest, HTTPResponse, RPCError, Server
from server import visit


def add_routes(ss: Server) -> None:
    """Add the routes."""

    @ss.http.route("/who", methods=["GET"])
    async def who(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
        return visit.describe(ss, req.session)

    @ss.http.route("/login", methods=["POST"])
    async def login(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
        return await visit.log_in(ss, req.session, _body(req).get("name"))

    @ss.http.route("/logout", methods=["POST"])
    async def logout(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
        return await visit.log_out(ss, req.session)

    @ss.http.route("/end", methods=["POST"])
    async def end(req: HTTPRequest, res: HTTPResponse) -> None:
        await req.session.destroy()

    @ss.http.route("/cart", methods=["POST"])
    async def cart(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
        body = _body(req)
        return await visit.change_cart(ss, req.session, body.get("item"), body.get("by", 1))


def _body(req: HTTPRequest) -> dict[str, object]:
    """The JSON object in the body. RPCError, which is a 400, if it is none."""
    value = req.json()
    if not isinstance(value, dict):
        raise RPCError(-32602, "expected a JSON object")
    return {**value}
