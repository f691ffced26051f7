"""cart.add, cart.read."""


def actions(req, res, ss):
    req.use("session", autosave=True)  # saves after each action; without it, await req.session.save()

    async def add(item: str, count: int = 1):
        """The cart, with more in it."""
        cart = req.session.setdefault("cart", {})
        cart[item] = cart.get(item, 0) + count
        return cart

    async def read():
        """The cart."""
        return req.session.get("cart", {})

    return add, read
