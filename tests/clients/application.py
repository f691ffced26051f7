"""The application that the clients call, and what each of them must see."""

from __future__ import annotations

APPLICATION = {
    "rpc/app.py": """
        import asyncio
        from rpc_sessions import RPCError

        def actions(req, res, ss):
            ss.api.notified = []

            async def echo(value):
                return value

            async def subtract(minuend: int, subtrahend: int):
                return minuend - subtrahend

            async def refuse(reason):
                raise RPCError(-32001, "not you", {"reason": reason})

            async def boom():
                raise RuntimeError("not for the client")

            async def wait(span):
                await asyncio.sleep(span)
                return f"waited {span}"

            async def note(*values):
                ss.api.notified.append(list(values))

            async def noted():
                return ss.api.notified

            async def announce(event, *params):
                return ss.publish.socket(req.socket_id, event, *params)

            return echo, subtract, refuse, boom, wait, note, noted, announce
    """,
    "rpc/visits.py": """
        def actions(req, res, ss):
            req.use("session", autosave=True)

            async def count():
                req.session["visits"] = req.session.get("visits", 0) + 1
                return req.session["visits"]

            return [count]
    """,
}
