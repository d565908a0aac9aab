"""The door for delivery: claims, the mark before the last byte, how attempts ended, and what comes after."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Engine

from ingest.recording import Claim, Reason, Status
from ingest.state import claims, clock, followups, lookups, marks, settlements, transitions
from ingest.state.bell import Bell
from ingest.state.commits import Commits
from ingest.state.followups import DisposalDue, Disposed, Followed, OperationDue
from ingest.state.lookups import LookedUp, LookUpDue
from ingest.state.marks import Closing, Mark
from ingest.state.reading import reading
from ingest.state.releases import release
from ingest.state.settlements import Settlement


class Deliveries:
    """What the senders tell the state and ask it. Safe to call from several threads."""

    def __init__(self, engine: Engine, commits: Commits, bell: Bell) -> None:
        self._engine = engine
        self._commits = commits
        self._bell = bell

    def claim(self, instance_id: int, most: int, excluded: Collection[str] = ()) -> Sequence[Claim]:
        """Makes up to `most` recordings that are due `sending`, oldest first, none of `excluded` sources."""

        def take(connection: Connection, _: Sequence[None]) -> Sequence[list[Claim]]:
            wanted = {"now": clock.now(), "most": most, "excluded": list(excluded)}
            return [claims.claim(connection, instance_id, wanted)]

        return self._commits.submit(take, [None])[0]

    def claim_one(self, instance_id: int, recording_id: int) -> Claim | None:
        """Takes one pending recording whatever its turn; None when it is not pending any more."""

        def take(connection: Connection, _: Sequence[None]) -> Sequence[list[Claim]]:
            return [claims.claim(connection, instance_id, {"id": recording_id}, claims.CLAIMABLE_ONE)]

        taken = self._commits.submit(take, [None])[0]
        return taken[0] if taken else None

    def closing(self, mark: Closing) -> Mark:
        """Writes the mark; when this returns one that stands, it is on disk."""
        return self._commits.submit(marks.close, [mark])[0]

    def settle(self, ended: Sequence[Settlement]) -> Sequence[bool]:
        """Writes how attempts ended. False for one whose claim was not ours any more."""
        settled = self._commits.submit(_settle, ended)
        if any(settlement.to is Status.PENDING for settlement in ended):
            self._bell.ring()
        return settled

    def give_back(self, claimed: Sequence[Claim]) -> None:
        """Puts back claims whose attempts were not begun, as if they had not been taken."""
        self._commits.submit(settlements.give_back, claimed)

    def next_due(self, excluded: Collection[str] = ()) -> int | None:
        """When the next pending recording of an available source but `excluded` is due (microseconds), or None."""
        with reading(self._engine) as connection:
            moment: int | None = connection.execute(claims.NEXT_DUE, {"excluded": list(excluded)}).scalar()
        return moment

    def idle(self, seconds: float, excluded: Collection[str] = ()) -> bool:
        """Whether nothing is being sent, and nothing but that of `excluded` sources is due within `seconds`."""
        with reading(self._engine) as connection:
            due: int | None = connection.execute(claims.NEXT_DUE, {"excluded": list(excluded)}).scalar()
            if due is not None and due - clock.now() < clock.microseconds(seconds):
                return False
            return connection.execute(settlements.STILL_HELD).first() is None

    def bring_forward(self, most_seconds: float) -> None:
        """Makes due what would wait longer than any delay there is: it was written under a clock that was ahead."""

        def change(connection: Connection, _: Sequence[None]) -> Sequence[None]:
            claims.bring_forward(connection, clock.now(), clock.microseconds(most_seconds))
            return [None]

        self._commits.submit(change, [None])

    def disposals_due(self, most: int) -> Sequence[DisposalDue]:
        """Delivered recordings whose files are to be deleted or moved now."""
        with reading(self._engine) as connection:
            return followups.disposals_due(connection, clock.now(), most)

    def dispose(self, disposed: Sequence[Disposed]) -> None:
        """Writes what became of the files of delivered recordings."""
        self._commits.submit(followups.dispose, disposed)

    def operations_due(self, most: int) -> Sequence[OperationDue]:
        """Operations to be asked about now."""
        with reading(self._engine) as connection:
            return followups.operations_due(connection, clock.now(), most)

    def follow(self, followed: Sequence[Followed]) -> None:
        """Writes what was learnt about operations."""
        self._commits.submit(followups.follow, followed)

    def look_ups_unscheduled(self, sources: Sequence[str], since: int, far: int) -> Sequence[tuple[int, int]]:
        """Id and time of sending of unconfirmed recordings of `sources` that have no time to be looked up yet.

        Only those sent after `since`; also those whose time is later than `far`, set under another clock.
        """
        with reading(self._engine) as connection:
            return lookups.unscheduled(connection, sources, since, far)

    def schedule_look_ups(self, times: Sequence[tuple[int, int]]) -> None:
        """Sets for each recording when it is looked up first."""
        self._commits.submit(lookups.schedule, times)

    def look_ups_due(self, sources: Sequence[str], most: int) -> Sequence[LookUpDue]:
        """Unconfirmed recordings of `sources` to be looked up now."""
        with reading(self._engine) as connection:
            return lookups.look_ups_due(connection, sources, clock.now(), most)

    def look_up(self, looked_up: Sequence[LookedUp]) -> Sequence[bool]:
        """Writes what look-ups found. False for a recording that is not unconfirmed any more."""
        return self._commits.submit(lookups.look_up, looked_up)


def _settle(connection: Connection, ended: Sequence[Settlement]) -> Sequence[bool]:
    """Settles, and lets copies go of what ended undelivered."""
    settled = settlements.settle(connection, ended)
    undelivered = [
        settlement.claim.id
        for settlement, held in zip(ended, settled, strict=True)
        if held and settlement.to in transitions.UNDELIVERED and settlement.reason is not Reason.OPERATION_FAILED
    ]
    if undelivered:
        release(connection, undelivered, clock.now())
    return settled
