"""What the demo is made of: recordings, a configuration, and the proof that what arrived is what was dropped."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from ingest.config import load
from ingest.console.words import path_shown
from ingest.settings import Settings
from ingest.state.engine import database_file
from ingest.state.store import open_store

_RATE: Final = 8000
_CONFIGURATION: Final = """\
speechsense:
  endpoint: {address}
  operations_endpoint: {address}
  tls: false
  credentials: {{api_key_file: {key}}}
state:
  url: sqlite:///{state}
sources:
  - name: demo
    path: {recordings}
    connection_id: demo-connection
    settle_seconds: 1
    scan_seconds: 1
"""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything of one demo lies."""

    recordings: Path
    received: Path
    state: Path
    configuration: Path


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo: its folders and the settings of its service."""

    folders: Folders
    settings: Settings


class Received(Protocol):
    """A badge as the emulator tells it."""

    @property
    def badge_id(self) -> str:
        """Its id."""

    @property
    def sha256(self) -> str:
        """Of the audio that was received, hex."""


def folders(place: Path) -> Folders:
    """Makes the folders of a demo in `place`."""
    made = Folders(place / "recordings", place / "received", place / "state.db", place / "config.yaml")
    made.recordings.mkdir()
    made.received.mkdir()
    return made


def settings_for(demo: Folders, address: str) -> Settings:
    """Writes the demo's configuration and reads it as the service would."""
    key = demo.configuration.with_name("api-key")
    key.write_text("demo-key\n")
    key.chmod(0o600)
    text = _CONFIGURATION.format(
        address=json.dumps(address),
        key=json.dumps(str(key)),
        state=str(demo.state),
        recordings=json.dumps(str(demo.recordings)),
    )
    demo.configuration.write_text(text)
    return load(demo.configuration, {})


def make_recording(folder: Path, number: int, seconds: float) -> None:
    """One recording as a recorder would leave it: a tone that no other has, and its metadata."""
    stem = f"badge-{number + 1:04d}"
    metadata = {
        "operator_name": f"Operator {number + 1}",
        "operator_id": f"operator-{number + 1:04d}",
        "client_name": f"Client {number + 1}",
        "client_id": f"client-{number + 1:04d}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / f"{stem}.json").write_text(json.dumps(metadata, indent=2))
    with wave.open(str(folder / f"{stem}.wav"), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(_RATE)
        audio.writeframes(_tone(220 + 0.5 * number, round(seconds * _RATE)))


def _tone(hertz: float, frames: int) -> bytes:
    period = [round(8000 * math.sin(2 * math.pi * hertz * frame / _RATE)) for frame in range(min(frames, _RATE * 2))]
    block = struct.pack(f"<{len(period)}h", *period)
    return (block * (frames * 2 // max(len(block), 1) + 1))[: frames * 2]


def report(demo: Demo, received: Sequence[Received]) -> int:
    """Prints each recording with its badge id; returns how many arrived exactly as they lie in the folder."""
    arrived: Mapping[str, str] = {badge.badge_id: badge.sha256 for badge in received}
    identical = 0
    with open_store(database_file(demo.settings.state.url)) as store:
        for view in store.views.recordings():
            content = (demo.folders.recordings / os.fsdecode(view.path)).read_bytes()
            same = view.badge_id is not None and arrived.get(view.badge_id) == hashlib.sha256(content).hexdigest()
            identical += same
            told = f"badge {view.badge_id}, received byte for byte" if same else f"not received as sent: {view.detail}"
            print(f"  {path_shown(view.path)}  {view.status.value}  {told}")
    print(f"{identical} recordings came back with a badge id, byte-identical.")
    return identical
