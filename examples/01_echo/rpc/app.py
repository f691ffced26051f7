"""The file's name and the function's name make the method's: app.echo, app.add."""


def actions(req, res, ss):
    async def echo(text: str):
        """What it was given."""
        return text

    async def add(a: float, b: float = 1):
        """The sum. Params are checked by their annotations: app.add("1") is answered -32602."""
        return a + b

    return echo, add
