"""``rpc-sessions new store``: a package for a store of one's own, with the tests it has to pass."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.choice import GROUP

# What is written, below the package's folder, and from which file of scaffold/.
FILES = {
    "pyproject.toml": "pyproject.toml",
    "rpc_sessions_$name/__init__.py": "__init__.py",
    "rpc_sessions_$name/store.py": "store.py",
    "tests/test_store.py": "test_store.py",
}
_NEXT = """\
Made $folder. Install it, in the environment of your application:

    cd $quoted
    pip install -e '.[dev]'

Fill in the methods of rpc_sessions_$name/store.py, until the tests pass. They all fail now:

    pytest

Then it has a name, for your application:

    ss.session.store.use("$name")
"""
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST_NAME = 40


@click.group()
def new() -> None:
    """Start a package of your own."""


@new.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="FOLDER",
    help="Where to make the package's folder. Default: here.",
)
def store(name: str, into: Path) -> None:
    """Write a package for a session store.

    NAME is what applications will call the store. The folder rpc-sessions-NAME gets a pyproject.toml, a class with
    the methods to fill in, and its tests.
    """
    check_name(name)
    folder = write_store(name, into)
    click.echo(Template(_NEXT).substitute(name=name, folder=folder, quoted=shlex.quote(str(folder))), nl=False)


def check_name(name: str) -> None:
    """click.BadParameter for what is no name; ConfigError for the name of a store that is there."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        sentence = f"{name!r}: a name is lower-case letters, digits and single underscores, at most {_LONGEST_NAME}"
        raise click.BadParameter(sentence, param_hint="NAME")
    if name in {point.name for point in entry_points(group=GROUP)}:
        raise ConfigError(f"there is a store {name!r}: choose another name")


def write_store(name: str, into: Path) -> Path:
    """Write the package; its folder. ConfigError if that exists already, or cannot be written."""
    folder = into / f"rpc-sessions-{name}"
    names = {"name": name, "class_name": class_name(name), "version": version("rpc-sessions")}
    try:
        into.mkdir(parents=True, exist_ok=True)
        folder.mkdir()  # never one that is there: nothing is overwritten
        for target, source in FILES.items():
            path = folder / Template(target).substitute(names)
            path.parent.mkdir(exist_ok=True)
            template = files("rpc_sessions.cli") / "scaffold" / f"{source}.tmpl"
            path.write_text(Template(template.read_text()).substitute(names))
    except FileExistsError:
        raise ConfigError(f"{folder} exists: nothing was written") from None
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    return folder


def class_name(name: str) -> str:
    """``my_db`` as MyDbStore."""
    return "".join(part.capitalize() for part in name.split("_")) + "Store"
