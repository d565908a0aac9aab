"""Runs the program as a user who is stopped by the rights of files, also where the tests run as root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.service import COMMAND, surroundings

# Root reads everything whatever the rights say, until it has given that up: PR_CAPBSET_DROP (prctl(2)) takes
# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from what it will start.
_DROPPING = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def without_roots_rights(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """How the command ended; never with a traceback."""
    command = [sys.executable, "-c", _DROPPING, *COMMAND, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, env=surroundings({}), check=False)
    assert "Traceback" not in ended.stderr
    assert "did not expect" not in ended.stderr
    return ended
