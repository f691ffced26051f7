"""``rpc-sessions sql``: the table of the SQL store, for whoever makes it by hand."""

from __future__ import annotations

import click

from rpc_sessions.session.stores.sql_table import TABLE
from rpc_sessions.session.stores.sql_table import ddl as ddl_of

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")


@click.group()
def sql() -> None:
    """The table of the SQL store."""


@sql.command()
@click.option("--dialect", type=click.Choice(DIALECTS), default=DIALECTS[0], show_default=True, help="The database.")
@click.option("--table", default=TABLE, show_default=True, metavar="NAME", help="The name of the table.")
def ddl(dialect: str, table: str) -> None:
    """Print the statements that create the table and its indexes.

    The store creates them itself where they are missing: this is for migrations, and where it may not.
    """
    if not table.isprintable() or not table.strip():
        raise click.BadParameter("the name of a table", param_hint="--table")
    click.echo(ddl_of(dialect, table), nl=False)
