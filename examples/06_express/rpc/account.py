"""account.login, account.logout, account.whoami. With a password: examples/03_login_with_middleware."""


def actions(req, res, ss):
    req.use("session")

    async def login(name: str):
        """Log in. The session gets a new id, and the page a new cookie: Express sees both."""
        await req.session.set_user_id(name)

    async def logout():
        """Log out, and keep what else is in the session."""
        await req.session.set_user_id(None)

    async def whoami():
        """The user's name, or null."""
        return req.session.user_id

    return login, logout, whoami
