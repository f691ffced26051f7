"""notes.add, notes.read."""


def actions(req, res, ss):
    req.use("session")

    async def add(text: str):
        """How many notes there are now."""
        req.session["notes"] = [*req.session.get("notes", []), text]
        await req.session.save()  # over WebSocket saving is explicit
        return len(req.session["notes"])

    async def read():
        """All notes."""
        return req.session.get("notes", [])

    return add, read
