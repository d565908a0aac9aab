"""Files that cannot be taken in: each stands alone with its reason, in words without a caller's data."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.intake.judge import judge
from ingest.intake.look import Look
from ingest.recording import Arrival, Reason, Shape, Status
from ingest.settings import AudioSettings, MetadataSettings, SourceSettings
from tests.support.audio import wav, wav_header
from tests.support.intake import Source
from tests.support.peers import lacking
from tests.support.samples import GIVEN, SOUND
from tests.support.sources import without_roots_rights
from tests.support.state import deliver, lose_the_answer, pair

AUDIO_ALONE = MetadataSettings(sidecar=(), required=())
PENDING = (Status.PENDING, None)
BAD_SIDECARS = {
    "not json": (b"client: one", Reason.METADATA_INVALID),
    "ten megabytes": (b'{"a": "' + b"x" * 10_000_000 + b'"}', Reason.METADATA_INVALID),
    "deep": (b"[" * 60_000, Reason.METADATA_INVALID),
    "lacks a key": (b'{"operator_name": "Operator One"}', Reason.METADATA_KEY_MISSING),
    "list": (json.dumps(GIVEN | {"client_id": ["client-0001"]}).encode(), Reason.METADATA_VALUE_INVALID),
}


def test_p5_bad_sidecars_fail_alone_with_a_sentence_and_no_data(source: Source) -> None:
    good = source.drop_pair("good")
    for name, (content, _) in BAD_SIDECARS.items():
        source.drop(f"{name}.wav", SOUND)
        source.drop(f"{name}.json", content)
    source.once()
    expected = {f"{name}.wav".encode(): (Status.FAILED, reason) for name, (_, reason) in BAD_SIDECARS.items()}
    assert source.verdicts() == expected | {good: PENDING}
    for row in source.all().values():
        assert row.status is Status.PENDING or (
            row.detail and "client-0001" not in row.detail and ".wav" not in row.detail
        )


def test_p6_bad_audio_fails_and_names_both_faults(source: Source) -> None:
    source.drop("text.wav", b"this is a letter")
    source.drop("text.json", b"{}")
    source.drop("gsm.WAV", SOUND[:20] + b"\x31" + SOUND[21:])
    source.drop("gsm.json", GIVEN)
    source.drop("stereo.wav", wav(seconds=0.1, channels=2))
    source.drop("stereo.json", GIVEN)
    source.drop("half.wav", wav_header(1000) + bytes(10))
    source.drop("half.json", b"{}")
    source.once()
    assert source.verdicts() == {
        b"text.wav": (Status.FAILED, Reason.AUDIO_DAMAGED),
        b"gsm.WAV": (Status.FAILED, Reason.AUDIO_UNSUPPORTED),
        b"stereo.wav": (Status.FAILED, Reason.AUDIO_CHANNELS),
        b"half.wav": (Status.INCOMPLETE, Reason.AUDIO_UNFINISHED),
    }
    detail = source.row(b"text.wav").detail or ""
    assert "text, not audio" in detail
    assert "client_id" in detail
    assert "GSM" in (source.row(b"gsm.WAV").detail or "")


def test_p7_links_and_pipes_are_visible_and_never_followed(source: Source) -> None:
    outside = source.folder.parent / "outside"
    source.drop_pair("secret", outside)
    source.drop_pair("deep/secret", outside)
    (source.folder / "link.wav").symlink_to(outside / "secret.wav")
    source.drop("link.json", GIVEN)
    (source.folder / "archive").symlink_to(outside)
    os.mkfifo(source.folder / "pipe.wav")
    source.drop("beside.wav", SOUND)
    (source.folder / "beside.json").symlink_to(outside / "secret.json")
    (source.folder / "folder.wav").mkdir()
    (source.folder / "dangling.wav").symlink_to("nowhere")
    source.once()
    paths = (b"link.wav", b"pipe.wav", b"beside.wav", b"dangling.wav")
    assert source.verdicts() == dict.fromkeys(paths, (Status.FAILED, Reason.FILE_UNSAFE))
    view = source.view()
    assert (view.available, view.detail, view.unmatched) == (True, None, 1)  # the linked folder
    handed_over = len(source.door.handed_over)
    source.once()
    assert len(source.door.handed_over) == handed_over


@pytest.fixture
def device() -> Path:
    """A folder with an ordinary file `speed` of 4096 bytes; each read of it fails (EINVAL), whoever asks."""
    loopback = Path("/sys/class/net/lo")
    if not (loopback / "speed").is_file():
        lacking("needs the loopback interface in /sys")
    return loopback


def test_p1_a_file_whose_bytes_cannot_be_read_is_visible_and_read_again(source: Source, device: Path) -> None:
    for _ in range(2):
        source.once(path=device, audio=("speed",), metadata=AUDIO_ALONE)
    assert source.verdicts() == {b"speed": (Status.INCOMPLETE, Reason.UNREADABLE)}
    detail = source.row(b"speed").detail or ""
    assert "could not be read (EINVAL)" in detail
    assert "Check the disk" in detail
    assert len(source.door.handed_over) == 1  # it is judged again, and there is nothing new to say


@pytest.mark.parametrize("send", [deliver, lose_the_answer])
def test_p2_what_was_sent_stays_sent_when_its_bytes_cannot_be_read(
    source: Source, device: Path, instance_id: int, send: object
) -> None:
    source.store.arrivals.add([pair(b"speed", metadata_path=None, sidecar=None, audio=Shape(1, 1))])
    send(source.store, instance_id)  # type: ignore[operator]
    before = source.all()
    source.once(path=device, audio=("speed",), metadata=AUDIO_ALONE)
    assert source.all() == before
    assert not source.door.handed_over


WALK = """
import sys
from pathlib import Path
from ingest.state.store import open_store
from tests.support.intake import Source
with open_store(Path(sys.argv[2])) as store:
    source = Source(Path(sys.argv[1]), store)
    source.once()
    for path, (status, reason) in sorted(source.verdicts().items()):
        print(path.decode(), status, reason)
    print(source.view().available, source.view().detail)
"""


def test_p5_without_rights_the_others_go_on(source: Source, database: Path) -> None:
    for stem in ("good", "closed/x", "listed/x", "zz/good", "audio", "sidecar"):
        source.drop_pair(stem)
    (source.folder / "audio.wav").chmod(0)
    (source.folder / "sidecar.json").chmod(0)
    (source.folder / "closed").chmod(0)
    (source.folder / "listed").chmod(0o444)
    finished = subprocess.run(
        [*without_roots_rights(), sys.executable, "-c", WALK, source.folder, database],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    (source.folder / "closed").chmod(0o755)
    (source.folder / "listed").chmod(0o755)
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[:-1] == [
        "audio.wav incomplete unreadable",
        "good.wav pending None",
        "listed/x.wav incomplete unreadable",
        "sidecar.wav incomplete unreadable",
        "zz/good.wav pending None",
    ]
    assert lines[-1].startswith("True 1 folders or files")


def test_p7_an_unexpected_error_in_one_file_names_no_file(
    source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = source.drop_pair("good"), source.drop_pair("79990001122")

    def poisoned(settings: SourceSettings, rules: AudioSettings, found: Look, *rest: object) -> Arrival:
        if found.path == bad:
            raise ZeroDivisionError(os.fsdecode(bad))
        return judge(settings, rules, found, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("ingest.intake.settling.judge", poisoned)
    with caplog.at_level(logging.DEBUG):
        source.once()
    assert source.verdicts() == {good: PENDING}
    assert f"ZeroDivisionError at {Path(__file__).name}:" in caplog.text
    assert "79990001122" not in caplog.text
