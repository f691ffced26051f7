"""The table of the SQL store: as SQLAlchemy describes it, as DDL to print, looked for and created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.extras import extra

if TYPE_CHECKING:
    from sqlalchemy import ExecutableDDLElement, Table
    from sqlalchemy.ext.asyncio import AsyncEngine

TABLE = "rpc_sessions"
LONGEST_USER_ID = 255


def make_table(name: str = TABLE) -> Table:
    """The table, as SQLAlchemy describes it: for migrations."""
    with extra("sql"):
        from sqlalchemy import Column, Double, Index, MetaData, String, Table, Text
        from sqlalchemy.dialects.mysql import LONGTEXT

    # MySQL: any Unicode, compared exactly, and up to 4 GB of it; its TEXT ends at 64 KB.
    options: dict[str, Any] = {
        f"{dialect}_{option}": value for dialect in ("mysql", "mariadb") for option, value in _MYSQL.items()
    }
    return Table(
        name,
        MetaData(),
        Column("key", String(64), primary_key=True),
        Column("data", Text().with_variant(LONGTEXT(), "mysql", "mariadb"), nullable=False),
        Column("created", Double, nullable=False),
        Column("expires", Double, nullable=False),
        Column("user_id", String(LONGEST_USER_ID)),
        Column("token", String(64), nullable=False),
        Index(f"{name}_expires", "expires"),
        Index(f"{name}_user_id", "user_id"),
        **options,
    )


_MYSQL = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}


def ddl(dialect: str, table: str = TABLE) -> str:
    """The SQL that creates the table and its indexes.

    dialect: "sqlite", "postgresql", "mysql" or "mariadb"; ConfigError for any other name.
    """
    made = make_table(table)
    from sqlalchemy import URL
    from sqlalchemy.exc import NoSuchModuleError
    from sqlalchemy.schema import CreateIndex, CreateTable

    try:
        sql = URL.create(dialect).get_dialect()()
    except NoSuchModuleError:
        raise ConfigError(f"no such database: {dialect!r}; there are sqlite, postgresql, mysql and mariadb") from None
    indexes = sorted(made.indexes, key=lambda index: str(index.name))
    statements: list[ExecutableDDLElement] = [CreateTable(made), *map(CreateIndex, indexes)]
    return "\n".join(f"{str(each.compile(dialect=sql)).strip()};" for each in statements) + "\n"


async def create(engine: AsyncEngine, table: Table) -> None:
    """Create the table if there is none. Several processes may try at once: one does it."""
    from sqlalchemy.exc import DBAPIError

    try:
        async with engine.begin() as connection:
            await connection.run_sync(table.metadata.create_all)
    except DBAPIError:
        if not await exists(engine, table):
            raise


async def exists(engine: AsyncEngine, table: Table) -> bool:
    """Whether the database has the table."""
    from sqlalchemy import inspect

    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).has_table(table.name))
