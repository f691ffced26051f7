"""What stands above the tables: machine and versions; and where they are kept, between two marks of the README."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .servers import Peer, versions

README = Path(__file__).parent / "README.md"
CHART = README.with_name("echo.svg")


def machine() -> str:
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "")
    return f"{platform.system()} {platform.machine()}, {model}, {os.cpu_count()} cores"


def described(peers: Iterable[Peer]) -> str:
    found = {name: number for peer in peers for name, number in versions(peer).items()}
    parts = [("Python", platform.python_version()), *node_itself(), *sorted(found.items())]
    return ", ".join(" ".join(part) for part in parts)


def node_itself() -> list[tuple[str, str]]:
    if not shutil.which("node"):
        return []
    return [("Node", subprocess.check_output(["node", "--version"], text=True).strip())]


def write(text: str, mark: str) -> None:
    """Put a text between ``<!-- mark -->`` and ``<!-- /mark -->`` of the README."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, _, rest = README.read_text().partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
