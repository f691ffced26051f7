"""``rpc-sessions``: its groups of commands, and what becomes of an error."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import click

from rpc_sessions.cli.new import new
from rpc_sessions.cli.sessions import sessions
from rpc_sessions.cli.sql import sql
from rpc_sessions.cli.text import one_line
from rpc_sessions.errors import ConfigError


class Commands(click.Group):
    """A failure is one line on stderr and the exit code 1, never a traceback. Wrong usage is 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click knows what to do
        except ConfigError as error:
            raise click.ClickException(one_line(str(error))) from error
        except Exception as error:
            raise click.ClickException(one_line(f"{type(error).__name__}: {error}")) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rpc-sessions")
def commands() -> None:
    """Look after the sessions of a server, its SQL table, and stores of your own."""


for group in (sessions, sql, new):
    commands.add_command(group)


def main() -> None:
    """The entry point. Ends the process with the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character is no failure
    commands()
