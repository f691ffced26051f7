"""The wall clock of a server, which a test can set while the server runs (https://github.com/wolfcw/libfaketime)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.requirements import needs


class Clock:
    """For one process, started with ``env``. Its monotonic clock runs on, as a real one does when the other is set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    @property
    def env(self) -> Mapping[str, str]:
        """What a process is started with."""
        find = [needs("faketime"), "-f", "+0", "printenv", "LD_PRELOAD"]
        library = subprocess.run(find, capture_output=True, text=True, check=True).stdout.strip()
        return {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # or threads would wait for each other for seconds
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead: float) -> None:
        """Seconds by which the clock is ahead of the true time, or behind it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+.0f}")
        os.replace(new, self._file)
