"""Tells whether the process that wrote a row still lives, exactly and at once (Linux's /proc)."""

from __future__ import annotations

import os
from pathlib import Path


def process_token(pid: int | None = None) -> str | None:
    """Names one process of one boot (boot id, pid, start time in clock ticks); None when there is no such process."""
    pid = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field is the program's name in brackets and may hold blanks; the start time is the 22nd.
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if stat[0] in "ZX":
        return None
    return f"{boot}:{pid}:{stat[19]}"


def lives(token: str) -> bool:
    """Whether the process that `token` names is still running on this machine."""
    pid = token.split(":")[1]
    return pid.isdecimal() and process_token(int(pid)) == token
