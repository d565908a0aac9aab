from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ingest.content.opening import Listing, Tree, root_identity
from ingest.failures import SourceUnavailable
from ingest.intake.judge import judge
from ingest.intake.look import Finding, has_audio, look, look_outside
from ingest.intake.loop import SourceIntake
from ingest.intake.observer import Hints, Observer
from ingest.intake.scanner import BATCH, Tally, gone, walk
from ingest.recording import Arrival, Container, Known, Reason, Shape, Stamp, Status, Twin
from ingest.settings import MetadataSettings, SourceSettings, Watch
from tests.support.audio import wav, wav_header

GIVEN = {
    "operator_name": "Operator One",
    "operator_id": "op-1",
    "client_name": "Client One",
    "client_id": "client-0001",
    "date": "2026-03-01T09:30:00Z",
}
SOUND = wav(seconds=0.1)
ROOMY = 20.0


class Rows:
    """The door's rules in a dict: one row a path, written only where `replaces` still holds."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Arrival] = {}
        self.kept: dict[bytes, Known] = {}
        self.added: list[Arrival] = []
        self.visits: list[tuple[bool, str | None, int | None]] = []
        self.asked: list[int] = []
        self.lock = threading.Lock()

    def known(self, source: str, paths: Sequence[bytes]) -> dict[bytes, Known]:
        with self.lock:
            self.asked.append(len(paths))
            return {path: self.kept[path] for path in paths if path in self.kept}

    def suspects(self, source: str) -> Iterator[Sequence[Known]]:
        with self.lock:
            page = [k for k in self.kept.values() if k.status is Status.INCOMPLETE and k.reason is not Reason.MISSING]
        yield page

    def expects(self, source: str) -> bool:
        return any(any(page) for page in self.suspects(source)) or any(
            k.status is Status.PENDING for k in self.kept.values()
        )

    def twins(self, fingerprints: Sequence[str]) -> dict[str, list[Twin]]:
        return {}

    def add(self, arrivals: Sequence[Arrival]) -> None:
        with self.lock:
            for arrival in arrivals:
                if self.kept.get(arrival.path) != arrival.replaces:
                    continue
                if arrival.metadata_path is not None and arrival.audio is not None:
                    self.rows.pop(arrival.metadata_path, None)
                    self.kept.pop(arrival.metadata_path, None)
                self.added.append(arrival)
                self.rows[arrival.path] = arrival
                self.kept[arrival.path] = Known(
                    len(self.added), arrival.path, 1, arrival.status, arrival.reason,
                    arrival.audio, arrival.metadata_path, arrival.sidecar, arrival.sha256,
                )  # fmt: skip

    def seen(self, source: str, *, available: bool, detail: str | None, unmatched: int | None) -> None:
        self.visits.append((available, detail, unmatched))

    def mark(self, path: bytes, status: Status, reason: Reason | None = None) -> None:
        with self.lock:
            self.kept[path] = replace(self.kept[path], status=status, reason=reason)

    def verdicts(self) -> dict[bytes, tuple[Status, Reason | None]]:
        with self.lock:
            return {path: (row.status, row.reason) for path, row in self.rows.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def source(folder: Path, **changes: object) -> SourceSettings:
    given = {
        "name": "floor",
        "path": folder,
        "connection_id": "connection-1",
        "settle_seconds": 0.0,
        "scan_seconds": 60.0,
    }
    return SourceSettings(**(given | changes))  # type: ignore[arg-type]


def drop(folder: Path, name: str | bytes, content: bytes | dict[str, str]) -> bytes:
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else json.dumps(content).encode())
    return os.fsencode(name)


def drop_pair(folder: Path, stem: str | bytes) -> bytes:
    drop(folder, os.fsencode(stem) + b".json", GIVEN)
    return drop(folder, os.fsencode(stem) + b".wav", SOUND)


def once(settings: SourceSettings, rows: Rows | None = None) -> Rows:
    rows = rows or Rows()
    SourceIntake(settings, rows).run_once(threading.Event())
    return rows


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ROOMY
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        threading.Event().wait(0.005)


@contextmanager
def running(settings: SourceSettings, rows: Rows) -> Iterator[SourceIntake]:
    intake, stop = SourceIntake(settings, rows), threading.Event()
    thread = threading.Thread(target=intake.run, args=(stop,))
    thread.start()
    try:
        until(lambda: bool(rows.visits), "the first scan")
        yield intake
    finally:
        stop.set()
        intake.wake()
        thread.join(ROOMY)
        assert not thread.is_alive()


def test_a_pair_becomes_pending_with_everything_the_sender_needs(folder: Path) -> None:
    path = drop_pair(folder, "2026/03/call 1")
    row = once(source(folder)).rows[path]
    assert (row.status, row.reason, row.metadata_path) == (Status.PENDING, None, b"2026/03/call 1.json")
    assert row.fields == GIVEN | {"language": "ru-RU"}
    assert (row.container, row.duration_seconds) == (Container.WAV, 0.1)
    assert row.audio == Stamp.of(os.stat(folder / os.fsdecode(path))).shape
    assert row.sidecar is not None
    assert (row.source, row.connection_id, row.method) == ("floor", "connection-1", "badge")


@pytest.mark.parametrize(
    "stem", [b"a b", b"line\nbreak", b"\xff\xfe bytes", "разговор".encode(), b"-x", b"*?[", b"a.b.c"]
)
def test_odd_names(folder: Path, stem: bytes) -> None:
    path = drop_pair(folder, b"day/" + stem)
    assert once(source(folder)).verdicts() == {path: (Status.PENDING, None)}


def test_windows_recorders_write_capitals(folder: Path) -> None:
    drop(folder, "call.WAV", SOUND)
    drop(folder, "call.JSON", GIVEN)
    drop(folder, "other.wav", SOUND)
    drop(folder, "other.wav.json", GIVEN)
    assert once(source(folder)).verdicts() == {
        b"call.WAV": (Status.PENDING, None),
        b"other.wav": (Status.PENDING, None),
    }


BAD_SIDECARS = {
    "not json": (b"client: one", Reason.METADATA_INVALID),
    "ten megabytes": (b'{"a": "' + b"x" * 10_000_000 + b'"}', Reason.METADATA_INVALID),
    "deep": (b"[" * 60_000, Reason.METADATA_INVALID),
    "lacks a key": (b'{"operator_name": "Operator One"}', Reason.METADATA_KEY_MISSING),
    "list": (json.dumps(GIVEN | {"client_id": ["client-0001"]}).encode(), Reason.METADATA_VALUE_INVALID),
}


def test_bad_sidecars_fail_alone_with_a_sentence_and_no_data(folder: Path) -> None:
    good = drop_pair(folder, "good")
    for name, (content, _) in BAD_SIDECARS.items():
        drop(folder, f"{name}.wav", SOUND)
        drop(folder, f"{name}.json", content)
    rows = once(source(folder))
    expected = {f"{name}.wav".encode(): (Status.FAILED, reason) for name, (_, reason) in BAD_SIDECARS.items()}
    assert rows.verdicts() == expected | {good: (Status.PENDING, None)}
    for row in rows.rows.values():
        assert row.status is Status.PENDING or (
            row.detail and "client-0001" not in row.detail and ".wav" not in row.detail
        )


def test_bad_audio_fails_and_names_both_faults(folder: Path) -> None:
    drop(folder, "text.wav", b"this is a letter")
    drop(folder, "text.json", b"{}")
    drop(folder, "gsm.WAV", SOUND[:20] + b"\x31" + SOUND[21:])
    drop(folder, "gsm.json", GIVEN)
    drop(folder, "stereo.wav", wav(seconds=0.1, channels=2))
    drop(folder, "stereo.json", GIVEN)
    drop(folder, "half.wav", wav_header(1000) + bytes(10))
    drop(folder, "half.json", b"{}")
    rows = once(source(folder))
    assert rows.verdicts() == {
        b"text.wav": (Status.FAILED, Reason.AUDIO_DAMAGED),
        b"gsm.WAV": (Status.FAILED, Reason.AUDIO_UNSUPPORTED),
        b"stereo.wav": (Status.FAILED, Reason.AUDIO_CHANNELS),
        b"half.wav": (Status.INCOMPLETE, Reason.AUDIO_UNFINISHED),
    }
    detail = rows.rows[b"text.wav"].detail or ""
    assert "text, not audio" in detail
    assert "client_id" in detail
    assert "GSM" in (rows.rows[b"gsm.WAV"].detail or "")


def test_links_and_pipes_are_visible_and_never_followed(folder: Path) -> None:
    outside = folder.parent / "outside"
    drop_pair(outside, "secret")
    drop_pair(outside / "deep", "secret")
    (folder / "link.wav").symlink_to(outside / "secret.wav")
    drop(folder, "link.json", GIVEN)
    (folder / "archive").symlink_to(outside)
    os.mkfifo(folder / "pipe.wav")
    drop(folder, "beside.wav", SOUND)
    (folder / "beside.json").symlink_to(outside / "secret.json")
    (folder / "folder.wav").mkdir()
    (folder / "dangling.wav").symlink_to("nowhere")
    rows = once(source(folder))
    unsafe = (Status.FAILED, Reason.FILE_UNSAFE)
    assert rows.verdicts() == {b"link.wav": unsafe, b"pipe.wav": unsafe, b"beside.wav": unsafe, b"dangling.wav": unsafe}
    assert rows.visits == [(True, None, 1)]  # the linked folder
    added = len(rows.added)
    once(source(folder), rows)
    assert len(rows.added) == added


def test_orphans_are_visible_and_the_other_half_takes_them_over(folder: Path) -> None:
    drop(folder, "a.wav", SOUND)
    drop(folder, "b.json", GIVEN)
    rows = once(source(folder))
    assert rows.verdicts() == {
        b"a.wav": (Status.INCOMPLETE, Reason.METADATA_MISSING),
        b"b.json": (Status.INCOMPLETE, Reason.AUDIO_MISSING),
    }
    assert rows.rows[b"b.json"].metadata_path == b"b.json"
    assert len(once(source(folder), rows).added) == 2
    drop(folder, "a.json", GIVEN)
    drop(folder, "b.wav", SOUND)
    assert once(source(folder), rows).verdicts() == {b"a.wav": (Status.PENDING, None), b"b.wav": (Status.PENDING, None)}


def test_two_audio_files_with_one_sidecar_until_one_goes(folder: Path) -> None:
    drop_pair(folder, "a")
    drop(folder, "a.mp3", SOUND)
    rows = once(source(folder))
    assert set(rows.verdicts().values()) == {(Status.FAILED, Reason.METADATA_AMBIGUOUS)}
    assert len(rows.verdicts()) == 2
    (folder / "a.mp3").unlink()
    assert once(source(folder), rows).verdicts()[b"a.wav"] == (Status.PENDING, None)


SOME_PATTERNS = [
    (("**/*.wav", "**/*.mp3"), "two.wAv"),
    (("**/*",), "two.wav"),
    (("**/*.w*", "**/*.flac"), "two.Wav"),
    (("**/*",), "day/two.call.MP4"),
]


@pytest.mark.parametrize(("patterns", "name"), SOME_PATTERNS)
@pytest.mark.parametrize("settle", [0.0, 0.05])
def test_any_pattern_and_spelling_makes_one_row_for_a_pair(
    folder: Path, patterns: tuple[str, ...], name: str, settle: float
) -> None:
    settings = source(folder, audio=patterns, settle_seconds=settle)
    path = drop(folder, name, SOUND)
    sidecar = drop(folder, name.rpartition(".")[0] + ".json", GIVEN)
    rows = once(settings)
    assert [(added.path, added.status) for added in rows.added] == [(path, Status.PENDING)]
    assert look(settings, sidecar).path == path

    rows.mark(path, Status.DONE)
    once(settings, rows)
    assert len(rows.added) == 1

    lonely = drop(folder, "lonely.json", GIVEN)
    once(settings, rows)
    assert rows.verdicts()[lonely] == (Status.INCOMPLETE, Reason.AUDIO_MISSING)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("**/*.wav",), ("one.wav", "one.wAv")),
        (("**/*",), ("one.wav", "one.mp4")),
        (("**/*.w*",), ("one.wav", "one.wma")),
    ],
)
def test_two_audio_files_with_one_sidecar_in_any_spelling(
    folder: Path, patterns: tuple[str, ...], names: tuple[str, str]
) -> None:
    first, second = (drop(folder, name, SOUND) for name in names)
    drop(folder, "one.json", GIVEN)
    ambiguous = (Status.FAILED, Reason.METADATA_AMBIGUOUS)
    assert once(source(folder, audio=patterns)).verdicts() == {first: ambiguous, second: ambiguous}


def test_a_folder_is_listed_once_in_a_walk(folder: Path) -> None:
    settings = source(folder, audio=("**/*",))
    for number in range(BATCH):
        drop_pair(folder, f"call-{number}")
    listing = Listing()
    assert len(drop(folder, "late.json", GIVEN)) > 0
    with Tree(os.fsencode(folder), listing) as tree:
        assert not has_audio(settings, b"late.json", tree)
        listed = listing.names
        assert has_audio(settings, b"call-7.json", tree)
    with Tree(os.fsencode(folder), listing) as tree:
        assert has_audio(settings, b"call-8.json", tree)
    assert listing.names is listed


def test_a_file_whose_bytes_cannot_be_read_is_visible_and_read_again(folder: Path) -> None:
    device = Path("/sys/class/net/lo")
    speed = device / "speed"  # an ordinary file of 4096 bytes; each read of it fails (EINVAL), whoever asks
    if not speed.is_file():
        pytest.skip("needs the loopback interface in /sys")
    settings = source(device, audio=("speed",), metadata=MetadataSettings(sidecar=(), required=()))
    rows = once(settings)
    assert rows.verdicts() == {b"speed": (Status.INCOMPLETE, Reason.UNREADABLE)}
    detail = rows.rows[b"speed"].detail or ""
    assert "could not be read (EINVAL)" in detail
    assert "Check the disk" in detail
    once(settings, rows)
    assert len(rows.added) == 1  # it is judged again, and there is nothing new to say

    known = rows.kept[b"speed"]
    for status in (Status.DONE, Status.UNCONFIRMED):
        rows.kept[b"speed"] = replace(known, status=status, reason=None, sha256="0" * 64, audio=Shape(1, 1))
        once(settings, rows)
        assert len(rows.added) == 1  # what was sent stays sent


def test_two_audio_files_with_a_sidecar_each(folder: Path) -> None:
    for name in ("a.wav", "a.mp3"):
        drop(folder, name, SOUND)
        drop(folder, f"{name}.json", GIVEN)
    assert set(once(source(folder)).verdicts().values()) == {(Status.PENDING, None)}


def test_ignored_and_unmatched(folder: Path) -> None:
    for name in (".hidden", "@eaDir/x", "#recycle/2026/x", "day/.git/x"):
        drop_pair(folder, name)
    drop(folder, "a.wav.part", SOUND)
    drop(folder, "readme.txt", b"")
    drop(folder, "day/call.ogg", b"")
    rows = once(source(folder))
    assert rows.verdicts() == {}
    assert rows.visits == [(True, None, 2)]


def test_audio_alone_and_old_files(folder: Path) -> None:
    drop(folder, "new.wav", SOUND)
    drop(folder, "old.wav", SOUND)
    os.utime(folder / "new.wav", (time.mktime((2026, 3, 1, 0, 0, 0, 0, 0, -1)),) * 2)
    os.utime(folder / "old.wav", (time.mktime((2026, 2, 28, 23, 59, 59, 0, 0, -1)),) * 2)
    alone = MetadataSettings(sidecar=(), required=())
    rows = once(source(folder, metadata=alone, start_from=date(2026, 3, 1)))
    assert rows.verdicts() == {b"new.wav": (Status.PENDING, None), b"old.wav": (Status.SKIPPED, Reason.TOO_OLD)}
    assert rows.rows[b"new.wav"].fields == {"language": "ru-RU"}
    assert rows.rows[b"new.wav"].metadata_path is None
    assert len(once(source(folder, metadata=alone, start_from=date(2026, 3, 1)), rows).added) == 2


@pytest.mark.parametrize("status", [Status.DONE, Status.DUPLICATE, Status.UNCONFIRMED])
def test_a_changed_sidecar_never_sends_again_and_changed_audio_comes_with_its_hash(
    folder: Path, status: Status
) -> None:
    path = drop_pair(folder, "a")
    rows = once(source(folder))
    rows.mark(path, status)
    drop(folder, "a.json", GIVEN | {"client_id": "client-0002", "more": "x"})
    (folder / "a.json").unlink()
    assert len(once(source(folder), rows).added) == 1
    drop(folder, "a.wav", SOUND + b"more")
    drop(folder, "a.json", GIVEN)
    again = once(source(folder), rows).added[1]
    assert again.replaces is not None
    assert again.replaces.status is status
    assert (
        again.sha256
        == subprocess.run(["sha256sum", folder / "a.wav"], capture_output=True, check=True).stdout.decode()[:64]
    )


def test_what_is_being_sent_is_left_alone(folder: Path) -> None:
    path = drop_pair(folder, "a")
    rows = once(source(folder))
    rows.mark(path, Status.SENDING)
    drop(folder, "a.wav", SOUND + b"more")
    assert len(once(source(folder), rows).added) == 1


@pytest.mark.parametrize("change", ["audio", "sidecar", "sidecar gone"])
def test_failed_and_pending_ones_are_judged_anew_when_either_half_changes(folder: Path, change: str) -> None:
    path = drop_pair(folder, "a")
    rows = once(source(folder))
    rows.mark(path, Status.FAILED, Reason.REJECTED)
    assert len(once(source(folder), rows).added) == 1
    if change == "sidecar gone":
        (folder / "a.json").unlink()
    else:
        drop(folder, f"a.{'wav' if change == 'audio' else 'json'}", SOUND + b" " if change == "audio" else b" " + b"{}")
    rows = once(source(folder), rows)
    assert len(rows.added) == 2
    assert rows.added[1].replaces is not None


def test_what_has_gone_is_missing_and_comes_back(folder: Path) -> None:
    drop(folder, "day/a.wav", SOUND)
    drop(folder, "b.json", GIVEN)
    drop(folder, "stays.json", GIVEN)  # an empty folder is another story: see presence
    rows = once(source(folder))
    (folder / "day" / "a.wav").unlink()
    (folder / "day").rmdir()
    (folder / "b.json").unlink()
    missing = (Status.INCOMPLETE, Reason.MISSING)
    verdicts = once(source(folder), rows).verdicts()
    assert verdicts.pop(b"stays.json") == (Status.INCOMPLETE, Reason.AUDIO_MISSING)
    assert verdicts == {b"day/a.wav": missing, b"b.json": missing}
    assert len(once(source(folder), rows).added) == 5
    drop_pair(folder, "day/a")
    assert once(source(folder), rows).verdicts()[b"day/a.wav"] == (Status.PENDING, None)


def test_a_source_that_is_away_deletes_nothing(folder: Path) -> None:
    drop(folder, "a.wav", SOUND)
    rows = once(source(folder))
    folder.rename(folder.parent / "unmounted")
    once(source(folder), rows)
    assert len(rows.added) == 1
    available, detail, unmatched = rows.visits[-1]
    assert (available, unmatched) == (False, None)
    assert detail is not None
    assert "not there" in detail
    (folder.parent / "unmounted").rename(folder)
    assert once(source(folder), rows).visits[-1] == (True, None, 0)


AS_NOBODY = """
import os, sys
from pathlib import Path
from tests.integration.test_intake import once, source
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
rows = once(source(Path(sys.argv[1])))
for path, (status, reason) in sorted(rows.verdicts().items()):
    print(path.decode(), status, reason)
