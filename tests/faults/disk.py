"""A small disk of a test's own, which can be full."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import missing

_BLOCK = bytes(4096)


class Disk:
    """folder: where it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no room."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while file.write(_BLOCK) == len(_BLOCK):
                    pass
            except OSError:
                pass

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """32 MB, unmounted after the test."""
    with tempfile.TemporaryDirectory(prefix="rpc_sessions_disk_") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=711", "tmpfs", folder]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            missing("the right to mount a small disk", "run the tests as root, as in a container with CAP_SYS_ADMIN")
        yield Disk(Path(folder))
        subprocess.run(["umount", "--lazy", folder], check=True)
