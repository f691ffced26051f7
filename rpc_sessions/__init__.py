"""A Tornado JSON-RPC 2.0 server whose sessions are shared by HTTP and WebSocket."""

from rpc_sessions.errors import ConfigError, NotAuthorised, RPCError, SessionGone, StoreUnavailable
from rpc_sessions.request import Request, Response
from rpc_sessions.server import Server
from rpc_sessions.session.session import Session
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.transport.handler import RequestHandler
from rpc_sessions.transport.messages import HTTPRequest, HTTPResponse

__all__ = [
    "ConfigError",
    "HTTPRequest",
    "HTTPResponse",
    "NotAuthorised",
    "RPCError",
    "Record",
    "Request",
    "RequestHandler",
    "Response",
    "Server",
    "Session",
    "SessionGone",
    "Store",
    "StoreUnavailable",
]
