"""The Autobahn test suite against all transports. See README.md.

python -m tests.autobahn.run PATH_OF_WSTEST [TRANSPORT...]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection

from tests.processes import REPOSITORY, find_free_port

COMPRESSION = ["12.*", "13.*"]
EXCLUDED = {"fast": COMPRESSION, "tornado": COMPRESSION, "deflate": [f"{group}.*" for group in range(1, 12)]}
FINE = {"OK", "NON-STRICT", "INFORMATIONAL"}


@contextmanager
def echoing(transport: str) -> Iterator[str]:
    """An echo server, ended with the block. Its address."""
    port = find_free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.autobahn.echo", str(port), transport], cwd=REPOSITORY)
    try:
        wait(port)
        yield f"ws://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def wait(port: int) -> None:
    for _ in range(100):
        try:
            return create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    sys.exit("the echo server does not start")


def fuzz(wstest: str, addresses: dict[str, str], folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The suite's own report: of each transport, of each case."""
    servers = [{"agent": transport, "url": address} for transport, address in addresses.items()]
    spec = {"outdir": str(folder), "servers": servers, "cases": ["*"], "exclude-cases": []}
    (folder / "spec.json").write_text(json.dumps({**spec, "exclude-agent-cases": EXCLUDED}))
    command = [wstest, "-m", "fuzzingclient", "-s", str(folder / "spec.json")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=3600)
    report: dict[str, dict[str, dict[str, str]]] = json.loads((folder / "index.json").read_text())
    return report


def main(wstest: str, *transports: str) -> int:
    with ExitStack() as servers, tempfile.TemporaryDirectory() as folder:
        addresses = {transport: servers.enter_context(echoing(transport)) for transport in transports or EXCLUDED}
        report = fuzz(wstest, addresses, Path(folder))
    failed = 0
    for transport, cases in report.items():
        counts = Counter(case["behavior"] for case in cases.values())
        sys.stdout.write(f"{transport}: {len(cases)} cases, {dict(counts)}\n")
        for name, case in cases.items():
            if not {case["behavior"], case["behaviorClose"]} <= FINE:
                failed += 1
                sys.stdout.write(f"  {name}: {case['behavior']}, closing {case['behaviorClose']}\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
