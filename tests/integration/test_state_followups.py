"""What comes after `done`: operations that are followed, files that are deleted or moved."""

from __future__ import annotations

import pytest

from ingest.recording import Disposal, OperationResult, OperationState, Reason, Status
from ingest.state.followups import Disposed, Followed
from ingest.state.store import Store
from tests.support.state import (
    SOURCE,
    deliver,
    known,
    only,
    pair,
    trail,
)

LATER = 4_000_000_000_000_000  # microseconds: in the year 2096


class TestDisposals:
    @pytest.fixture
    def delivered(self, store: Store, instance_id: int) -> int:
        store.arrivals.add([pair()])
        return deliver(store, instance_id, disposal=Disposal.DUE).id

    def test_what_is_due_names_the_files_as_they_were_sent(self, store: Store, delivered: int) -> None:
        (due,) = store.deliveries.disposals_due(9)
        judged = pair()
        assert (due.id, due.source, due.path, due.metadata_path) == (
            delivered,
            SOURCE,
            judged.path,
            judged.metadata_path,
        )
        assert (due.audio, due.sidecar) == (judged.audio, judged.sidecar)
        assert store.deliveries.disposals_due(0) == []

    def test_audio_alone_has_no_sidecar(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(metadata_path=None, sidecar=None)])
        deliver(store, instance_id, disposal=Disposal.DUE)
        (due,) = store.deliveries.disposals_due(9)
        assert (due.metadata_path, due.sidecar) == (None, None)

    def test_done(self, store: Store, delivered: int) -> None:
        store.deliveries.dispose([Disposed(id=delivered, disposal=Disposal.DONE, path=b"/archive/\xff.wav")])
        row = only(store)
        assert (row.disposal, row.disposed_path, row.status) == (Disposal.DONE, b"/archive/\xff.wav", Status.DONE)
        assert row.disposed_at is not None
        assert store.deliveries.disposals_due(9) == []

    def test_p5_later_again(self, store: Store, delivered: int) -> None:
        store.deliveries.dispose([Disposed(id=delivered, disposal=Disposal.DUE, again_at=LATER, detail="No rights.")])
        assert store.deliveries.disposals_due(9) == []
        assert (only(store).disposal, only(store).detail) == (Disposal.DUE, "No rights.")
        store.deliveries.dispose([Disposed(id=delivered, disposal=Disposal.DUE, again_at=1)])
        assert [due.id for due in store.deliveries.disposals_due(9)] == [delivered]

    def test_failed_stays_failed(self, store: Store, delivered: int) -> None:
        store.deliveries.dispose([Disposed(id=delivered, disposal=Disposal.FAILED, detail="The file is another one.")])
        store.deliveries.dispose([Disposed(id=delivered, disposal=Disposal.DONE)])
        row = only(store)
        assert (row.disposal, row.detail, row.disposed_at) == (Disposal.FAILED, "The file is another one.", None)


class TestOperations:
    @pytest.fixture
    def delivered(self, store: Store, instance_id: int) -> int:
        store.arrivals.add([pair()])
        return deliver(store, instance_id).id

    def follow(self, store: Store, state: OperationState | None, **more: object) -> None:
        (due,) = store.deliveries.operations_due(9)
        talks = ("talk-1", "talk-2") if state is OperationState.SUCCEEDED else ()
        error = "no speech was found" if state is OperationState.FAILED else None
        result = OperationResult(state=state, talk_ids=talks, error=error) if state else None
        store.deliveries.follow([Followed(due=due, result=result, **more)])  # type: ignore[arg-type]

    def test_what_is_due(self, store: Store, delivered: int) -> None:
        (due,) = store.deliveries.operations_due(9)
        assert (due.recording_id, due.source, due.operation_id) == (delivered, SOURCE, "operation-1")
        assert due.accepted_at == only(store).done_at
        assert store.deliveries.operations_due(0) == []

    def test_succeeded(self, store: Store, delivered: int) -> None:
        self.follow(store, OperationState.SUCCEEDED, disposal=Disposal.DUE)
        row = only(store)
        assert (row.operation, row.talk_ids) == (OperationState.SUCCEEDED, ["talk-1", "talk-2"])
        assert (row.status, row.disposal) == (Status.DONE, Disposal.DUE)
        assert [due.id for due in store.deliveries.disposals_due(9)] == [delivered]
        assert store.deliveries.operations_due(9) == []

    def test_still_running(self, store: Store, delivered: int) -> None:
        self.follow(store, OperationState.RUNNING, again_at=LATER)
        assert (only(store).operation, only(store).disposal) == (OperationState.RUNNING, Disposal.NONE)
        assert store.deliveries.operations_due(9) == []

    def test_p5_not_answered(self, store: Store, delivered: int) -> None:
        self.follow(store, None, again_at=1)
        assert only(store).operation is OperationState.RUNNING
        assert len(store.deliveries.operations_due(9)) == 1

    def test_p6_failed(self, store: Store, delivered: int) -> None:
        self.follow(store, OperationState.FAILED, disposal=Disposal.DUE)
        row = only(store)
        assert (row.status, row.reason, row.operation) == (
            Status.FAILED,
            Reason.OPERATION_FAILED,
            OperationState.FAILED,
        )
        assert row.detail is not None
        assert "no speech was found" in row.detail
        assert (row.badge_id, row.disposal) == ("badge-1", Disposal.NONE)
        assert trail(store, delivered)[-1] == (Status.DONE, Status.FAILED)
        assert store.deliveries.operations_due(9) == []

    def test_p2_failed_and_sent_again_on_purpose_is_accepted_again(
        self, store: Store, instance_id: int, delivered: int
    ) -> None:
        self.follow(store, OperationState.FAILED)
        assert store.decisions.put_back(delivered, Status.FAILED, pair(replaces=known(store)), possible_duplicate=True)
        assert deliver(store, instance_id, "2").attempt == 2
        row = only(store)
        assert (row.status, row.badge_id, row.possible_duplicate) == (Status.DONE, "badge-2", True)
        assert row.operation is OperationState.RUNNING
        self.follow(store, OperationState.SUCCEEDED)
        assert (only(store).operation, only(store).status) == (OperationState.SUCCEEDED, Status.DONE)
        assert [found.id for found in store.views.find("badge-1")] == [delivered]
