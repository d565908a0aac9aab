"""A private smbd on a loopback port, with everything it keeps in one folder; smbclient writes to its shares."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.peers import require_program, require_root

WRITE_BYTES = 1 << 16  # otherwise smbclient reads 16 MB of its input before it writes any
_KEPT = ("private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir")
_GLOBAL = {
    "server role": "standalone server",
    "interfaces": "127.0.0.1",
    "bind interfaces only": "yes",
    "disable netbios": "yes",
    "disable spoolss": "yes",
    "load printers": "no",
    "printcap name": "/dev/null",
    "map to guest": "bad user",
    "guest account": "root",
    "smb2 max write": str(WRITE_BYTES),
}


@dataclass(frozen=True)
class Samba:
    """A running smbd."""

    port: int
    configuration: Path

    def put(self, share: str, name: str) -> list[str]:
        """The command that writes its standard input to `name` on `share`."""
        return [
            *(require_program("smbclient"), f"//127.0.0.1/{share}", "--no-pass"),
            *("--port", str(self.port), "--configfile", str(self.configuration), "--command"),
            f"iosize {WRITE_BYTES}; put - {name}",
        ]


@contextlib.contextmanager
def samba(place: Path, shares: Mapping[str, Path]) -> Iterator[Samba]:
    """Runs smbd, with `shares` open to guests, until the context ends. `place` is a new folder for what it keeps."""
    program = require_program("smbd")
    require_program("smbclient")
    require_root("a private smbd takes root")
    place.mkdir()
    port = _free_port()
    server = Samba(port, place / "smb.conf")
    server.configuration.write_text(_configuration(place, port, shares))
    # told to end, smbd ends its whole process group: it needs one of its own
    command = [program, "--foreground", "--no-process-group", "--debug-stdout", "--configfile", server.configuration]
    with (place / "log").open("wb") as log, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    ) as process:  # fmt: skip
        try:
            _wait_until_it_listens(process, port, place / "log")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)


def _configuration(place: Path, port: int, shares: Mapping[str, Path]) -> str:
    settings = {**_GLOBAL, "smb ports": str(port), "log file": str(place / "log.%m")}
    for name in _KEPT:
        folder = place / name.replace(" ", "-")
        folder.mkdir()
        settings[name] = str(folder)
    lines = ["[global]", *(f"{name} = {value}" for name, value in settings.items())]
    for name, path in shares.items():
        lines += [f"[{name}]", f"path = {path}", "guest ok = yes", "read only = no"]
    return "\n".join(lines) + "\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 15
    while True:
        assert process.poll() is None, f"smbd ended: {log.read_text(errors='replace')}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < deadline, f"smbd does not listen: {log.read_text(errors='replace')}"
        time.sleep(0.05)
