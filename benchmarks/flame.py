"""Where the time of a call goes: python -m benchmarks.flame [NAME [DEPTH]] writes NAME-DEPTH-flame.svg here.

NAME is a server of `servers.py` that runs on Python, by default this one. Needs py-spy, and the right to look into
another process (root, or kernel.yama.ptrace_scope = 0).
"""

import subprocess
import sys
from pathlib import Path

from .load import Load
from .process import LOAD_CORE, pin, running
from .servers import WEBSOCKET

SECONDS = 10
RATE = 500  # samples a second


def main(name: str = "rpc_sessions", depth: str = "1") -> None:
    pin(LOAD_CORE)
    file = Path(__file__).parent / f"{name.replace(':', '-')}-{depth}-flame.svg"
    with running(WEBSOCKET[name]) as (pid, job):
        # It only reads, so the server runs on meanwhile; what it says may be a little out of step.
        program = str(Path(sys.executable).parent / "py-spy")
        command = [program, "record", "--nonblocking", "--pid", str(pid), "--rate", str(RATE), "--output", str(file)]
        command += ["--duration", str(SECONDS)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as recorder:
            result = Load(job, int(depth)).measure(pid, SECONDS + 1)
        assert recorder.returncode == 0
    # The picture's title is the command, with paths and an id that are nobody's else.
    title = f"{name}, calls in flight on each connection: {depth}"
    file.write_text(file.read_text().replace(" ".join(command), title))
    print(f"{file}: {result.cost * 1e6:.1f} us of CPU a call")


if __name__ == "__main__":
    main(*sys.argv[1:])
