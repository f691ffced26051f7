"""What a Tornado application knows of the server whose ``handlers()`` are in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import tornado.web
from tornado.routing import Rule, RuleRouter

from rpc_sessions.errors import ConfigError
from rpc_sessions.transport.context import Context
from rpc_sessions.types import Middleware

if TYPE_CHECKING:
    from rpc_sessions.transport.handler import RequestHandler

SETTING = "rpc_sessions"  # among those of an Application: its Context


def context_of(application: tornado.web.Application) -> Context:
    """The context whose ``handlers()`` are in the application. ConfigError if there are none."""
    context = application.settings.get(SETTING) or _find(application.default_router.rules)
    if context is None:
        raise ConfigError("rpc_sessions.RequestHandler needs *ss.handlers() in the same Application")
    application.settings[SETTING] = context
    assert isinstance(context, Context)
    return context


def _find(rules: Sequence[Rule]) -> Context | None:
    for rule in rules:
        context = (rule.target_kwargs or {}).get("context")
        found = context if isinstance(context, Context) else None
        if found is None and isinstance(rule.target, RuleRouter):
            found = _find(rule.target.rules)
        if found is not None:
            return found
    return None


def layers_of(
    application: tornado.web.Application, context: Context, handler: type[RequestHandler]
) -> tuple[Middleware, ...]:
    """The layers of a handler class, made once an application."""
    made: dict[type[RequestHandler], tuple[Middleware, ...]] = application.settings.setdefault(SETTING + ".layers", {})
    if handler not in made:
        made[handler] = context.layers(handler.use)
    return made[handler]
