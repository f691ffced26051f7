"""visits.read, visits.forget."""


def actions(req, res, ss):
    req.use("session")

    async def read():
        """How many visits there were."""
        return req.session.get("visits", 0)

    async def forget():
        """End the session: the row is deleted."""
        await req.session.destroy()

    return read, forget
