"""Keeps what the emulator was sent: hashes and writes audio as it comes, and remembers every badge."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ingest.recording import Container

HEAD_BYTES: Final = 65_536
BADGES_FILE: Final = "badges.jsonl"
OPEN_LENGTHS: Final = 0x7FFF_F000
_NO_MP3: Final = (b"RIFF", b"RF64", b"OggS", b"fLaC", b"FORM", b"<")


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """One accepted upload. `size` in bytes, `sha256` in hex, `created_at` ISO 8601 UTC, `error` of its operation."""

    badge_id: str
    operation_id: str
    sha256: str
    size: int
    fields: Mapping[str, str]
    connection_id: str
    container: Container
    client_request_id: str
    created_at: str
    error: str = ""
    file: Path | None = None


class Reception:
    """Takes the audio of one upload piece by piece; nothing stands in the store before `keep`."""

    def __init__(self, container: Container, folder: Path | None) -> None:
        self.badge_id = f"badge-{new_id()}"
        self.size = 0
        self._container = container
        self._sha256 = hashlib.sha256()
        self._head = b""
        self._file = None if folder is None else folder / f"{self.badge_id}.{container}"
        self._part = None if self._file is None else self._file.with_name(f".{self._file.name}.part")
        self._descriptor: int | None = None

    def take(self, data: bytes) -> None:
        """Hashes and writes one piece. Raises OSError."""
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self.size += len(data)
        self._sha256.update(data)
        if self._part is None:
            return
        if self._descriptor is None:
            self._descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def fits_container(self) -> bool:
        """Whether the first bytes can be those of the announced container.

        What SpeechSense makes of bytes before the first MP3 frame is not documented: only other containers are none.
        """
        if self._container is Container.WAV:
            return self._head[:4] in {b"RIFF", b"RF64"} and self._head[8:12] == b"WAVE"
        return not self._head.startswith(_NO_MP3)

    def missing(self) -> int | None:
        """How many bytes fewer than its header promises have come; None where the header promises nothing."""
        promised = promised_bytes(self._head) if self._container is Container.WAV else None
        return None if promised is None else max(0, promised - self.size)

    def keep(self) -> tuple[str, Path | None]:
        """Gives the audio its name. Returns the hash and where it lies. Raises OSError."""
        self._shut()
        if self._part is not None and self._file is not None:
            self._part.rename(self._file)
        return self._sha256.hexdigest(), self._file

    def discard(self) -> None:
        """Removes what came, unless it was kept."""
        self._shut()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    def _shut(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def promised_bytes(head: bytes) -> int | None:
    """The end of the `data` chunk by a WAV's own header, None where it is open or not in the first 64 KiB.

    Source: RIFF chunks, each with its size before it; streaming writers leave 0 or a huge number there.
    """
    if head[:4] != b"RIFF":
        return None
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        if head[at : at + 4] == b"data":
            return at + 8 + size if 0 < size < OPEN_LENGTHS else None
        at += 8 + size + size % 2
    return None


class Store:
    """Every badge by its operation: in memory and, with a folder, in `badges.jsonl` from one start to the next."""

    def __init__(self, folder: Path | None, *, keep_audio: bool) -> None:
        self._folder = folder
        self._keep_audio = keep_audio
        self._lock = threading.Lock()
        self._by_operation: dict[str, Badge] = {}
        self._descriptor: int | None = None

    def open(self) -> None:
        """Makes the folder and reads the badges of earlier runs. Raises OSError."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(self._folder / BADGES_FILE)
        for badge in read_badges(self._folder):
            self._by_operation[badge.operation_id] = badge
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._folder / BADGES_FILE, flags, 0o640)

    def close(self) -> None:
        """Closes the list of badges; they stay known."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def receive(self, container: Container) -> Reception:
        """A reception for the next upload."""
        return Reception(container, self._folder if self._keep_audio else None)

    def add(self, badge: Badge) -> None:
        """Remembers a badge; on disk as one line, written at once. Raises OSError."""
        with self._lock:
            if self._descriptor is not None:
                os.write(self._descriptor, _line(badge))
            self._by_operation[badge.operation_id] = badge

    def by_operation(self, operation_id: str) -> Badge | None:
        """The badge of an operation."""
        return self._by_operation.get(operation_id)

    def badges(self) -> tuple[Badge, ...]:
        """All badges, oldest first."""
        with self._lock:
            return tuple(self._by_operation.values())


def new_id() -> str:
    """20 hexadecimal digits that no other id has. Not a secret: `os.urandom` costs a system call for each."""
    return f"{random.getrandbits(80):020x}"


def now() -> str:
    """The time as it stands in `created_at`."""
    return datetime.now(UTC).isoformat()


def read_badges(folder: Path) -> tuple[Badge, ...]:
    """The badges of a store's folder, oldest first; an unfinished last line (killed while writing) is left out."""
    try:
        lines = (folder / BADGES_FILE).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return ()
    badges = []
    for line in lines:
        if line.endswith(b"\n"):
            badge = Badge(**json.loads(line))
            file = folder / f"{badge.badge_id}.{badge.container}"
            kept = file if file.exists() else None
            badges.append(replace(badge, container=Container(badge.container), file=kept))
    return tuple(badges)


def _drop_torn_line(path: Path) -> None:
    """Cuts off what a killed run had begun to write, so that it does not spoil the next line."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)


def _line(badge: Badge) -> bytes:
    values = {field.name: getattr(badge, field.name) for field in fields(badge) if field.name != "file"}
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
