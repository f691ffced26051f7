"""The application of ``--app``: found and imported as uvicorn does it, but nothing is served."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import click

from rpc_sessions.errors import ConfigError
from rpc_sessions.modules import explain
from rpc_sessions.server import Server

NAMES = ("ss", "make_server")  # looked for where --app names a module only

app_option = click.option(
    "--app",
    default="server.app",
    envvar="RPC_SESSIONS_APP",
    show_default=True,
    show_envvar=True,
    metavar="MODULE[:NAME]",
    help="The Server, or a function that makes it: server.app:ss, server/app.py:ss. "
    f"Without a name, {' or '.join(NAMES)}.",
)


def find_server(app: str) -> Server:
    """The Server that ``module:name`` or ``path.py:name`` is. The current directory is importable.

    click.BadParameter for what is neither; ConfigError if it cannot be imported, is not there, or is no Server.
    """
    place, colon, name = app.partition(":")
    parts = [] if place.endswith(".py") else place.split(".")
    if not all(part.isidentifier() for part in [*parts, *(name.split(".") if colon else [])]):
        raise click.BadParameter(f"{app!r} is not like server.app:ss or server/app.py:ss", param_hint="--app")
    sys.path.insert(0, str(Path.cwd()))
    with redirect_stdout(sys.stderr), _nothing_is_served(app):  # what it prints is not our output
        module = _import_file(place) if place.endswith(".py") else _import(place, place)
        found = _attribute(module, place, [name] if name else NAMES)
        if inspect.isroutine(found):
            found = _call(found, app)
    if not isinstance(found, Server):
        kind = found if isinstance(found, type) else type(found)
        raise ConfigError(f"{app} is {'a class' if kind is found else f'of type {kind.__name__}'}, not a Server")
    return found


def _import_file(place: str) -> ModuleType:
    """Import a file by the name it has now: within its package, if it is in one."""
    path = Path(place).absolute()
    if not path.is_file():
        raise ConfigError(f"there is no file {path}; --app names another")
    folder, parts = path.parent, [path.stem]
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    module = _import(".".join(parts), place)
    if not module.__file__ or not path.samefile(module.__file__):
        raise ConfigError(f"{place} cannot be imported: the name {module.__name__} is taken by {module.__file__}")
    return module


def _import(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise ConfigError(f"there is no module {name} in {Path.cwd()}; --app names another") from None
        raise ConfigError(f"{place} cannot be imported: {_explain(error)}") from error


def _attribute(module: ModuleType, place: str, names: Sequence[str]) -> object:
    for name in names:
        try:
            return attrgetter(name)(module)
        except AttributeError:
            continue
    raise ConfigError(f"{place} has no {' and no '.join(names)}; name its Server, as --app {place}:NAME")


def _call(make: Callable[[], object], app: str) -> object:
    try:
        return make()
    except Exception as error:
        raise ConfigError(f"{app} failed: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    """An error with file and line: the first file of the trace is the application's."""
    ours = (__file__, importlib.__file__, "<frozen ")
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    first = next((file for file in files if not file.startswith(ours)), "")
    return (
        explain(error, Path(first)) if first or isinstance(error, SyntaxError) else f"{type(error).__name__}: {error}"
    )


class _Serves(BaseException):
    """An application serves while it is imported. No Exception: it is not for the application to catch."""


@contextmanager
def _nothing_is_served(app: str) -> Iterator[None]:
    """``ss.run()`` at the top of a module would never come back to us."""

    def refuse(*_: object, **options: object) -> NoReturn:
        raise _Serves

    run = Server.run
    Server.run = refuse  # type: ignore[method-assign]  # for the time of the import, in a process that serves nothing
    try:
        yield
    except _Serves:
        raise ConfigError(f'{app} serves when it is imported: put run() under if __name__ == "__main__":') from None
    except SystemExit as error:
        raise ConfigError(f"{app} ends when it is imported: {error.code}") from error
    finally:
        Server.run = run  # type: ignore[method-assign]  # as above
