"""What a database or its driver raises, as the error of a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rpc_sessions.errors import ConfigError, StoreUnavailable


@contextmanager
def failures() -> Iterator[None]:
    """All of it is StoreUnavailable, but for a key that exists: IntegrityError."""
    from sqlalchemy.exc import IntegrityError

    try:
        yield
    except (IntegrityError, ConfigError):
        raise
    except Exception as error:  # asyncpg's own errors, while it connects, have no class that SQLAlchemy knows
        # The driver's own error where there is one: SQLAlchemy's text repeats the statement, and the session in it.
        raise StoreUnavailable from getattr(error, "orig", None) or error


@asynccontextmanager
async def in_time(patience: float) -> AsyncIterator[None]:
    """As ``failures``; and so is what takes longer than so many seconds."""
    limit = asyncio.timeout(patience)
    with failures():
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"the database did not answer within {patience:g} s") from error
            raise