print(rows.visits)
"""


def test_without_rights_the_others_go_on() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for stem in ("good", "closed/x", "listed/x", "zz/good"):
            drop_pair(folder, stem)
        drop_pair(folder, "audio")
        drop_pair(folder, "sidecar")
        (folder / "audio.wav").chmod(0)
        (folder / "sidecar.json").chmod(0)
        (folder / "closed").chmod(0)
        (folder / "listed").chmod(0o744 if os.getuid() == 0 else 0o444)
        finished = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, name],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        (folder / "closed").chmod(0o755)
        (folder / "listed").chmod(0o755)
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[:-1] == [
        "audio.wav incomplete unreadable",
        "good.wav pending None",
        "listed/x.wav incomplete unreadable",
        "sidecar.wav incomplete unreadable",
        "zz/good.wav pending None",
    ]
    assert "1 folders or files" in lines[-1]
    assert "(True," in lines[-1]


def test_a_walk_is_in_batches(folder: Path) -> None:
    for number in range(BATCH + 10):
        drop(folder, f"{number}.wav", b"")
    rows = Rows()
    batches = [len(names) for names in walk(source(folder), Tally())]
    assert batches == [BATCH, 10]
    once(source(folder), rows)
    assert max(rows.asked) <= BATCH


def test_growing_and_replaced_during_the_quiet_time(folder: Path) -> None:
    still = drop_pair(folder, "still")
    growing = drop_pair(folder, "growing")
    replaced = drop_pair(folder, "replaced")
    rows, stop, ended = Rows(), threading.Event(), threading.Event()
    intake = SourceIntake(source(folder, settle_seconds=1.0), rows)
    thread = threading.Thread(target=lambda: (intake.run_once(stop), ended.set()))
    thread.start()
    until(lambda: bool(rows.visits), "the walk")
    with open(folder / "growing.wav", "ab") as file:
        file.write(b"more")
    drop(folder, "new", SOUND)
    os.utime(folder / "new", ns=(0, os.stat(folder / "replaced.wav").st_mtime_ns))
    (folder / "new").rename(folder / "replaced.wav")
    assert not rows.added
    thread.join(ROOMY)
    assert ended.is_set()
    changing = (Status.INCOMPLETE, Reason.CHANGING)
    assert rows.verdicts() == {still: (Status.PENDING, None), growing: changing, replaced: changing}
    assert once(source(folder), rows).verdicts()[growing] == (Status.PENDING, None)


def test_a_file_that_goes_on_growing_is_visible_and_sent_when_it_ends(folder: Path) -> None:
    path = drop_pair(folder, "a")
    rows = Rows()
    with running(source(folder, settle_seconds=0.2, scan_seconds=0.05, watch=Watch.POLL), rows):
        with open(folder / "a.wav", "ab", buffering=0) as file:
            until(
                lambda: bool(file.write(b"x")) and rows.verdicts().get(path) == (Status.INCOMPLETE, Reason.CHANGING),
                "the row of the growing file",
            )
        until(lambda: rows.verdicts()[path] == (Status.PENDING, None), "the finished file")
    assert [row.status for row in rows.added] == [Status.INCOMPLETE, Status.PENDING]


@pytest.mark.parametrize(
    "order", ["sidecar first", "audio first", "moved in as a folder", "into a folder that is there"]
)
def test_events_bring_a_pair_long_before_the_next_scan(folder: Path, order: str) -> None:
    rows = Rows()
    settings = source(folder, settle_seconds=0.1, watch=Watch.INOTIFY)
    if order == "into a folder that is there":
        (folder / "day" / "deep").mkdir(parents=True)
    with running(settings, rows):
        if order == "moved in as a folder":
            drop_pair(folder.parent / "elsewhere" / "deep", "a")
            (folder.parent / "elsewhere").rename(folder / "day")
        else:
            halves = [("day/deep/a.json", GIVEN), ("day/deep/a.wav", SOUND)]
            for name, content in halves if order == "sidecar first" else reversed(halves):
                drop(folder, name, content)
        until(lambda: rows.verdicts().get(b"day/deep/a.wav") == (Status.PENDING, None), "the pair")
        assert order != "into a folder that is there" or len(rows.visits) == 1
    assert (Status.INCOMPLETE, Reason.CHANGING) not in rows.verdicts().values()


def test_events_write_no_incomplete_rows(folder: Path) -> None:
    rows = Rows()
    with running(source(folder, watch=Watch.INOTIFY), rows):
        drop(folder, "half.wav", wav_header(1000))
        drop(folder, "half.json", GIVEN)
        drop(folder, "lonely.wav", SOUND)
        path = drop_pair(folder, "z")
        until(lambda: path in rows.verdicts(), "the pair")
        assert len(rows.visits) == 1
    assert rows.verdicts() == {path: (Status.PENDING, None)}


def test_a_source_that_appears_later_is_watched_then(folder: Path) -> None:
    rows = Rows()
    folder.rename(folder.parent / "later")
    settings = source(folder, scan_seconds=0.05, watch=Watch.INOTIFY)
    with running(settings, rows):
        assert rows.visits[0][0] is False
        drop_pair(folder.parent / "later", "a")
        (folder.parent / "later").rename(folder)
        until(lambda: b"a.wav" in rows.verdicts(), "the pair")


def test_the_observer_tells_paths_and_not_our_own_reads(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    hints = Hints()
    observer = Observer(os.fsencode(link), hints)
    assert not observer.alive()
    assert observer.start() is None
    try:
        assert observer.alive()
        path = drop(folder, b"\xff a.wav", SOUND)
        seen: set[bytes] = set()
        marker = drop(folder, "marker.wav", SOUND)  # comes after everything about the first
        until(lambda: bool(seen.update(hints.take()[0])) or marker in seen, "the events")
        assert path in seen
        with open(folder / os.fsdecode(path), "rb") as file:
            file.read()
        last = drop(folder, "last.wav", SOUND)
        after: set[bytes] = set()
        until(lambda: bool(after.update(hints.take()[0])) or last in after, "the next event")
        assert path not in after
        assert observer.restart() is None
        assert observer.alive()
    finally:
        observer.stop()
    assert not observer.alive()


def test_the_observer_says_why_it_cannot_watch(folder: Path) -> None:
    before = threading.active_count(), len(os.listdir("/proc/self/fd"))
    observer = Observer(os.fsencode(folder / "nowhere"), Hints())
    assert "ENOENT" in (observer.start() or "")
    assert not observer.alive()
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


def test_the_observer_dies_visibly_with_its_folder(folder: Path) -> None:
    observer = Observer(os.fsencode(folder), Hints())
    observer.start()
    try:
        folder.rmdir()
        until(lambda: not observer.alive(), "the end of the watch")
    finally:
        observer.stop()


def test_full_hints_mean_scan_now() -> None:
    hints = Hints(capacity=2)
    for name in (b"a", b"b", b"a"):
        hints.put(name)
    assert hints.take() == ([b"a", b"b"], False)
    for name in (b"a", b"b", b"c"):
        hints.put(name)
    assert hints.take() == ([b"a", b"b"], True)
    assert hints.take() == ([], False)
    hints.overflow()
    assert hints.take() == ([], True)


def test_an_unexpected_error_in_one_file_names_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = drop_pair(folder, "good"), drop_pair(folder, "79990001122")

    def poisoned(settings: SourceSettings, found: object, *rest: object) -> Arrival:
        if getattr(found, "path", b"") == bad:
            raise ZeroDivisionError(os.fsdecode(bad))
        return judge(settings, found, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("ingest.intake.settling.judge", poisoned)
    with caplog.at_level(logging.DEBUG):
        rows = once(source(folder))
    assert rows.verdicts() == {good: (Status.PENDING, None)}
    assert "ZeroDivisionError at test_intake.py:" in caplog.text
    assert "79990001122" not in caplog.text


def test_the_window_makes_a_walk_wait_and_lets_it_go_on(folder: Path) -> None:
    paths = {drop_pair(folder, f"{number:03}") for number in range(30)}
    rows = Rows()
    SourceIntake(source(folder, settle_seconds=0.02), rows, window=4).run_once(threading.Event())
    assert rows.verdicts() == dict.fromkeys(paths, (Status.PENDING, None))


def test_files_that_go_on_growing_do_not_block_the_walk(folder: Path) -> None:
    paths = [drop_pair(folder, name) for name in ("a", "b")]
    rows, stop = Rows(), threading.Event()
    settings = source(folder, settle_seconds=0.1, scan_seconds=0.05, watch=Watch.POLL)
    intake = SourceIntake(settings, rows, window=1)
    thread = threading.Thread(target=intake.run, args=(stop,))
    thread.start()
    try:
        with open(folder / "a.wav", "ab", buffering=0) as one, open(folder / "b.wav", "ab", buffering=0) as other:
            until(lambda: bool(one.write(b"x") and other.write(b"x")) and len(rows.added) == 2, "both rows")
    finally:
        stop.set()
        intake.wake()
        thread.join(ROOMY)
    assert rows.verdicts() == dict.fromkeys(paths, (Status.INCOMPLETE, Reason.CHANGING))


def test_absent_in_another_folder_than_the_walk_means_nothing(folder: Path) -> None:
    drop(folder, "a.wav", SOUND)
    rows = once(source(folder))
    before = root_identity(os.fsencode(folder))
    folder.rename(folder.parent / "unmounted")
    folder.mkdir()
    assert not list(gone(source(folder), rows, before))
    assert list(gone(source(folder), rows, root_identity(os.fsencode(folder))))


def test_an_empty_mount_point_is_a_source_that_is_away(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        if os.stat(elsewhere).st_dev == os.stat(folder).st_dev:
            pytest.skip("there is no second file system here")
        drop(Path(elsewhere), "a.wav", SOUND)
        share = folder.parent / "share"
        share.symlink_to(elsewhere)
        rows = Rows()
        intake = SourceIntake(source(share), rows)
        intake.run_once(threading.Event())
        share.unlink()
        share.symlink_to(folder)
        intake.run_once(threading.Event())
    assert [available for available, *_ in rows.visits] == [True, False]
    assert rows.verdicts() == {b"a.wav": (Status.INCOMPLETE, Reason.METADATA_MISSING)}


def test_stop_ends_a_long_wait(folder: Path) -> None:
    drop_pair(folder, "a")
    rows = Rows()
    intake, stop = SourceIntake(source(folder, settle_seconds=3600), rows), threading.Event()
    thread = threading.Thread(target=intake.run_once, args=(stop,))
    thread.start()
    until(lambda: bool(rows.visits), "the walk")
    stop.set()
    intake.wake()
    thread.join(ROOMY)
    assert not thread.is_alive()
    assert not rows.added


def test_looks(folder: Path) -> None:
    drop_pair(folder, "a")
    drop(folder, "@eaDir/a.wav", SOUND)
    drop(folder, "x.txt", b"")
    settings = source(folder)
    assert look(settings, b"a.wav") == look(settings, b"a.json")
    assert look(settings, b"a.wav").finding is Finding.PAIR
    assert look(settings, b"@eaDir/a.wav").pattern == "**/@eaDir"
    assert look(settings, b"x.txt").finding is Finding.UNMATCHED
    assert look(settings, b"@eaDir").finding is Finding.IGNORED
    assert look(settings, b"no.wav").finding is Finding.GONE
    with pytest.raises(ValueError, match="cannot be judged"):
        judge(settings, look(settings, b"no.wav"), None)
    with pytest.raises(SourceUnavailable):
        look(source(folder / "away"), b"a.wav")


def test_judged_is_only_what_was_looked_at(folder: Path) -> None:
    path = drop_pair(folder, "a")
    settings = source(folder)
    found = look(settings, path)
    drop(folder, "a.wav", SOUND + b"more")
    assert judge(settings, found, None).reason is Reason.CHANGING
    found = look(settings, path)
    drop(folder, "a.json", GIVEN | {"more": "x"})
    assert judge(settings, found, None).reason is Reason.CHANGING


def test_files_outside_of_the_source(folder: Path) -> None:
    outside = folder.parent.resolve() / "outside"
    drop_pair(outside, "a")
    audio, sidecar = os.fsencode(outside / "a.wav"), os.fsencode(outside / "a.json")
    arrival = judge(source(folder), look_outside(source(folder), audio, sidecar), None)
    assert (arrival.status, arrival.path, arrival.metadata_path) == (Status.PENDING, audio, sidecar)
    lonely = look_outside(source(folder), audio, None)
    assert judge(source(folder), lonely, None).reason is Reason.METADATA_MISSING
    assert look_outside(source(folder), audio + b"x", sidecar).finding is Finding.GONE
    assert isinstance(arrival.audio, Shape)
