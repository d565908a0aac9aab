"""The door for delivery: claims, the fence, marks, settlements, what dead processes leave."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.recording import Claim, OperationState, Reason, Shape, Status
from ingest.state import clock
from ingest.state.instances import TakenOver
from ingest.state.settlements import Outcome, Settlement
from ingest.state.store import Store
from tests.support.state import (
    SHA,
    SOURCE,
    accepted,
    begin,
    deliver,
    ids,
    mark,
    only,
    other_process,
    pair,
    rows,
    trail,
)

LATER = 4_000_000_000_000_000  # microseconds: in the year 2096


@pytest.fixture
def claim(store: Store, instance_id: int) -> Claim:
    store.arrivals.add([pair()])
    (claimed,) = store.deliveries.claim(instance_id, 1)
    return claimed


def put_back(claim: Claim, at: int) -> Settlement:
    return Settlement(claim=claim, to=Status.PENDING, reason=Reason.STREAM_BROKEN, next_attempt_at=at, failing_since=7)


class TestClaim:
    def test_it_holds_what_was_judged(self, store: Store, claim: Claim) -> None:
        judged = pair()
        assert (claim.source, claim.path, claim.metadata_path) == (SOURCE, judged.path, judged.metadata_path)
        assert (claim.audio, claim.fields, claim.container) == (judged.audio, judged.fields, judged.container)
        assert (claim.connection_id, claim.method) == (judged.connection_id, judged.method)
        assert (claim.attempt, claim.tries, claim.failing_since) == (1, 0, None)
        assert (only(store).status, only(store).host) == (Status.SENDING, "host-1")
        assert trail(store, claim.id) == [(None, Status.PENDING), (Status.PENDING, Status.SENDING)]

    def test_the_oldest_due_comes_first_and_no_more_than_asked_for(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"%d.wav" % number) for number in range(5)])
        (first,) = store.deliveries.claim(instance_id, 1)
        store.deliveries.settle([put_back(first, at=clock.now() - 1)])
        taken = store.deliveries.claim(instance_id, 3)
        assert [one.path for one in taken] == [b"1.wav", b"2.wav", b"3.wav"]
        assert [one.path for one in store.deliveries.claim(instance_id, 9)] == [b"4.wav", b"0.wav"]
        assert store.deliveries.claim(instance_id, 9) == []

    def test_not_before_its_time(self, store: Store, instance_id: int, claim: Claim) -> None:
        store.deliveries.settle([put_back(claim, LATER)])
        assert store.deliveries.claim(instance_id, 9) == []
        assert store.deliveries.next_due() == LATER
        assert only(store).next_attempt_at == LATER

    def test_p5_not_from_a_folder_that_is_away(self, store: Store) -> None:
        instance_id = begin(store, SOURCE, "support")
        store.arrivals.add([pair(), pair(source="support")])
        store.arrivals.seen(SOURCE, available=False, detail="Away.", unmatched=None)
        assert [one.source for one in store.deliveries.claim(instance_id, 9)] == ["support"]
        assert store.deliveries.next_due() is None
        store.arrivals.seen(SOURCE, available=True, detail=None, unmatched=None)
        assert store.deliveries.next_due() == rows(store)[0].next_attempt_at
        assert [one.source for one in store.deliveries.claim(instance_id, 9)] == [SOURCE]

    def test_not_from_a_source_that_is_not_configured_any_more(self, store: Store) -> None:
        instance_id = begin(store, SOURCE, "support")
        store.arrivals.add([pair(), pair(source="support")])
        begin(store, "support")
        assert [one.source for one in store.deliveries.claim(instance_id, 9)] == ["support"]
        begin(store, SOURCE, "support")
        assert [one.source for one in store.deliveries.claim(instance_id, 9)] == [SOURCE]

    def test_one_by_its_id_whatever_its_turn(self, store: Store, instance_id: int, claim: Claim) -> None:
        assert store.deliveries.claim_one(instance_id, claim.id) is None
        store.deliveries.settle([put_back(claim, LATER)])
        taken = store.deliveries.claim_one(instance_id, claim.id)
        assert taken is not None
        assert (taken.attempt, taken.tries, taken.failing_since) == (2, 1, 7)
        assert store.deliveries.claim_one(instance_id, 999) is None

    def test_p2_many_threads_never_claim_one_twice(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"%03d.wav" % number) for number in range(200)])
        together = threading.Barrier(8)

        def take(_: int) -> list[int]:
            together.wait(10)
            taken: list[int] = []
            while claims := store.deliveries.claim(instance_id, 3):
                taken += [one.id for one in claims]
            return taken

        with ThreadPoolExecutor(8) as pool:
            taken = [one for each in pool.map(take, range(8)) for one in each]
        assert sorted(taken) == [row.id for row in rows(store)]
        assert store.views.counts() == {Status.SENDING: 200}


class TestFence:
    """P2: who lost the claim neither lets the last byte go nor says how it ended."""

    @pytest.fixture
    def newer(self, store: Store, instance_id: int, claim: Claim) -> Claim:
        store.deliveries.settle([put_back(claim, at=1)])
        (newer,) = store.deliveries.claim(instance_id, 1)
        assert newer.attempt == claim.attempt + 1
        return newer

    def test_p2_a_stale_claim_leaves_no_mark(self, store: Store, claim: Claim, newer: Claim) -> None:
        assert not store.deliveries.closing(mark(claim)).stands
        assert store.deliveries.closing(mark(newer)).stands

    def test_p2_a_stale_claim_settles_nothing(self, store: Store, claim: Claim, newer: Claim) -> None:
        changes = store.views.history(claim.id)
        stale = [accepted(claim), put_back(claim, 1), Settlement(claim=claim, to=Status.FAILED)]
        assert list(store.deliveries.settle(stale)) == [False, False, False]
        assert only(store).status is Status.SENDING
        assert store.views.history(claim.id) == changes

    def test_p2_a_settled_claim_is_spent(self, store: Store, claim: Claim) -> None:
        assert store.deliveries.closing(mark(claim)).stands
        assert list(store.deliveries.settle([accepted(claim)])) == [True]
        assert not store.deliveries.closing(mark(claim)).stands
        assert list(store.deliveries.settle([put_back(claim, 1)])) == [False]
        assert (only(store).status, only(store).badge_id) == (Status.DONE, "badge-1")

    def test_p2_of_two_ends_in_one_batch_the_first_holds(self, store: Store, claim: Claim) -> None:
        assert list(store.deliveries.settle([put_back(claim, LATER), accepted(claim)])) == [True, False]
        assert only(store).status is Status.PENDING
        assert trail(store, claim.id)[-1] == (Status.SENDING, Status.PENDING)

    def test_one_stale_does_not_hold_back_the_others(self, store: Store, instance_id: int, newer: Claim) -> None:
        store.arrivals.add([pair(b"other.wav")])
        (other,) = store.deliveries.claim(instance_id, 1)
        stale = put_back(newer, 1)
        store.deliveries.settle([stale])
        assert list(store.deliveries.settle([stale, put_back(other, 1)])) == [False, True]


class TestSettle:
    def test_done(self, store: Store, claim: Claim) -> None:
        before = clock.now()
        assert store.deliveries.closing(mark(claim)).stands
        assert list(store.deliveries.settle([accepted(claim)])) == [True]
        row = only(store)
        assert (row.status, row.sha256, row.attempts, row.sent_at) == (Status.DONE, SHA, 1, 1)
        assert (row.badge_id, row.operation_id, row.operation) == ("badge-1", "operation-1", OperationState.RUNNING)
        assert (row.client_request_id, row.request_id, row.server_trace_id) == ("client-1", "request-1", "trace-1")
        assert row.done_at is not None
        assert before <= row.done_at <= clock.now()
        assert row.next_attempt_at is None
        assert trail(store, claim.id)[-1] == (Status.SENDING, Status.DONE)

    def test_an_operation_that_is_not_followed_is_not_known(self, store: Store, claim: Claim) -> None:
        store.deliveries.closing(mark(claim))
        store.deliveries.settle([accepted(claim, followed=False, operation_due_at=None)])
        assert (only(store).operation, only(store).operation_id) == (None, "operation-1")
        assert store.deliveries.operations_due(9) == []

    @pytest.mark.parametrize(("counted", "attempts"), [(True, 1), (False, 0)])
    def test_pending_again(self, store: Store, claim: Claim, counted: bool, attempts: int) -> None:
        again = Settlement(
            claim=claim,
            to=Status.PENDING,
            reason=Reason.UNREACHABLE,
            detail="SpeechSense could not be reached.",
            grpc_code="UNAVAILABLE",
            counted=counted,
            next_attempt_at=LATER,
            failing_since=5,
            ids=ids("2"),
        )
        rings = store.bell.rings
        assert list(store.deliveries.settle([again])) == [True]
        assert store.bell.rings == rings + 1
        row = only(store)
        assert (row.status, row.reason, row.attempts) == (Status.PENDING, Reason.UNREACHABLE, attempts)
        assert (row.client_request_id, row.next_attempt_at, row.done_at) == ("client-2", LATER, None)
        entry = store.views.history(claim.id)[-1]
        assert (entry.reason, entry.grpc_code, entry.attempt) == (Reason.UNREACHABLE, "UNAVAILABLE", 1)
        assert entry.detail == "SpeechSense could not be reached."

    def test_refused_after_the_last_byte(self, store: Store, instance_id: int, claim: Claim) -> None:
        store.deliveries.closing(mark(claim))
        refused = Settlement(claim=claim, to=Status.PENDING, outcome=Outcome.REFUSED, next_attempt_at=1)
        assert list(store.deliveries.settle([refused])) == [True]
        deliver(store, instance_id, "2")
        assert (only(store).badge_id, only(store).attempts) == ("badge-2", 2)

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (Status.FAILED, Reason.REJECTED),
            (Status.INCOMPLETE, Reason.CHANGING),
            (Status.UNCONFIRMED, Reason.ANSWER_LOST),
        ],
    )
    def test_p6_the_other_ends(
        self, store: Store, instance_id: int, claim: Claim, status: Status, reason: Reason
    ) -> None:
        store.deliveries.closing(mark(claim))
        end = Settlement(claim=claim, to=status, reason=reason, detail="Why.", sha256=SHA, outcome=Outcome.UNKNOWN)
        assert list(store.deliveries.settle([end])) == [True]
        row = only(store)
        assert (row.status, row.reason, row.detail, row.sha256) == (status, reason, "Why.", SHA)
        assert (row.next_attempt_at, row.badge_id) == (None, None)
        assert store.deliveries.claim(instance_id, 9) == []
        assert trail(store, claim.id)[-1] == (Status.SENDING, status)

    @pytest.mark.parametrize("status", [Status.SENDING, Status.SKIPPED])
    def test_no_attempt_ends_like_this(self, store: Store, claim: Claim, status: Status) -> None:
        with pytest.raises(ValueError, match="cannot go from"):
            store.deliveries.settle([Settlement(claim=claim, to=status)])
        assert only(store).status is Status.SENDING

    def test_many_at_once(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"%d.wav" % number) for number in range(3)])
        claims = store.deliveries.claim(instance_id, 3)
        for one in claims:
            store.deliveries.closing(mark(one, str(one.id)))
        ends = [accepted(claims[0], "a"), put_back(claims[1], LATER), accepted(claims[2], "c")]
        assert list(store.deliveries.settle(ends)) == [True, True, True]
        assert [row.badge_id for row in rows(store)] == ["badge-a", None, "badge-c"]


class TestNextDue:
    def test_nothing(self, store: Store, instance_id: int) -> None:
        assert store.deliveries.next_due() is None

    def test_the_earliest(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(b"%d.wav" % number) for number in range(3)])
        for at, one in zip([LATER + 2, LATER, LATER + 1], store.deliveries.claim(instance_id, 3), strict=True):
            store.deliveries.settle([put_back(one, at)])
        assert store.deliveries.next_due() == LATER


class TestTakeOver:
    def test_p1_p2_what_a_killed_process_was_sending(self, store: Store, database: Path, instance_id: int) -> None:
        store.arrivals.add([pair(b"%d.wav" % number) for number in range(6)])
        (ours,) = store.deliveries.claim(instance_id, 1)
        with other_process("claim", str(database), "4", "2") as process:
            assert store.instances.take_over() == TakenOver(0, 0)
            assert store.views.counts() == {Status.SENDING: 5, Status.PENDING: 1}
            process.send_signal(signal.SIGKILL)
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, though nobody has buried it yet
            assert store.instances.take_over() == TakenOver(pending=2, unconfirmed=2)
        assert store.instances.take_over() == TakenOver(0, 0)

        sending, first, second, third, fourth, untouched = rows(store)
        assert (sending.id, sending.status, untouched.status) == (ours.id, Status.SENDING, Status.PENDING)
        for held in (first, second):
            assert (held.status, held.reason, held.sha256) == (Status.UNCONFIRMED, Reason.ANSWER_LOST, SHA)
            assert (held.client_request_id, held.attempts) == (f"client-{held.id}", 1)
            assert held.sent_at is not None
            assert trail(store, held.id)[-1] == (Status.SENDING, Status.UNCONFIRMED)
        for back in (third, fourth):
            assert (back.status, back.reason, back.attempts) == (Status.PENDING, Reason.STOPPED, 0)
            assert trail(store, back.id)[-1] == (Status.SENDING, Status.PENDING)
        taken = store.deliveries.claim(instance_id, 9)
        assert [(one.id, one.attempt) for one in taken if one.id in {third.id, fourth.id}] == [
            (third.id, 2),
            (fourth.id, 2),
        ]

    def test_p2_a_claim_that_was_taken_over_is_refused(self, store: Store, database: Path, instance_id: int) -> None:
        store.arrivals.add([pair()])
        with other_process("claim", str(database), "1", "0") as process:
            process.kill()
            process.wait()
        lost = Claim(
            id=only(store).id,
            source=SOURCE,
            path=b"call-0001.wav",
            metadata_path=None,
            attempt=1,
            tries=0,
            failing_since=None,
            audio=Shape(1, 1),
            fields={},
            container=pair().container,  # type: ignore[arg-type]
            connection_id="",
            method="badge",
        )
        assert store.instances.take_over() == TakenOver(pending=1, unconfirmed=0)
        assert not store.deliveries.closing(mark(lost)).stands
        store.deliveries.claim(instance_id, 1)
        assert not store.deliveries.closing(mark(lost)).stands
