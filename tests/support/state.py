"""Makes state databases cheaply, and the arrivals, marks and settlements that go into them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.recording import (
    Answer,
    Arrival,
    Claim,
    Container,
    Content,
    Disposal,
    Known,
    OperationState,
    Reason,
    RequestIds,
    Shape,
    Status,
)
from ingest.state.instances import Kind
from ingest.state.marks import Closing
from ingest.state.migrate import migrate
from ingest.state.settlements import Outcome, Settlement
from ingest.state.shown import RecordingView
from ingest.state.store import Store

SOURCE = "sales-floor"
SHA = "a" * 64
OTHER_SHA = "b" * 64


@lru_cache(maxsize=1)
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        migrate(file)
        return file.read_bytes()


def new_database(folder: Path) -> Path:
    """A migrated, empty state database in `folder`."""
    file = folder / "state.db"
    file.write_bytes(_migrated())
    file.chmod(0o600)
    return file


def begin(store: Store, *names: str) -> int:
    """Makes the sources known (SOURCE when none is named) and registers this process; returns its instance id."""
    store.instances.register_sources({name: Path("/srv/recordings") / name for name in names or (SOURCE,)})
    return store.instances.start(Kind.SERVICE, "host-1", "0.1.0")


def pair(path: bytes = b"call-0001.wav", **changes: object) -> Arrival:
    """A finished pair, `pending` unless changed."""
    stem = path.rpartition(b".")[0]
    whole = Arrival(
        source=SOURCE,
        path=path,
        status=Status.PENDING,
        metadata_path=stem + b".json",
        audio=Shape(16_044, 1_700_000_000_000_000_000),
        sidecar=Shape(200, 1_700_000_001_000_000_000),
        fields={"operator_name": "Operator One", "client_id": "client-0001"},
        container=Container.WAV,
        duration_seconds=1.0,
        connection_id="connection-0001",
        method="badge",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def lonely_audio(path: bytes = b"call-0001.wav", **changes: object) -> Arrival:
    """Audio without metadata."""
    changes = {"metadata_path": None, "sidecar": None, "fields": {}, "container": None, **changes}
    return pair(path, status=Status.INCOMPLETE, reason=Reason.METADATA_MISSING, **changes)


def lonely_sidecar(path: bytes = b"call-0001.json", **changes: object) -> Arrival:
    """Metadata without audio: its path is the sidecar's own."""
    stems = (path.rpartition(b".")[0],)
    changes = {"audio": None, "fields": {}, "container": None, "metadata_path": path, "audio_stems": stems, **changes}
    return pair(path, status=Status.INCOMPLETE, reason=Reason.AUDIO_MISSING, **changes)


def known(store: Store, path: bytes = b"call-0001.wav") -> Known:
    """What the state knows of `path`."""
    return store.arrivals.known(SOURCE, [path])[path]


def rows(store: Store) -> Sequence[RecordingView]:
    """Every recording."""
    return list(store.views.recordings())


def only(store: Store) -> RecordingView:
    """The one recording that there is."""
    (row,) = rows(store)
    return row


def trail(store: Store, recording_id: int) -> Sequence[tuple[Status | None, Status]]:
    """From and to of each change of status, oldest first; every row follows from the one before."""
    changes = [(entry.before, entry.after) for entry in store.views.history(recording_id)]
    assert [before for before, _ in changes] == [None, *(after for _, after in changes[:-1])]
    return changes


def ids(name: str = "1") -> RequestIds:
    """Request ids that name themselves."""
    return RequestIds(client_request_id=f"client-{name}", request_id=f"request-{name}", server_trace_id=f"trace-{name}")


def mark(claim: Claim, name: str = "1", sha256: str = SHA) -> Closing:
    """The mark before the last byte."""
    content = Content(claim.audio.size, sha256)
    return Closing(claim=claim, ids=ids(name), sent=content, file=content)


def answer(name: str = "1", operation: OperationState = OperationState.RUNNING) -> Answer:
    """An accepted upload whose ids name themselves."""
    return Answer(badge_id=f"badge-{name}", operation_id=f"operation-{name}", operation=operation, ids=ids(name))


def accepted(claim: Claim, name: str = "1", sha256: str = SHA, **changes: object) -> Settlement:
    """The settlement of an accepted upload, its operation followed and due at once."""
    settlement = Settlement(
        claim=claim,
        to=Status.DONE,
        sha256=sha256,
        sent_at=1,
        answer=answer(name),
        outcome=Outcome.ACCEPTED,
        followed=True,
        operation_due_at=1,
    )
    return replace(settlement, **changes)  # type: ignore[arg-type]


def deliver(store: Store, instance_id: int, name: str = "1", sha256: str = SHA, **changes: object) -> Claim:
    """Claims the next pending recording and settles it as accepted."""
    (claim,) = store.deliveries.claim(instance_id, 1)
    assert store.deliveries.closing(mark(claim, name, sha256)).stands
    assert list(store.deliveries.settle([accepted(claim, name, sha256, **changes)])) == [True]
    return claim


def refuse(store: Store, instance_id: int) -> Claim:
    """Claims the next pending recording and settles it as rejected."""
    (claim,) = store.deliveries.claim(instance_id, 1)
    refused = Settlement(claim=claim, to=Status.FAILED, reason=Reason.REJECTED, detail="Refused.")
    assert list(store.deliveries.settle([refused])) == [True]
    return claim


def lose_the_answer(store: Store, instance_id: int, name: str = "1", sha256: str = SHA) -> Claim:
    """Claims the next pending recording and leaves it `unconfirmed`."""
    (claim,) = store.deliveries.claim(instance_id, 1)
    assert store.deliveries.closing(mark(claim, name, sha256)).stands
    lost = accepted(
        claim,
        sha256=sha256,
        to=Status.UNCONFIRMED,
        reason=Reason.ANSWER_LOST,
        answer=None,
        outcome=Outcome.UNKNOWN,
        ids=ids(name),
        followed=False,
        operation_due_at=None,
        disposal=Disposal.NONE,
    )
    assert list(store.deliveries.settle([lost])) == [True]
    return claim


@contextmanager
def other_process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs `tests.support.state_process` and has said that it is ready; killed in the end."""
    command = [sys.executable, "-m", "tests.support.state_process", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
