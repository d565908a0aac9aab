"""A file that is replaced or written to while it is being sent or waits to be: one whole version goes out (P3)."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.landing import call
from tests.support.service import GIVEN, Service, Site

LARGE_SECONDS = 600  # 9.6 MB: more than the buffers between here and the emulator hold


@dataclass
class Floor:
    """A service with one sender, whose emulator can be frozen in the middle of an upload."""

    site: Site
    emulator: EmulatorProcess
    service: Service

    def drop(self, name: str, content: bytes) -> Path:
        return self.site.drop(name, content, {**GIVEN, "client_id": f"client-{name}"})

    def until(self, name: str, status: str) -> None:
        self.service.until(lambda: self.site.statuses().get(name) == status)

    def until_half_sent(self, path: Path) -> None:
        """Waits until the service has the file open, has read some of it, and reads no further."""
        size = path.stat().st_size
        positions = [-1] * 3

        def stands() -> bool:
            positions.append(self._position(path))
            return 0 < positions[-1] < size and len(set(positions[-3:])) == 1

        self.service.until(stands)

    def _position(self, path: Path) -> int:
        process = Path(f"/proc/{self.service.process.pid}")
        for descriptor in (process / "fd").iterdir():
            try:
                if os.readlink(descriptor) == str(path):
                    return int((process / "fdinfo" / descriptor.name).read_text().split()[1])
            except FileNotFoundError:
                continue
        return -1

    def sent(self, name: str) -> list[str]:
        """The hashes of what was accepted of one file."""
        return [b.sha256 for b in self.emulator.badges() if b.fields["client_id"] == f"client-{name}"]


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """New for each test: a connection that was frozen before lets the emulator take whole files in one go."""
    with EmulatorProcess(tmp_path / "store", keep_audio=False) as emulator:
        site = Site(
            *(tmp_path / "site", emulator.address),
            source={"settle_seconds": 0.3, "scan_seconds": 0.3},
            upload={"chunk_bytes": 65_536, "concurrency": 1},
        )
        site.migrate()
        with site.running() as service:
            made = Floor(site, emulator, service)
            made.drop("warm.wav", wav(0.1))  # the connection stands before the emulator is frozen
            made.until("warm.wav", "done")
            yield made


def renamed_over(path: Path, content: bytes) -> None:
    new = path.with_name("new.tmp")
    new.write_bytes(content)
    new.rename(path)


def removed_and_made_again(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def written_over(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def written_over_keeping_the_old_time(path: Path, content: bytes) -> None:
    """Size and time are the same again: only ctime tells."""
    before = path.stat()
    written_over(path, content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_short_and_written_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def appended(path: Path, content: bytes) -> None:
    """As Asterisk does: more audio at the end, then the sizes in the header."""
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(content[file.tell() :])
        file.seek(0)
        file.write(content[:44])


REPLACEMENTS = [
    renamed_over,
    removed_and_made_again,
    written_over,
    written_over_keeping_the_old_time,
    cut_short_and_written_anew,
    appended,
]


@pytest.mark.parametrize("replace", REPLACEMENTS, ids=lambda replace: replace.__name__)
def test_p3_replaced_while_it_is_sent_or_waits_to_be(floor: Floor, replace: Callable[[Path, bytes], None]) -> None:
    contents = {"sent.wav": wav(LARGE_SECONDS, seed=1), "waiting.wav": wav(2, seed=2)}
    successors = {name: _successor(replace, content) for name, content in contents.items()}
    floor.emulator.freeze()
    try:
        sent = floor.drop("sent.wav", contents["sent.wav"])
        floor.until_half_sent(sent)
        waiting = floor.drop("waiting.wav", contents["waiting.wav"])
        floor.until("waiting.wav", "pending")
        replace(sent, successors["sent.wav"])
        replace(waiting, successors["waiting.wav"])
    finally:
        floor.emulator.thaw()

    for name, content in successors.items():
        floor.until(name, "done")
        assert floor.sent(name) == [hashlib.sha256(content).hexdigest()]


def test_p3_metadata_replaced_while_it_waits_to_be_sent(floor: Floor) -> None:
    ahead, name = "ahead-of-metadata.wav", "metadata.wav"
    content = wav(2, seed=4)
    floor.emulator.freeze()
    try:
        floor.until_half_sent(floor.drop(ahead, wav(LARGE_SECONDS, seed=3)))
        path = floor.drop(name, content)
        floor.until(name, "pending")
        second = {**GIVEN, "client_id": "client-metadata.wav", "operator_name": "Operator Two"}
        path.with_suffix(".json").write_text(json.dumps(second))
        floor.service.until(lambda: floor.site.row(name)["status"] == "pending" and _names_operator_two(floor, name))
    finally:
        floor.emulator.thaw()
    floor.until(name, "done")

    (badge,) = [b for b in floor.emulator.badges() if b.fields["client_id"] == "client-metadata.wav"]
    assert badge.fields["operator_name"] == "Operator Two"
    assert badge.sha256 == hashlib.sha256(content).hexdigest()


def _names_operator_two(floor: Floor, name: str) -> bool:
    stored, _, _ = floor.site.ingest("show", name, code=None).stdout.partition("judged now")
    return "Operator Two" in stored


def test_p3_once_sends_only_what_has_held_still(tmp_path: Path) -> None:
    """`run --once` beside a program that goes on writing, and again after that has ended."""
    contents = {"growing.wav": wav(20, seed=5), "half.wav": wav(20, seed=6), "whole.wav": wav(20, seed=7)}
    with EmulatorProcess(tmp_path / "store", keep_audio=False) as emulator:
        site = Site(tmp_path / "site", emulator.address, source={"settle_seconds": 0.5, "watch": "poll"})
        site.migrate()
        growing = site.drop("growing.wav", b"")
        ended = threading.Event()
        writer = threading.Thread(target=_write_until, args=(ended, growing, contents["growing.wav"]))
        writer.start()
        try:
            site.drop("half.wav", contents["half.wav"][:100_000])
            site.drop("whole.wav", contents["whole.wav"])
            site.once("--strict", code=1)
        finally:
            ended.set()
            writer.join()
        meanwhile = site.rows()
        sent_meanwhile = [badge.sha256 for badge in emulator.badges()]
        site.drop("half.wav", contents["half.wav"])
        site.once("--strict")

        assert {path: (row["status"], row["reason"]) for path, row in meanwhile.items()} == {
            "growing.wav": ("incomplete", "changing"),
            "half.wav": ("incomplete", "audio_unfinished"),
            "whole.wav": ("done", None),
        }
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        assert sent_meanwhile == [digests["whole.wav"]]
        assert {row["status"] for row in site.rows().values()} == {"done"}
        assert sorted(badge.sha256 for badge in emulator.badges()) == sorted(digests.values())


def test_p1_a_whole_recording_with_a_hole_at_its_end_is_sent_all_the_same(tmp_path: Path) -> None:
    """A sparse copy of one that ends in digital silence: it waits ten quiet times, and not for ever."""
    content = wav_header(80_000) + bytes(80_000)
    with EmulatorProcess(tmp_path / "store", keep_audio=False) as emulator:
        site = Site(tmp_path / "site", emulator.address, source={"settle_seconds": 0.1})
        site.migrate()
        whole = site.place / "whole.wav"
        whole.write_bytes(content)
        sparse = site.drop("sparse.wav", audio=None)
        call("cp", "--sparse=always", whole, sparse)
        began = time.monotonic()
        site.once("--strict")

        assert time.monotonic() - began > 10 * 0.1
        assert [badge.sha256 for badge in emulator.badges()] == [hashlib.sha256(content).hexdigest()]


def _write_until(ended: threading.Event, path: Path, content: bytes) -> None:
    """A writer that is never quiet for long."""
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(content), 1000):
            file.write(content[at : at + 1000])
            if not ended.is_set():
                time.sleep(0.1)


def _successor(replace: Callable[[Path, bytes], None], first: bytes) -> bytes:
    """Other content, of the same size but where more is appended."""
    seconds = (len(first) - 44) // 16_000
    if replace is not appended:
        return wav(seconds, seed=9)
    longer = wav(seconds + 30, seed=9)
    return longer[:44] + first[44:] + longer[len(first) :]
