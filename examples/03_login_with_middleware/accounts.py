"""Who there is. A real application asks its database, and keeps a salt for each user."""

import hmac
from hashlib import scrypt


def _hash(password: str) -> bytes:
    return scrypt(password.encode(), salt=b"rpc_sessions example", n=2**14, r=8, p=1)


PASSWORDS = {"ada": _hash("lovelace"), "bob": _hash("builder")}
ROLES: dict[str, set[str]] = {"ada": {"admin"}, "bob": set()}


def check(name: str, password: str) -> bool:
    """Whether name and password belong together. Slow, as it should be: call it in a thread."""
    return hmac.compare_digest(_hash(password), PASSWORDS.get(name, b""))
