"""The door for intake: what was judged goes in once, and only while what it was judged against still holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.recording import Container, OperationResult, OperationState, Reason, Shape, Status
from ingest.state.followups import Followed
from ingest.state.settlements import Settlement
from ingest.state.store import Store
from tests.support.state import (
    OTHER_SHA,
    SHA,
    SOURCE,
    begin,
    deliver,
    known,
    lonely_audio,
    lonely_sidecar,
    lose_the_answer,
    only,
    pair,
    rows,
    trail,
)

TOUCHED = Shape(16_044, 1_700_000_999_000_000_000)
OTHER = Shape(32_044, 1_700_000_999_000_000_000)
INTO_PENDING = (None, Status.PENDING)


def fail_the_operation(store: Store) -> None:
    (due,) = store.deliveries.operations_due(10)
    store.deliveries.follow([Followed(due=due, result=OperationResult(state=OperationState.FAILED, error="no speech"))])


class TestNew:
    def test_p1_a_pair_is_pending_with_all_that_was_judged(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        row = only(store)
        assert (row.status, row.reason, row.source, row.path) == (Status.PENDING, None, SOURCE, b"call-0001.wav")
        assert (row.metadata_path, row.size, row.duration_seconds) == (b"call-0001.json", 16_044, 1.0)
        assert row.fields == {"operator_name": "Operator One", "client_id": "client-0001"}
        assert row.ready_at == row.next_attempt_at == row.first_seen_at
        assert trail(store, row.id) == [INTO_PENDING]

    def test_p2_the_same_arrival_twice_is_one_recording(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        store.arrivals.add([pair()])
        store.arrivals.add([pair(fields={"client_id": "client-0002"})])
        assert only(store).fields["client_id"] == "client-0001"
        assert trail(store, only(store).id) == [INTO_PENDING]

    def test_p2_two_arrivals_of_one_path_in_one_batch_are_one_recording(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(), pair(), pair(b"call-0002.wav"), pair(status=Status.FAILED)])
        assert [row.path for row in rows(store)] == [b"call-0001.wav", b"call-0002.wav"]
        assert known(store).generation == 1
        assert trail(store, only_id(store, b"call-0001.wav")) == [INTO_PENDING]

    @pytest.mark.parametrize(
        "path", [b"\xff\xfe\x80.wav", b"a\nb c.wav", "запись.wav".encode(), b"%41?#&.wav", b"x" * 4000]
    )
    def test_paths_are_bytes(self, store: Store, instance_id: int, path: bytes) -> None:
        store.arrivals.add([pair(path)])
        assert only(store).path == path
        assert known(store, path).path == path
        assert store.deliveries.claim(instance_id, 1)[0].path == path

    def test_p8_a_batch_larger_than_a_page_goes_in_whole(self, store: Store, instance_id: int) -> None:
        batch = [pair(b"day/%05d.wav" % number) for number in range(1_700)]
        store.arrivals.add(batch)
        store.arrivals.add(batch)
        assert len(rows(store)) == 1_700
        assert len(store.arrivals.known(SOURCE, [arrival.path for arrival in batch])) == 1_700

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (Status.INCOMPLETE, Reason.CHANGING),
            (Status.FAILED, Reason.METADATA_INVALID),
            (Status.SKIPPED, Reason.TOO_OLD),
        ],
    )
    def test_what_is_not_sent_stands_with_its_reason(
        self, store: Store, instance_id: int, status: Status, reason: Reason
    ) -> None:
        store.arrivals.add([pair(status=status, reason=reason, detail="Why.")])
        row = only(store)
        assert (row.status, row.reason, row.detail) == (status, reason, "Why.")
        assert (row.ready_at, row.next_attempt_at) == (None, None)
        assert store.deliveries.claim(instance_id, 10) == []
        assert trail(store, row.id) == [(None, status)]

    def test_the_bell_rings_for_what_can_be_sent(self, store: Store, instance_id: int) -> None:
        before = store.bell.rings
        store.arrivals.add([lonely_audio()])
        assert store.bell.rings == before
        store.arrivals.add([pair(b"call-0002.wav")])
        assert store.bell.rings == before + 1


def only_id(store: Store, path: bytes) -> int:
    return known(store, path).id


class TestLonelySidecar:
    def test_p1_its_pair_takes_its_place(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_sidecar()])
        lonely = only(store)
        store.arrivals.add([pair()])
        row = only(store)
        assert (row.id, row.path, row.status, row.reason) == (lonely.id, b"call-0001.wav", Status.PENDING, None)
        assert row.first_seen_at == lonely.first_seen_at
        assert trail(store, row.id) == [(None, Status.INCOMPLETE), (Status.INCOMPLETE, Status.PENDING)]
        assert store.arrivals.known(SOURCE, [b"call-0001.json"]) == {}

    def test_only_one_of_two_audio_files_takes_its_place(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_sidecar()])
        both = [pair(), pair(b"call-0001.mp3", container=Container.MP3)]
        store.arrivals.add([*both, *both])
        store.arrivals.add(both)
        assert [row.path for row in rows(store)] == [b"call-0001.wav", b"call-0001.mp3"]

    def test_p1_under_a_name_used_again_it_becomes_the_next_generation(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        deliver(store, instance_id)
        store.arrivals.add([lonely_sidecar(sidecar=OTHER)])
        lonely = known(store, b"call-0001.json")
        store.arrivals.add([pair(audio=OTHER, sha256=OTHER_SHA, replaces=known(store))])
        assert [(row.status, row.path) for row in rows(store)] == [
            (Status.DONE, b"call-0001.wav"),
            (Status.PENDING, b"call-0001.wav"),
        ]
        assert (known(store).id, known(store).generation) == (lonely.id, 2)

    def test_p1_in_one_batch_with_its_pair_they_are_one(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_sidecar(), pair(), pair(b"call-0002.wav")])
        assert [(row.path, row.status) for row in rows(store)] == [
            (b"call-0001.wav", Status.PENDING),
            (b"call-0002.wav", Status.PENDING),
        ]
        assert trail(store, only_id(store, b"call-0001.wav")) == [
            (None, Status.INCOMPLETE),
            (Status.INCOMPLETE, Status.PENDING),
        ]

    def test_p1_in_one_batch_with_a_pair_that_was_known_it_is_dropped(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio()])
        store.arrivals.add([lonely_sidecar(), pair(replaces=known(store)), pair(b"call-0002.wav")])
        assert [row.path for row in rows(store)] == [b"call-0001.wav", b"call-0002.wav"]
        assert trail(store, only_id(store, b"call-0001.wav"))[-1] == (Status.INCOMPLETE, Status.PENDING)

    @pytest.mark.parametrize("reason", [Reason.MISSING, Reason.CHANGING, Reason.UNREADABLE])
    @pytest.mark.parametrize("new", [True, False])
    def test_p1_whatever_it_waits_for_the_pair_ends_it(
        self, store: Store, instance_id: int, reason: Reason, *, new: bool
    ) -> None:
        if not new:
            store.arrivals.add([lonely_audio()])
        store.arrivals.add([lonely_sidecar()])
        waiting = known(store, b"call-0001.json")
        store.arrivals.add([replace(lonely_sidecar(), reason=reason, replaces=waiting)])
        store.arrivals.add([pair(replaces=None if new else known(store))])
        assert (only(store).path, only(store).status) == (b"call-0001.wav", Status.PENDING)

    def test_p1_the_same_audio_coming_back_ends_it(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        deliver(store, instance_id)
        store.arrivals.add([lonely_sidecar(sidecar=OTHER)])
        store.arrivals.add([pair(sidecar=OTHER, audio=TOUCHED, sha256=SHA, replaces=known(store))])
        assert only(store).status is Status.DONE

    def test_audio_that_has_gone_leaves_it_alone(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio(metadata_path=b"call-0001.json")])
        store.arrivals.add([lonely_sidecar()])
        gone = lonely_audio(metadata_path=b"call-0001.json", replaces=known(store))
        store.arrivals.add([replace(gone, reason=Reason.MISSING)])
        assert [row.reason for row in rows(store)] == [Reason.MISSING, Reason.AUDIO_MISSING]

    @pytest.mark.parametrize(
        ("audio", "sidecar"),
        [
            (b"day/call-0001.wAv", b"day/call-0001.json"),
            (b"call-0001.wav", b"call-0001.wav.json"),
            (b"\xff.wav", b"\xff.json"),
        ],
    )
    def test_the_sidecar_of_a_known_pair_is_not_lonely(
        self, store: Store, instance_id: int, audio: bytes, sidecar: bytes
    ) -> None:
        store.arrivals.add([pair(audio, metadata_path=sidecar), lonely_sidecar(sidecar)])
        store.arrivals.add([lonely_sidecar(sidecar)])
        assert only(store).path == audio
        deliver(store, instance_id)
        store.arrivals.add([lonely_sidecar(sidecar)])
        assert only(store).status is Status.DONE
        store.arrivals.add([lonely_sidecar(sidecar, sidecar=OTHER), lonely_sidecar(b"other.json")])
        assert len(rows(store)) == 3


class TestJudgedAnew:
    def test_p1_an_incomplete_one_becomes_pending_in_place(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio()])
        store.arrivals.add([pair(replaces=known(store))])
        row = only(store)
        assert (row.status, row.metadata_path) == (Status.PENDING, b"call-0001.json")
        assert trail(store, row.id) == [(None, Status.INCOMPLETE), (Status.INCOMPLETE, Status.PENDING)]

    def test_a_failed_one_becomes_pending_in_place(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(status=Status.FAILED, reason=Reason.METADATA_INVALID, detail="Mend it.")])
        store.arrivals.add([pair(sidecar=OTHER, replaces=known(store))])
        assert (only(store).status, only(store).reason, only(store).detail) == (Status.PENDING, None, None)

    def test_p1_incomplete_for_another_reason_is_noted(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio()])
        gone = lonely_audio(replaces=known(store))
        store.arrivals.add([replace(gone, reason=Reason.MISSING)])
        assert only(store).reason is Reason.MISSING
        assert trail(store, only(store).id)[-1] == (Status.INCOMPLETE, Status.INCOMPLETE)
        assert list(store.arrivals.suspects(SOURCE)) == []

    def test_a_pending_one_takes_its_changed_sidecar(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        store.arrivals.add([pair(sidecar=OTHER, fields={"client_id": "client-0002"}, replaces=known(store))])
        assert store.deliveries.claim(instance_id, 10)[0].fields == {"client_id": "client-0002"}
        assert trail(store, only(store).id)[:1] == [INTO_PENDING]
        assert len(store.views.history(only(store).id)) == 2  # new, and the claim: a mere judgement is no transition

    def test_p2_it_is_dropped_when_something_happened_since(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair(status=Status.FAILED, reason=Reason.METADATA_INVALID)])
        judged = pair(audio=OTHER, replaces=known(store))
        assert store.decisions.skip(known(store).id, Status.FAILED, "Not this one.")
        store.arrivals.add([judged])
        store.arrivals.add([pair(audio=OTHER)])
        assert only(store).reason is Reason.BY_OPERATOR

    def test_p2_it_is_dropped_when_it_was_sent_since(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        judged = pair(audio=OTHER, replaces=known(store))
        deliver(store, instance_id)
        store.arrivals.add([judged])
        assert only(store).status is Status.DONE

    def test_p2_what_is_being_sent_is_never_touched(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        store.deliveries.claim(instance_id, 1)
        store.arrivals.add([pair(audio=OTHER, sha256=OTHER_SHA, replaces=known(store))])
        row = only(store)
        assert (row.status, row.size) == (Status.SENDING, 16_044)


class TestSentAlready:
    """What SpeechSense has or may have: only other content goes there by itself."""

    @pytest.fixture(params=["done", "unconfirmed", "operation_failed", "skipped after unconfirmed"])
    def sent(self, request: pytest.FixtureRequest, store: Store, instance_id: int) -> Status:
        store.arrivals.add([pair()])
        if request.param in {"done", "operation_failed"}:
            deliver(store, instance_id)
        else:
            lose_the_answer(store, instance_id)
        if request.param == "operation_failed":
            fail_the_operation(store)
        if request.param == "skipped after unconfirmed":
            assert store.decisions.skip(known(store).id, Status.UNCONFIRMED, "Leave it.")
        return known(store).status

    def test_p2_the_same_content_only_takes_new_times(self, store: Store, sent: Status) -> None:
        changes = len(store.views.history(only(store).id))
        store.arrivals.add([pair(audio=TOUCHED, sha256=SHA, replaces=known(store))])
        assert (only(store).status, known(store).audio) == (sent, TOUCHED)
        assert len(store.views.history(only(store).id)) == changes

    def test_p1_other_content_is_the_next_generation(self, store: Store, sent: Status) -> None:
        store.arrivals.add([pair(audio=OTHER, sha256=OTHER_SHA, replaces=known(store))])
        first, second = rows(store)
        assert (first.status, second.status) == (sent, Status.PENDING)
        assert first.size == 16_044
        assert (known(store).id, known(store).generation) == (second.id, 2)
        assert trail(store, second.id) == [INTO_PENDING]

    def test_p2_without_a_hash_nothing_is_sent(self, store: Store, sent: Status) -> None:
        before = known(store)
        store.arrivals.add([pair(audio=OTHER, replaces=before)])
        store.arrivals.add([lonely_audio(audio=OTHER, replaces=before)])
        assert known(store) == before
        assert len(rows(store)) == 1

    def test_p2_a_changed_sidecar_alone_sends_nothing(self, store: Store, sent: Status) -> None:
        store.arrivals.add([pair(sidecar=OTHER, sha256=SHA, replaces=known(store))])
        assert only(store).status is sent

    def test_p2_another_hash_under_the_same_shape_is_the_accepted_risk(self, store: Store, sent: Status) -> None:
        store.arrivals.add([pair(sha256=OTHER_SHA, replaces=known(store))])
        assert only(store).status is sent


def test_p2_the_same_size_as_what_nobody_read_to_the_end_is_not_sent(store: Store, instance_id: int) -> None:
    store.arrivals.add([pair()])
    (claim,) = store.deliveries.claim(instance_id, 1)
    early = Settlement(claim=claim, to=Status.UNCONFIRMED, reason=Reason.ANSWER_LOST)
    assert list(store.deliveries.settle([early])) == [True]
    store.arrivals.add([pair(audio=TOUCHED, sha256=SHA, replaces=known(store))])
    assert (only(store).status, known(store).audio) == (Status.UNCONFIRMED, TOUCHED)
    store.arrivals.add([pair(audio=OTHER, sha256=OTHER_SHA, replaces=known(store))])
    assert [row.status for row in rows(store)] == [Status.UNCONFIRMED, Status.PENDING]


class TestSkippedByOperator:
    @pytest.fixture(autouse=True)
    def _skipped(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([pair()])
        assert store.decisions.skip(known(store).id, Status.PENDING, "A test call.")

    def test_it_is_left_alone(self, store: Store) -> None:
        store.arrivals.add([pair(sidecar=OTHER, replaces=known(store))])
        assert (only(store).status, only(store).detail) == (Status.SKIPPED, "A test call.")

    def test_p2_touched_it_stays_out_and_takes_the_new_times(self, store: Store) -> None:
        store.arrivals.add([pair(audio=TOUCHED, replaces=known(store))])
        assert (only(store).status, known(store).audio) == (Status.SKIPPED, TOUCHED)

    def test_what_cannot_be_read_is_no_other_audio(self, store: Store) -> None:
        store.arrivals.add([pair(audio=None, status=Status.INCOMPLETE, replaces=known(store))])
        assert only(store).status is Status.SKIPPED

    def test_p1_other_audio_is_the_next_generation(self, store: Store) -> None:
        store.arrivals.add([pair(audio=OTHER, replaces=known(store))])
        assert [row.status for row in rows(store)] == [Status.SKIPPED, Status.PENDING]

    def test_p2_the_generation_before_is_not_judged_any_more(self, store: Store) -> None:
        first = known(store)
        store.arrivals.add([pair(audio=OTHER, replaces=first)])
        store.arrivals.add([pair(audio=TOUCHED, replaces=first)])
        assert len(rows(store)) == 2


class TestKnown:
    def test_it_is_the_newest_generation_of_this_source(self, store: Store) -> None:
        instance_id = begin(store, SOURCE, "support")
        store.arrivals.add([pair(), pair(source="support", audio=OTHER)])
        assert known(store).audio == Shape(16_044, 1_700_000_000_000_000_000)
        deliver(store, instance_id)
        deliver(store, instance_id, "2")
        store.arrivals.add([pair(audio=TOUCHED, sha256=OTHER_SHA, replaces=known(store))])
        assert (known(store).generation, known(store).audio) == (2, TOUCHED)
        assert store.arrivals.known("support", [b"call-0001.wav"])[b"call-0001.wav"].generation == 1
        assert store.arrivals.known(SOURCE, [b"never.wav"]) == {}
        assert store.arrivals.known(SOURCE, []) == {}

    def test_p1_every_incomplete_one_is_suspected(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio(b"%05d.wav" % number) for number in range(1_203)])
        store.arrivals.add([pair(b"whole.wav")])
        pages = list(store.arrivals.suspects(SOURCE))
        assert len(pages) > 1
        assert [one.path for page in pages for one in page] == [b"%05d.wav" % number for number in range(1_203)]

    def test_pages_go_on_while_they_are_judged(self, store: Store, instance_id: int) -> None:
        store.arrivals.add([lonely_audio(b"%05d.wav" % number) for number in range(1_203)])
        found = 0
        for page in store.arrivals.suspects(SOURCE):
            found += len(page)
            store.arrivals.add([pair(one.path, replaces=one) for one in page])
        assert found == 1_203
        assert store.views.counts() == {Status.PENDING: 1_203}


class TestSeen:
    def test_p5_since_when_a_folder_is_away(self, store: Store, instance_id: int) -> None:
        store.arrivals.seen(SOURCE, available=False, detail="It is not mounted.", unmatched=None)
        (first,) = store.views.sources()
        store.arrivals.seen(SOURCE, available=False, detail="It cannot be read.", unmatched=None)
        (second,) = store.views.sources()
        assert first.unavailable_since is not None
        assert (second.available, second.detail) == (False, "It cannot be read.")
        assert second.unavailable_since == first.unavailable_since
        store.arrivals.seen(SOURCE, available=True, detail=None, unmatched=3)
        (third,) = store.views.sources()
        assert (third.available, third.detail, third.unavailable_since, third.unmatched) == (True, None, None, 3)
        store.arrivals.seen(SOURCE, available=True, detail=None, unmatched=None)
        assert store.views.sources()[0].unmatched == 3


@pytest.mark.usefixtures("instance_id")
def test_p1_a_sidecar_that_waited_alone_while_its_audio_was_away_goes_into_the_pair(store: Store) -> None:
    store.arrivals.add([pair()])
    store.arrivals.add([pair(status=Status.INCOMPLETE, reason=Reason.MISSING, replaces=known(store))])
    store.arrivals.add([lonely_sidecar()])
    assert [row.reason for row in rows(store)] == [Reason.MISSING, Reason.AUDIO_MISSING]
    store.arrivals.add([pair(replaces=known(store))])
    assert only(store).status is Status.PENDING
