"""A share made in user space, for faults that no disk has to order: EIO, ESTALE, a server that hangs or has died,
names that may be written in any case. Shows a real folder; what is written there comes, as on a share, from
another host."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.emulator import REPOSITORY

MOUNTED = "mounted"


class Share:
    """A context manager that shows `folder` at `point`, inside `private_mounts`.

    `any_case`: a name is found in whatever capitals it is asked for. `tick_seconds`: its clock counts in such steps, so
    that what is written between two of them has the same times. A fault is the name of an errno for a name and
    one of the words lookup, open, read, list (opening a folder) and entries (reading it).
    """

    def __init__(self, folder: Path, point: Path, *, any_case: bool = False, tick_seconds: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        point.mkdir(parents=True, exist_ok=True)
        self._faults = folder.with_name(f"{folder.name}.faults")
        self._command = [sys.executable, "-m", "tests.support.fuse_main", str(folder), str(point), str(self._faults)]
        if any_case:
            self._command.append("--any-case")
        self._command.append(f"--tick-seconds={tick_seconds}")
        self._process: subprocess.Popen[str] | None = None
        self._point = point
        self.fail({})

    def fail(self, faults: Mapping[tuple[str, str], str]) -> None:
        """From now on these fail and no others: (name, "" for the root; operation) to the name of an errno."""
        text = json.dumps([[name, operation, code] for (name, operation), code in faults.items()])
        new = self._faults.with_suffix(".new")
        new.write_text(text)
        new.rename(self._faults)

    def freeze(self) -> None:
        """It answers nothing: whoever asks, waits."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers again, also what was asked meanwhile."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It dies; what is mounted stays, and every call to it fails with ENOTCONN."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def mount(self) -> None:
        """Mounts it, also again after `unmount`."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == MOUNTED

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def unmount(self) -> None:
        """Takes it away."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        subprocess.run(["umount", "--lazy", str(self._point)], check=True)
        self._process = None

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unmount()
