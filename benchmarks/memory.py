"""The resident memory of a server, read when it has come to rest."""

import time

PAUSE = 0.25  # seconds
STEADY = 4  # looks that must agree within 0.1 %


def settled(pid: int, seconds: float = 10) -> int:
    """Bytes, once they no longer change; after so many seconds, whatever they are then."""
    looks = [resident(pid)]
    while len(looks) * PAUSE < seconds:
        time.sleep(PAUSE)
        looks.append(resident(pid))
        last = looks[-STEADY:]
        if len(last) == STEADY and max(last) - min(last) <= max(last) / 1000:
            break
    return looks[-1]


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
