"""account.login, account.logout, account.whoami."""

import asyncio

import accounts

from rpc_sessions import NotAuthorised


def actions(req, res, ss):
    req.use("session")

    async def login(name: str, password: str):
        """The user's name. A login gives the session a new id, so that nobody else can know it."""
        if not await asyncio.to_thread(accounts.check, name, password):
            raise NotAuthorised("wrong name or password")
        await req.session.set_user_id(name)
        return name

    async def logout():
        """Log out, and keep what else is in the session."""
        await req.session.set_user_id(None)

    async def whoami():
        """The user's name, or null."""
        return req.session.user_id

    return login, logout, whoami
