"""What the state knows already: when it is judged anew, when it is left alone, when it has gone and comes back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import pytest

from ingest.recording import Reason, Status
from tests.support.intake import Source
from tests.support.samples import GIVEN, SOUND
from tests.support.state import deliver, lose_the_answer, refuse, rows, trail

OTHER_SOUND = SOUND + b"more"
PENDING = (Status.PENDING, None)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sent(source: Source, instance_id: int, stem: str = "a") -> None:
    source.drop_pair(stem)
    source.once()
    deliver(source.store, instance_id, sha256=sha256(SOUND))


def sent_without_an_answer(source: Source, instance_id: int) -> None:
    source.drop_pair("a")
    source.once()
    lose_the_answer(source.store, instance_id, sha256=sha256(SOUND))


@pytest.mark.parametrize(
    ("send", "status"),
    [(sent, Status.DONE), (sent_without_an_answer, Status.UNCONFIRMED)],
)
def test_p2_a_changed_sidecar_never_sends_again_and_the_audio_decides_by_its_hash(
    source: Source, instance_id: int, send: Callable[[Source, int], None], status: Status
) -> None:
    path = b"a.wav"
    send(source, instance_id)
    first = source.row(path)
    assert first.status is status

    handed_over = len(source.door.handed_over)
    source.drop("a.json", GIVEN | {"client_id": "client-0002", "more": "x"})
    source.once()
    (source.folder / "a.json").unlink()
    source.once()
    assert len(source.door.handed_over) == handed_over

    source.drop("a.json", GIVEN)
    os.utime(source.folder / "a.wav", (1, 1))
    source.once()
    again = source.door.handed_over.pop()
    assert again.replaces is not None
    assert (again.replaces.status, again.sha256) == (status, sha256(SOUND))
    assert source.row(path) == first
    assert source.known(path).generation == 1

    source.drop("a.wav", OTHER_SOUND)
    source.once()
    assert source.door.handed_over.pop().sha256 == sha256(OTHER_SOUND)
    assert [(row.status, row.id == first.id) for row in rows(source.store) if row.path == path] == [
        (status, True),
        (Status.PENDING, False),
    ]


def test_p2_what_is_being_sent_is_left_alone(source: Source, instance_id: int) -> None:
    path = source.drop_pair("a")
    source.once()
    source.store.deliveries.claim(instance_id, 1)
    claimed = source.row(path)
    source.drop("a.wav", OTHER_SOUND)
    source.once()
    assert len(source.door.handed_over) == 1
    assert source.row(path) == claimed


@pytest.mark.parametrize("is_refused", [True, False])
@pytest.mark.parametrize("change", ["audio", "sidecar", "sidecar gone"])
def test_p1_failed_and_pending_ones_are_judged_anew_when_either_half_changes(
    source: Source, instance_id: int, change: str, is_refused: bool
) -> None:
    path = source.drop_pair("a")
    source.once()
    if is_refused:
        refuse(source.store, instance_id)
    before = source.row(path)
    source.once()
    assert source.row(path) == before
    assert len(source.door.handed_over) == 1
    match change:
        case "audio":
            source.drop("a.wav", OTHER_SOUND)
            verdict = PENDING
        case "sidecar":
            source.drop("a.json", b" {}")
            verdict = (Status.FAILED, Reason.METADATA_KEY_MISSING)
        case _:
            (source.folder / "a.json").unlink()
            verdict = (Status.INCOMPLETE, Reason.METADATA_MISSING)
    source.once()
    assert len(source.door.handed_over) == 2
    assert source.verdicts() == {path: verdict}
    assert source.row(path).id == before.id


def test_p6_what_has_gone_is_missing_and_comes_back(source: Source) -> None:
    source.drop("day/a.wav", SOUND)
    source.drop("b.json", GIVEN)
    source.drop("stays.json", GIVEN)  # an empty folder is another story: see presence
    source.once()
    (source.folder / "day" / "a.wav").unlink()
    (source.folder / "day").rmdir()
    (source.folder / "b.json").unlink()
    missing = (Status.INCOMPLETE, Reason.MISSING)
    for _ in range(2):
        source.once()
        assert source.verdicts() == {
            b"day/a.wav": missing,
            b"b.json": missing,
            b"stays.json": (Status.INCOMPLETE, Reason.AUDIO_MISSING),
        }
        assert len(source.door.handed_over) == 5
    path = source.drop_pair("day/a")
    source.once()
    assert source.verdicts()[path] == PENDING
    assert trail(source.store, source.row(path).id)[-1] == (Status.INCOMPLETE, Status.PENDING)
