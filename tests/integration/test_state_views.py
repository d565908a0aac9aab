"""The door for looking: finds a recording by everything it is called by, and never shows a dead service as running."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.recording import OperationResult, OperationState, Reason, Shape, Status
from ingest.state.followups import Followed
from ingest.state.instances import Kind, ServiceState
from ingest.state.settlements import Settlement
from ingest.state.shown import Amount
from ingest.state.store import Store
from tests.support.state import (
    SOURCE,
    accepted,
    begin,
    deliver,
    ids,
    lonely_audio,
    lonely_sidecar,
    mark,
    only,
    other_process,
    pair,
    rows,
)


@pytest.fixture
def instance_id(store: Store) -> int:
    return begin(store, SOURCE, "support")


@pytest.fixture
def delivered(store: Store, instance_id: int) -> int:
    """Delivered at the second attempt, beside another recording that has nothing in common with it."""
    store.arrivals.add([pair(b"2026/call-0001.wav")])
    (claim,) = store.deliveries.claim(instance_id, 1)
    store.deliveries.closing(mark(claim, "early"))
    again = Settlement(claim=claim, to=Status.PENDING, next_attempt_at=1, ids=ids("early"))
    store.deliveries.settle([again])
    claim = deliver(store, instance_id, "late")
    (due,) = store.deliveries.operations_due(9)
    result = OperationResult(state=OperationState.SUCCEEDED, talk_ids=("talk-1", "talk_%2"))
    store.deliveries.follow([Followed(due=due, result=result)])
    store.arrivals.add([pair(b"2026/call-0002.wav", source="support")])
    return claim.id


class TestFind:
    @pytest.mark.parametrize(
        "what",
        [
            "1",
            "badge-late",
            "operation-late",
            "talk-1",
            "talk_%2",
            "client-late",
            "request-late",
            "trace-late",
            "client-early",
            "2026/call-0001.wav",
            "2026/call-0001.json",
            "call-0001.wav",
            "call-0001.json",
        ],
    )
    def test_p6_by_everything_it_is_called_by(self, store: Store, delivered: int, what: str) -> None:
        assert [row.id for row in store.views.find(what)] == [delivered]

    @pytest.mark.parametrize(
        "what",
        ["999", "9" * 19, "9" * 5000, "", "talk", "talk_X2", "%", "0001.wav", "/call-0001.wav", "\udcff.wav", "звонок"],
    )
    def test_nothing_else_is_taken_for_it(self, store: Store, delivered: int, what: str) -> None:
        assert store.views.find(what) == []

    def test_p6_a_name_that_is_not_utf_8(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"day/\xff.wav"), pair("день/ё.wav".encode())])
        assert [row.path for row in store.views.find("day/\udcff.wav")] == [b"day/\xff.wav"]
        assert [row.path for row in store.views.find("\udcff.wav")] == [b"day/\xff.wav"]
        assert [row.path for row in store.views.find("ё.wav")] == ["день/ё.wav".encode()]

    def test_a_name_of_digits(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"20260301093000123456789")])
        assert len(store.views.find("20260301093000123456789")) == 1

    def test_by_its_place_in_one_source(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(), pair(source="support")])
        (found,) = store.views.find("/srv/call-0001.wav", source_name="support", path=b"call-0001.wav")
        assert found.source == "support"
        (found,) = store.views.find("/srv/call-0001.json", source_name=SOURCE, path=b"call-0001.json")
        assert found.source == SOURCE

    @pytest.mark.parametrize("what", ["2026/calls.csv", "calls.csv", "/srv/2026/calls.csv"])
    def test_p6_a_manifest_tells_none_of_its_recordings_apart(self, store: Store, instance_id: int, what: str) -> None:
        store.arrivals.add([pair(b"2026/x.wav", metadata_path=b"2026/calls.csv", sidecar=None, entry="d" * 64)])
        assert store.views.find(what, source_name=SOURCE, path=b"2026/calls.csv") == []

    def test_p6_a_sidecar_does_so_also_beside_a_manifest(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"2026/x.wav", entry="d" * 64)])
        for what in ("2026/x.json", "x.json"):
            assert [row.path for row in store.views.find(what)] == [b"2026/x.wav"]

    def test_several_the_newest_last(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"a/x.wav"), pair(b"b/x.wav"), pair(b"c/y.wav")])
        assert [row.path for row in store.views.find("x.wav")] == [b"a/x.wav", b"b/x.wav"]


class TestRecordings:
    @pytest.fixture(autouse=True)
    def _three(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(), lonely_audio(b"b.wav", source="support"), lonely_sidecar(b"c.json")])

    def test_by_status_source_and_reason(self, store: Store) -> None:
        def paths(**wanted: object) -> list[bytes]:
            return [row.path for row in store.views.recordings(**wanted)]  # type: ignore[arg-type]

        assert paths() == [b"call-0001.wav", b"b.wav", b"c.json"]
        assert paths(status=Status.INCOMPLETE) == [b"b.wav", b"c.json"]
        assert paths(source_name="support") == [b"b.wav"]
        assert paths(reason=Reason.AUDIO_MISSING) == [b"c.json"]
        assert paths(status=Status.INCOMPLETE, source_name=SOURCE) == [b"c.json"]
        assert paths(source_name="never") == []

    def test_p8_more_than_a_page(self, store: Store) -> None:
        store.arrivals.add([pair(b"%05d.wav" % number) for number in range(2_100)])
        assert len(rows(store)) == 2_103
        assert len(list(store.views.recordings(status=Status.PENDING))) == 2_101

    def test_a_lonely_sidecar_is_shown_by_its_own_path(self, store: Store) -> None:
        row = rows(store)[2]
        assert (row.path, row.metadata_path, row.size, row.operation) == (b"c.json", b"c.json", None, None)

    def test_one_by_its_id(self, store: Store) -> None:
        row = store.views.recording(2)
        assert row is not None
        assert row.path == b"b.wav"
        assert store.views.recording(99) is None


class TestCounts:
    def test_p6_per_status_and_source(self, store: Store, delivered: int, instance_id: int) -> None:
        store.arrivals.add([pair(b"x.wav", source="support"), lonely_audio(b"y.wav")])
        assert store.views.counts() == {Status.DONE: 1, Status.PENDING: 2, Status.INCOMPLETE: 1}
        floor, support = store.views.sources()
        assert (floor.name, floor.counts) == (SOURCE, {Status.DONE: 1, Status.INCOMPLETE: 1})
        assert (support.name, support.counts) == ("support", {Status.PENDING: 2})
        assert (floor.waiting, support.waiting) == (Amount(), Amount(recordings=2, size=2 * 16_044, seconds=2.0))
        assert (floor.last_done_at, support.last_done_at) == (rows(store)[0].done_at, None)
        assert support.last_arrival_at == rows(store)[2].first_seen_at
        assert store.views.oldest_pending() == rows(store)[1].ready_at
        assert store.views.backlog() == (2, 2 * 16_044)

    def test_what_was_done_since(self, store: Store, delivered: int) -> None:
        done_at = only_done(store)
        assert store.views.done_since(done_at) == Amount(recordings=1, size=16_044, seconds=1.0)
        assert store.views.done_since(done_at + 1) == Amount()

    def test_nothing_yet(self, store: Store, instance_id: int) -> None:
        assert store.views.counts() == {}
        assert store.views.oldest_pending() is None
        assert store.views.last_error() is None
        assert store.views.done_since(0) == Amount()
        assert store.views.newest_change() == 0
        assert not store.views.sending()

    def test_what_changed_since(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(), pair(b"b.wav")])
        before = store.views.newest_change()
        deliver(store, instance_id)
        (claim,) = store.deliveries.claim(instance_id, 1)
        assert store.views.sending()
        store.deliveries.settle([Settlement(claim=claim, to=Status.FAILED, reason=Reason.REJECTED)])
        assert not store.views.sending()
        assert store.views.changes_after(before) == {Status.SENDING: 2, Status.DONE: 1, Status.FAILED: 1}

    def test_p6_the_last_error(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(), pair(b"b.wav")])
        (claim,) = store.deliveries.claim(instance_id, 1)
        broken = Settlement(
            claim=claim, to=Status.PENDING, reason=Reason.STREAM_BROKEN, detail="It broke.", next_attempt_at=1
        )
        store.deliveries.settle([broken])
        deliver(store, instance_id)
        error = store.views.last_error()
        assert error is not None
        assert (error.reason, error.detail) == (Reason.STREAM_BROKEN, "It broke.")


def only_done(store: Store) -> int:
    (row,) = store.views.recordings(status=Status.DONE)
    assert row.done_at is not None
    return row.done_at


class TestService:
    def test_p6_it_says_how_it_does(self, store: Store, instance_id: int) -> None:
        assert store.views.service().state is ServiceState.RUNNING
        store.instances.say(instance_id, ServiceState.PAUSED, Reason.KEY_REFUSED, "The key is refused.")
        service = store.views.service()
        assert (service.state, service.reason, service.detail) == (
            ServiceState.PAUSED,
            Reason.KEY_REFUSED,
            "The key is refused.",
        )
        assert service.version == "0.1.0"
        store.instances.say(instance_id, ServiceState.RUNNING)
        store.instances.heartbeat(instance_id)
        assert (store.views.service().state, store.views.service().reason) == (ServiceState.RUNNING, None)

    def test_p6_a_killed_one_has_stopped(self, store: Store, database: Path) -> None:
        assert store.views.service().state is ServiceState.STOPPED
        begin(store)
        with other_process("claim", str(database), "1", "0") as process:
            assert store.views.service().state is ServiceState.RUNNING
            process.kill()
            process.wait()
        service = store.views.service()
        assert service.state is ServiceState.STOPPED
        assert service.detail is not None
        assert "killed" in service.detail
        assert service.since is not None

    def test_commands_are_no_service(self, store: Store, instance_id: int) -> None:
        store.instances.start(Kind.COMMAND, "host-1", "0.2.0")
        assert store.views.service().version == "0.1.0"

    def test_p8_the_dead_that_hold_nothing_are_forgotten(self, store: Store, database: Path) -> None:
        begin(store)
        for _ in range(3):
            with other_process("claim", str(database), "1", "0"):
                pass
        store.instances.start(Kind.COMMAND, "host-1", "0.1.0")
        with closing(sqlite3.connect(database)) as connection:
            hosts = connection.execute("SELECT host FROM instance ORDER BY id").fetchall()
        assert hosts == [("host-1",), ("host-2",), ("host-1",)]  # we, the newest service, we again

    def test_p1_the_dead_that_hold_something_are_not(self, store: Store, database: Path) -> None:
        begin(store)
        store.arrivals.add([pair()])
        with other_process("claim", str(database), "1", "0"):
            pass
        begin(store)
        begin(store)
        assert (only(store).status, only(store).host) == (Status.SENDING, "host-2")
        assert store.instances.take_over().pending == 1


class TestText:
    def test_p4_what_went_in_comes_out(self, store: Store, instance_id: int) -> None:
        fields = {"client_name": "Клиент “0001” \u2028\n\x00", "operator_id": "7"}
        store.arrivals.add([pair(fields=fields)])
        assert only(store).fields == fields
        assert store.deliveries.claim(instance_id, 1)[0].fields == fields
        assert json.loads(json.dumps(dict(only(store).fields))) == fields

    def test_the_answer_of_a_settlement(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        (claim,) = store.deliveries.claim(instance_id, 1)
        store.deliveries.closing(mark(claim))
        store.deliveries.settle([accepted(claim)])
        entries = store.views.history(claim.id)
        assert [(entry.before, entry.after, entry.attempt) for entry in entries] == [
            (None, Status.PENDING, 0),
            (Status.PENDING, Status.SENDING, 1),
            (Status.SENDING, Status.DONE, 1),
        ]
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        assert store.views.history(99) == []


@pytest.mark.parametrize("number", [0, -1, 10**18, 2**63, 10**30])
def test_no_number_is_too_large_to_be_asked_for(store: Store, number: int) -> None:
    assert store.views.recording(number) is None


def test_the_file_belongs_to_the_newest_generation_in_its_source(store: Store, delivered: int) -> None:
    path = b"2026/call-0001.wav"
    other = pair(path, audio=Shape(1, 1), sha256="b" * 64, replaces=store.arrivals.known(SOURCE, [path])[path])
    assert store.views.newest_of(SOURCE, path) == delivered
    store.arrivals.add([other])
    newest = store.views.newest_of(SOURCE, path)
    assert newest is not None
    assert newest > delivered
    assert store.views.newest_of("support", path) is None
    assert store.views.newest_of("elsewhere", path) is None
