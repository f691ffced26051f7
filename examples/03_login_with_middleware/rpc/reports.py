"""reports.read: for admins only."""


def actions(req, res, ss):
    req.use("session")
    req.use("users.known", "admin")  # runs after the session, before every action of this file

    async def read():
        """A secret."""
        return f"{req.session.user_id}, all is well"

    return {"read": read}
