"""Middleware is found by file and function: req.use("users.known", "admin") calls known("admin")."""

import accounts


def known(*needed):
    """Lets callers pass who are logged in and have all the needed roles."""

    async def check(req, res, next):
        if req.session.user_id is None:
            return res.error(-32001, "log in first")
        req.roles = accounts.ROLES[req.session.user_id]  # for whatever comes after
        if missing := set(needed) - req.roles:
            return res.error(-32001, f"only for {', '.join(sorted(missing))}")
        return await next()

    return check
