"""Runs the emulator in another Python process, which can be frozen, killed and started again on the same port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ingest.speechsense.emulator import Badge, Fault, faults_to_json, read_badges

REPOSITORY = Path(__file__).resolve().parents[2]
PROMISE = "listening on "


class EmulatorProcess:
    """A context manager. `listen` with a port of one's own (that of an earlier `address`) starts again on that one."""

    def __init__(
        self,
        store: Path,
        *,
        listen: str = "127.0.0.1:0",
        tls: tuple[Path, Path] | None = None,
        faults: Sequence[Fault] = (),
        accept_keys: Sequence[str] | None = None,
        operation_seconds: float = 0.5,
        keep_audio: bool = True,
        index_seconds: float = 0,
        search_filters: bool = True,
    ) -> None:
        self.store = store
        self.address = listen
        self._options = ["--store", str(store), "--operation-seconds", str(operation_seconds)]
        self._options += ["--faults", faults_to_json(faults)]
        self._options += ["--index-seconds", str(index_seconds)]
        if not search_filters:
            self._options.append("--no-search-filters")
        if not keep_audio:
            self._options.append("--no-audio")
        if tls is not None:
            self._options += ["--tls", str(tls[0]), str(tls[1])]
        for key in accept_keys or ():
            self._options += ["--accept-key", key]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        command = [sys.executable, "-m", "tests.support.emulator_main", "--listen", self.address, *self._options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(PROMISE):
            self.kill()
            raise RuntimeError(f"the emulator did not start: {line!r}")
        self.address = line.removeprefix(PROMISE).strip()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def badges(self) -> tuple[Badge, ...]:
        """Every badge made on this store, oldest first; also while the process is stopped or frozen."""
        return read_badges(self.store)

    def freeze(self) -> None:
        """The process takes nothing and answers nothing, its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)  # it has stopped only once this returns

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def go_away(self) -> None:
        """Lets it end by itself, with a GOAWAY first, once the uploads under way have ended; `stop` waits for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Ends it as an administrator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
