"""Find and import the Python files of a folder, by path: the user's ``rpc/`` and ``middleware/``."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from zlib import crc32

from rpc_sessions.errors import ConfigError, problem


def module_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """(path, dotted name) of each module below a folder: ``admin/user.py`` is ``admin.user``.

    Files and folders that begin with ``_`` or ``.`` are left out: helpers, caches, ``__init__.py``.
    """
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if not any(part.startswith(("_", ".")) for part in parts):
            yield path, ".".join(parts)


def load_module(path: Path, name: str) -> ModuleType:
    """Import a file, by its path and dotted name. ConfigError with file and line if that fails."""
    if bad := [part for part in name.split(".") if not part.isidentifier()]:
        raise ConfigError(problem(path, 1, f"{bad[0]!r} is no Python name: rename it"))
    # Registered in sys.modules, as dataclasses and pickling tools expect; the path keeps two applications apart.
    unique = f"rpc_sessions_app_{crc32(bytes(path.resolve())):08x}.{name}"
    spec = importlib.util.spec_from_file_location(unique, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[unique]
        raise ConfigError(explain(error, path)) from error
    return module


def explain(error: Exception, path: Path) -> str:
    """An exception as ``file:line: sentence``; the line is the last one of the trace within the file."""
    if isinstance(error, SyntaxError):
        return problem(error.filename or path, error.lineno or 1, f"SyntaxError: {error.msg}")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = frames[-1].lineno if frames else 1
    return problem(path, line or 1, f"{type(error).__name__}: {error}")
