"""``rpc-sessions sessions``: list, show, end and sweep the sessions in an application's store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from shutil import get_terminal_size

import click

from rpc_sessions.cli import agent
from rpc_sessions.cli.application import app_option
from rpc_sessions.cli.find import by_keys, by_user
from rpc_sessions.cli.opened import with_sessions
from rpc_sessions.cli.table import Column, table
from rpc_sessions.cli.text import cut, exact, line_of_json, pretty_json, relative, safe
from rpc_sessions.errors import ConfigError
from rpc_sessions.session.devices import SessionInfo
from rpc_sessions.session.merge import Values
from rpc_sessions.session.sessions import Sessions

_SHORT_KEY = 12  # characters: enough to tell sessions apart
_SHORT_USER = 32  # columns
_MANY = 100  # sessions in a table, unless --limit says otherwise
_NO_TERMINAL = (10_000, 24)  # nothing is cut in a file or a pipe
_COLUMNS = (
    Column("KEY", rank=0),
    Column("USER", rank=1, least=8),
    Column("CREATED", rank=4),
    Column("LAST SEEN", rank=2),
    Column("EXPIRES", rank=3),
    Column("CLIENT", rank=5, least=12),
)

json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON with whole keys and ISO times.")


@click.group()
def sessions() -> None:
    """The sessions in the store of an application."""


# -- list -------------------------------------------------------------------------------------------


@sessions.command("list")
@app_option
@click.option("--user", metavar="ID", help="Of this user only.")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help=f"At most N, 0: all. Default: {_MANY}; JSON: all."
)
@click.option("--full", is_flag=True, help="Whole keys, user ids and User-Agents.")
@json_option
def list_(app: str, user: str | None, limit: int | None, full: bool, as_json: bool) -> None:
    """List sessions, the last used first. With --json one object a line."""
    found = with_sessions(app, lambda sessions: by_user(sessions, user))
    if limit is None:
        limit = 0 if as_json else _MANY
    shown = found[:limit] if limit else found
    for line in map(line_of_json, map(_as_json, shown)) if as_json else _as_table(shown, full):
        click.echo(line)
    if len(shown) < len(found):
        click.echo(f"{len(shown)} of {len(found)} sessions: --limit 0 lists all", err=True)


def _as_table(found: Sequence[SessionInfo], full: bool) -> Iterator[str]:
    now = datetime.now(UTC)
    rows = [_row(info, full, now) for info in found]
    return table(_COLUMNS, rows, get_terminal_size(_NO_TERMINAL).columns)


def _row(info: SessionInfo, full: bool, now: datetime) -> list[str]:
    key, user, client = info.key, safe(info.user_id or "-"), info.agent
    if not full:
        key, user, client = key[:_SHORT_KEY], cut(user, _SHORT_USER), agent.short(client)
    times = (relative(at, now) for at in (info.created, info.seen, info.expires))
    return [key, user, *times, _client(info.ip, client)]


def _client(ip: str, client: str) -> str:
    return " ".join(filter(None, (ip, client))) or "-"


def _as_json(info: SessionInfo) -> dict[str, object]:
    times = {name: getattr(info, name).isoformat(timespec="milliseconds") for name in ("created", "seen", "expires")}
    return asdict(info) | times


# -- show -------------------------------------------------------------------------------------------


@sessions.command()
@app_option
@click.argument("key")
@json_option
def show(app: str, key: str, as_json: bool) -> None:
    """Show the facts and the values of a session.

    The beginning of its KEY will do.
    """
    info, values = with_sessions(app, lambda sessions: _shown(sessions, key))
    if as_json:
        click.echo(line_of_json(_as_json(info) | {"values": values}))
        return
    for name, text in _facts(info):
        click.echo(f"{name:<9}  {safe(text)}")
    click.echo(pretty_json(values))


def _facts(info: SessionInfo) -> Iterator[tuple[str, str]]:
    now = datetime.now(UTC)
    yield from (("key", info.key), ("user", info.user_id or "-"))
    for name, at in (("created", info.created), ("last seen", info.seen), ("expires", info.expires)):
        yield name, f"{exact(at)} ({relative(at, now)})"
    yield "client", _client(info.ip, info.agent)


async def _shown(sessions: Sessions, key: str) -> tuple[SessionInfo, Values]:
    (info,) = await by_keys(sessions, [key])
    shown = await sessions.show(info.key)
    if shown is None:
        raise ConfigError(f"the session {info.key} has just ended")
    return shown


# -- end and gc -------------------------------------------------------------------------------------


@sessions.command()
@app_option
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--user", metavar="ID", help="All sessions of this user.")
@click.option("--all", "everybody", is_flag=True, help="All sessions.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def end(app: str, keys: tuple[str, ...], user: str | None, everybody: bool, yes: bool) -> None:
    """End sessions: by KEY, of a user, or all.

    The beginning of a KEY will do. Asks before it ends more than one. The server closes their open sockets.
    """
    if bool(keys) == (user is not None or everybody):
        raise click.UsageError("Give either the KEY of each session, or --user, or --all.")
    click.echo(f"Ended {_count(with_sessions(app, lambda sessions: _end(sessions, keys, user, yes)))}.")


async def _end(sessions: Sessions, keys: Sequence[str], user: str | None, yes: bool) -> int:
    found = await by_keys(sessions, keys) if keys else await by_user(sessions, user)
    if len(found) > 1 and not yes:
        whose = f" of {safe(user)}" if user is not None else ""
        click.confirm(f"End {_count(len(found))}{whose}?", abort=True, err=True)
    if user is not None:
        return await sessions.end_all(user)  # those that he began meanwhile, too
    return sum([await sessions.end(info.key) for info in found])


def _count(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"


@sessions.command()
@app_option
def gc(app: str) -> None:
    """Remove expired sessions now. Servers do so themselves, from time to time; Redis and MongoDB without them."""
    click.echo(with_sessions(app, _sweep))


async def _sweep(sessions: Sessions) -> str:
    removed = await sessions.store.current.gc(time.time())
    if sessions.store.sweeps_itself and not removed:
        return f"Nothing to do: the {sessions.store.name} store removes expired sessions by itself."
    return f"Removed {removed} expired {'record' if removed == 1 else 'records'}."
