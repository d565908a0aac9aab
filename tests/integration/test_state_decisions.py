"""The door for the operator: each decision only from the statuses that allow it, each leaving one row of history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.recording import Disposal, Reason, Shape, Status
from ingest.state import transitions
from ingest.state.decisions import RETRIABLE, SKIPPABLE
from ingest.state.settlements import Settlement
from ingest.state.store import Store
from tests.support.state import (
    OTHER_SHA,
    SHA,
    deliver,
    known,
    lonely_audio,
    lonely_sidecar,
    lose_the_answer,
    only,
    pair,
    refuse,
    rows,
    trail,
)

OTHER = Shape(32_044, 1_700_000_999_000_000_000)
STATUSES = [status for status in Status if status is not Status.DUPLICATE]  # nothing makes duplicates yet


def bring_to(store: Store, instance_id: int, status: Status) -> int:
    """A recording that came to `status` the way it does."""
    store.arrivals.add([lonely_audio() if status is Status.INCOMPLETE else pair()])
    identity = only(store).id
    match status:
        case Status.DONE:
            deliver(store, instance_id)
        case Status.UNCONFIRMED:
            lose_the_answer(store, instance_id)
        case Status.SENDING:
            store.deliveries.claim(instance_id, 1)
        case Status.FAILED:
            refuse(store, instance_id)
        case Status.SKIPPED:
            store.decisions.skip(identity, Status.PENDING, "Not this one.")
        case _:
            pass
    assert only(store).status is status
    return identity


class TestSkip:
    @pytest.mark.parametrize("status", STATUSES)
    def test_p6_only_what_is_not_sent(self, store: Store, instance_id: int, status: Status) -> None:
        identity = bring_to(store, instance_id, status)
        changes = len(trail(store, identity))
        allowed = status in SKIPPABLE
        assert store.decisions.skip(identity, status, "A test call.") is allowed
        assert only(store).status is (Status.SKIPPED if allowed else status)
        assert len(trail(store, identity)) == changes + allowed
        if allowed:
            row = only(store)
            assert (row.reason, row.detail, row.next_attempt_at) == (Reason.BY_OPERATOR, "A test call.", None)
            assert store.deliveries.claim(instance_id, 9) == []

    def test_not_when_it_moved_on(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.SENDING)
        assert not store.decisions.skip(identity, Status.PENDING, "A test call.")
        assert not store.decisions.skip(999, Status.PENDING, "A test call.")
        assert only(store).status is Status.SENDING


class TestPutBack:
    @pytest.mark.parametrize("status", STATUSES)
    def test_p2_only_what_has_ended_without_a_badge(self, store: Store, instance_id: int, status: Status) -> None:
        identity = bring_to(store, instance_id, status)
        changes = len(trail(store, identity))
        allowed = status in RETRIABLE
        judged = pair(fields={"client_id": "client-0002"}, replaces=known(store))
        assert store.decisions.put_back(identity, status, judged, possible_duplicate=False) is allowed
        assert only(store).status is (Status.PENDING if allowed else status)
        assert len(trail(store, identity)) == changes + allowed
        if allowed:
            (claim,) = store.deliveries.claim(instance_id, 1)
            assert claim.fields == {"client_id": "client-0002"}
            assert claim.failing_since is None

    def test_a_failed_one_may_fail_again_for_another_reason(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.FAILED)
        judged = pair(status=Status.FAILED, reason=Reason.METADATA_INVALID, detail="No JSON.")
        assert store.decisions.put_back(identity, Status.FAILED, judged, possible_duplicate=False)
        assert (only(store).reason, only(store).detail) == (Reason.METADATA_INVALID, "No JSON.")
        assert trail(store, identity)[-1] == (Status.FAILED, Status.FAILED)

    @pytest.mark.parametrize("status", [Status.INCOMPLETE, Status.FAILED])
    def test_p1_an_unconfirmed_one_that_cannot_be_sent_stays(
        self, store: Store, instance_id: int, status: Status
    ) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        judged = pair(status=status, reason=Reason.MISSING)
        assert not store.decisions.put_back(identity, Status.UNCONFIRMED, judged, possible_duplicate=True)
        row = only(store)
        assert (row.status, row.possible_duplicate) == (Status.UNCONFIRMED, False)

    def test_p2_a_possible_duplicate_says_so(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        assert store.decisions.put_back(identity, Status.UNCONFIRMED, pair(), possible_duplicate=True)
        deliver(store, instance_id, "2")
        row = only(store)
        assert (row.possible_duplicate, row.badge_id, row.attempts) == (True, "badge-2", 2)

    def test_not_when_it_moved_on(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.SKIPPED)
        assert not store.decisions.put_back(identity, Status.FAILED, pair(), possible_duplicate=False)


class TestNewerGeneration:
    """What lies at the path belongs to the newest generation: an older one is not sent in its name."""

    def test_p2_a_skipped_one_is_not_put_back(self, store: Store, instance_id: int) -> None:
        first = bring_to(store, instance_id, Status.SKIPPED)
        store.arrivals.add([pair(audio=OTHER, replaces=known(store))])
        deliver(store, instance_id)
        assert not store.decisions.put_back(first, Status.SKIPPED, pair(audio=OTHER), possible_duplicate=False)
        assert [row.status for row in rows(store)] == [Status.SKIPPED, Status.DONE]
        assert store.deliveries.claim(instance_id, 9) == []

    def test_p2_an_unconfirmed_one_is_only_confirmed_or_taken_out(self, store: Store, instance_id: int) -> None:
        first = bring_to(store, instance_id, Status.UNCONFIRMED)
        store.arrivals.add([pair(audio=OTHER, sha256=OTHER_SHA, replaces=known(store))])
        assert not store.decisions.not_sent(first)
        assert not store.decisions.put_back(first, Status.UNCONFIRMED, pair(), possible_duplicate=True)
        assert [row.status for row in rows(store)] == [Status.UNCONFIRMED, Status.PENDING]
        assert store.decisions.skip(first, Status.UNCONFIRMED, "It is gone.")

    def test_p2_the_newest_one_may_be_put_back(self, store: Store, instance_id: int) -> None:
        bring_to(store, instance_id, Status.SKIPPED)
        store.arrivals.add([pair(audio=OTHER, replaces=known(store))])
        second = known(store).id
        assert store.decisions.skip(second, Status.PENDING, "Nor this one.")
        assert store.decisions.put_back(second, Status.SKIPPED, pair(audio=OTHER), possible_duplicate=False)

    def test_a_lonely_sidecar_whose_audio_has_a_recording_stays_out(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_sidecar()])
        sidecar = only(store).id
        store.decisions.skip(sidecar, Status.INCOMPLETE, "Not this one.")
        assert store.decisions.put_back(sidecar, Status.SKIPPED, lonely_sidecar(), possible_duplicate=False)
        store.decisions.skip(sidecar, Status.INCOMPLETE, "Not this one.")
        store.arrivals.add([pair()])
        assert not store.decisions.put_back(sidecar, Status.SKIPPED, pair(), possible_duplicate=False)
        assert [row.status for row in rows(store)] == [Status.SKIPPED, Status.PENDING]


class TestResolve:
    @pytest.mark.parametrize("status", STATUSES)
    def test_p2_only_what_is_unconfirmed(self, store: Store, instance_id: int, status: Status) -> None:
        identity = bring_to(store, instance_id, status)
        changes = len(trail(store, identity))
        if status is not Status.UNCONFIRMED:
            assert not store.decisions.confirm(identity, "badge-9", Disposal.NONE)
            assert not store.decisions.not_sent(identity)
            assert only(store).status is status
            assert len(trail(store, identity)) == changes
            assert only(store).badge_id != "badge-9"

    def test_found_in_the_console(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        assert store.decisions.confirm(identity, "badge-9", Disposal.DUE)
        row = only(store)
        assert (row.status, row.reason, row.badge_id, row.sha256) == (Status.DONE, None, "badge-9", SHA)
        assert (row.disposal, row.operation) == (Disposal.DUE, None)
        assert row.done_at is not None
        assert [due.id for due in store.deliveries.disposals_due(9)] == [identity]
        assert trail(store, identity)[-1] == (Status.UNCONFIRMED, Status.DONE)
        assert not store.decisions.not_sent(identity)

    def test_p7_files_that_are_kept_never_fall_due(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        assert store.decisions.confirm(identity, "badge-9", Disposal.NONE)
        assert only(store).disposal is Disposal.NONE
        assert store.deliveries.disposals_due(9) == []

    @pytest.mark.parametrize("earlier", [True, False])
    def test_the_badge_is_kept_where_the_last_attempt_left_no_mark(
        self, store: Store, instance_id: int, tmp_path: Path, *, earlier: bool
    ) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED if earlier else Status.PENDING)
        store.decisions.not_sent(identity)
        (claim,) = store.deliveries.claim(instance_id, 1)
        early = Settlement(claim=claim, to=Status.UNCONFIRMED, reason=Reason.ANSWER_LOST)
        store.deliveries.settle([early])
        assert store.decisions.confirm(identity, "badge-9", Disposal.NONE)
        assert (only(store).status, only(store).badge_id) == (Status.DONE, "badge-9")
        assert [row.id for row in store.views.find("badge-9")] == [identity]
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
            outcomes = connection.execute("SELECT attempt, outcome FROM upload ORDER BY attempt").fetchall()
        assert outcomes == ([(1, "withdrawn"), (2, "accepted")] if earlier else [(1, "accepted")])

    def test_not_found_in_the_console(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        rings = store.bell.rings
        assert store.decisions.not_sent(identity)
        assert store.bell.rings > rings
        assert trail(store, identity)[-1] == (Status.UNCONFIRMED, Status.PENDING)
        assert not store.decisions.confirm(identity, "badge-9", Disposal.NONE)
        assert deliver(store, instance_id, "2").attempt == 2
        assert only(store).badge_id == "badge-2"

    def test_the_badge_belongs_to_the_last_attempt(self, store: Store, instance_id: int, tmp_path: Path) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        store.decisions.not_sent(identity)
        lose_the_answer(store, instance_id, "2")
        assert store.decisions.confirm(identity, "badge-9", Disposal.NONE)
        assert only(store).badge_id == "badge-9"
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
            outcomes = connection.execute("SELECT attempt, outcome FROM upload ORDER BY attempt").fetchall()
        assert outcomes == [(1, "withdrawn"), (2, "accepted")]

    def test_p2_other_content_after_it_is_the_next_generation(self, store: Store, instance_id: int) -> None:
        identity = bring_to(store, instance_id, Status.UNCONFIRMED)
        store.decisions.confirm(identity, "badge-9", Disposal.NONE)
        store.arrivals.add([pair(audio=Shape(1, 1), sha256=OTHER_SHA, replaces=known(store))])
        assert known(store).generation == 2


class TestTransitions:
    @pytest.mark.parametrize("before", [None, *Status])
    @pytest.mark.parametrize("after", list(Status))
    def test_others_are_refused(self, before: Status | None, after: Status) -> None:
        if after in transitions.ALLOWED[before]:
            row = transitions.entry(1, 5, (before, after), reason=Reason.STALLED, detail="Why.", attempt=2)
            assert (row["from_status"], row["to_status"], row["at"], row["attempt"]) == (before, after, 5, 2)
        else:
            with pytest.raises(ValueError, match="cannot go from"):
                transitions.entry(1, 5, (before, after))

    def test_p2_nothing_leaves_done_but_for_a_failed_operation(self) -> None:
        assert transitions.ALLOWED[Status.DONE] == {Status.FAILED}
        into_sending = {before for before, after in transitions.ALLOWED.items() if Status.SENDING in after}
        assert into_sending == {Status.PENDING}
        assert transitions.ALLOWED.keys() == {None, *Status}
