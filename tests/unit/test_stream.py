"""The held-back last block: its mark comes first; it stays back when the call is over or the file has changed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.content.payload import open_payload
from ingest.delivery.stream import HeldBackStream, Mark
from ingest.failures import AttemptFailure, Moment, RecordingIncomplete
from ingest.recording import Content, Reason, Shape
from ingest.state.marks import Standing

BLOCK = 1000


class Marks:
    """A durable mark as the state writes it, and what had been let go by then."""

    def __init__(self, ours: bool = True) -> None:
        self.ours = ours
        self.written: list[Content] = []
        self.files: list[Content] = []
        self.taken: list[bytes] = []
        self.before: list[int] = []

    def __call__(self, sent: Content, file: Content) -> Standing:
        self.written.append(sent)
        self.files.append(file)
        self.before.append(len(b"".join(self.taken)))
        return Standing.WRITTEN if self.ours else Standing.NOT_OURS


@contextmanager
def stream_of(folder: Path, content: bytes, mark: Mark, probe_seconds: float = 0) -> Iterator[HeldBackStream]:
    file = folder / "one.wav"
    file.write_bytes(content)
    status = file.stat()
    with open_payload(os.fsencode(folder), b"one.wav", Shape(status.st_size, status.st_mtime_ns)) as payload:
        yield HeldBackStream(payload, BLOCK, mark, probe_seconds=probe_seconds)


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7])
def test_p2_the_mark_is_written_once_before_the_last_block_and_says_what_goes_out(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    marks = Marks()
    with stream_of(tmp_path, content, marks) as stream:
        for block in stream:
            marks.taken.append(block)

    assert b"".join(marks.taken) == content
    assert max(map(len, marks.taken)) <= BLOCK
    assert marks.written == marks.files == [Content(size, hashlib.sha256(content).hexdigest())]
    assert marks.before == [size - len(marks.taken[-1])]
    assert (stream.marked, stream.handed_over) == (True, size)
    assert stream.moment is Moment.LAST_BYTE_LET_GO


def test_p2_the_moment_says_last_byte_only_once_the_last_block_goes(tmp_path: Path) -> None:
    moments = []
    with stream_of(tmp_path, bytes(3 * BLOCK), Marks()) as stream:
        moments.append(stream.moment)
        moments += [stream.moment for _ in stream]

    assert moments == [
        Moment.BEFORE_FIRST_BYTE,
        Moment.MID_STREAM,
        Moment.MID_STREAM,
        Moment.LAST_BYTE_LET_GO,
    ]


def test_p2_nothing_more_is_let_go_when_the_call_is_over_before_the_mark(tmp_path: Path) -> None:
    marks = Marks()
    with stream_of(tmp_path, bytes(3 * BLOCK), marks) as stream:
        stream.attach(lambda: True)
        taken = list(stream)

    assert len(taken) == 2
    assert marks.written == []
    assert (stream.marked, stream.moment) == (False, Moment.MID_STREAM)


def test_p2_nothing_more_is_let_go_when_the_call_ends_while_the_mark_is_written(tmp_path: Path) -> None:
    marks = Marks()
    with stream_of(tmp_path, bytes(BLOCK), marks) as stream:
        stream.attach(lambda: bool(marks.written))
        taken = list(stream)

    assert taken == []
    assert (stream.marked, stream.moment) == (True, Moment.BEFORE_FIRST_BYTE)


def test_p2_nothing_more_is_let_go_of_a_recording_that_another_process_took(tmp_path: Path) -> None:
    with stream_of(tmp_path, bytes(BLOCK), Marks(ours=False)) as stream, pytest.raises(AttemptFailure) as caught:
        list(stream)

    assert caught.value.reason is Reason.STOPPED
    assert not stream.marked
    assert stream.moment is Moment.BEFORE_FIRST_BYTE


def rewritten(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))
    os.utime(file, ns=(1, 1))


def grown(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size + 1))


def shortened(file: Path) -> None:
    os.truncate(file, BLOCK)


@pytest.mark.parametrize("change", [rewritten, grown, shortened])
def test_p3_a_file_that_changes_while_it_is_read_is_not_let_go(tmp_path: Path, change: Callable[[Path], None]) -> None:
    marks = Marks()

    def read() -> None:
        for block in stream:
            marks.taken.append(block)
            change(tmp_path / "one.wav")

    with stream_of(tmp_path, bytes(3 * BLOCK), marks) as stream, pytest.raises(RecordingIncomplete) as caught:
        read()

    assert caught.value.reason is Reason.CHANGING
    assert len(marks.taken) < 3
    assert (marks.written, stream.marked) == ([], False)


def test_p3_a_file_that_changed_before_it_was_opened_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(bytes(BLOCK))

    with pytest.raises(RecordingIncomplete), open_payload(os.fsencode(tmp_path), b"one.wav", Shape(BLOCK, 1)):
        pass


def test_a_probe_gives_an_early_refusal_time_before_the_mark(tmp_path: Path) -> None:
    marks = Marks()
    with stream_of(tmp_path, bytes(BLOCK), marks, probe_seconds=30) as stream:
        refused_at = time.monotonic() + 0.1
        stream.attach(lambda: time.monotonic() > refused_at)
        taken = list(stream)

    assert (taken, marks.written) == ([], [])
    assert time.monotonic() < refused_at + 10


def test_a_probe_that_is_not_refused_goes_on_after_its_wait(tmp_path: Path) -> None:
    marks = Marks()
    began = time.monotonic()
    with stream_of(tmp_path, bytes(BLOCK), marks, probe_seconds=0.2) as stream:
        taken = list(stream)

    assert len(taken) == len(marks.written) == 1
    assert time.monotonic() - began >= 0.2
