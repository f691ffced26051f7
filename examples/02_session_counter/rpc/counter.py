"""counter.read, counter.increment."""


def add_one(session):
    session["count"] = session.get("count", 0) + 1
    return session["count"]


def actions(req, res, ss):
    req.use("session")  # without this line no session is read

    async def read():
        """The count."""
        return req.session.get("count", 0)

    async def increment():
        """One more. mutate() reads, changes and writes as one step: of parallel calls none is lost."""
        count = await req.session.mutate(add_one)
        ss.publish.session(req.session.id, "count", count)  # as after a count over HTTP
        return count

    return read, increment
