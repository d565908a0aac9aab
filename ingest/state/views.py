"""The door for looking: counts, recordings with all that is known of them, their history. Reads only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, bindparam, func, or_, select

from ingest.recording import Codec, Container, Content, Disposal, OperationState, PayloadKind, Reason, Status
from ingest.state.instances import Kind, ServiceState
from ingest.state.processes import lives
from ingest.state.reading import reading
from ingest.state.restoration import in_doubt, restored_at
from ingest.state.settlements import PART, Outcome
from ingest.state.shown import Amount, HistoryEntry, LastError, RecordingView, ServiceView, SourceView
from ingest.state.tables import history, instance, recording, source, upload

_PAGE: Final = 1000
_LONGEST_ID: Final = 18  # digits; SQLite holds no more than 19
_IDS: Final = range(1, 10**_LONGEST_ID)

_ACCEPTED: Final = (
    (upload.c.recording_id == recording.c.id) & (upload.c.part == PART) & (upload.c.outcome == Outcome.ACCEPTED.value)
)
_RECORDINGS: Final = (
    select(
        recording,
        source.c.name.label("source_name"),
        upload.c.badge_id,
        upload.c.talk_ids,
        upload.c.operation_id,
        upload.c.operation,
        upload.c.size.label("accepted_size"),
        upload.c.sha256.label("accepted_sha256"),
    )
    .join(source, source.c.id == recording.c.source_id)
    .outerjoin(upload, _ACCEPTED)
)
# Where an entry but no file of its own was read, the path is that of a manifest, which thousands may share.
_HAS_METADATA_FILE: Final = recording.c.metadata_entry.is_(None) | recording.c.metadata_size.is_not(None)
# The groups of this read every row already: more of what a row holds costs little, a second look costs as much again.
_AMOUNT: Final = (
    func.count().label("recordings"),
    func.coalesce(func.sum(recording.c.size), 0).label("size"),
    func.coalesce(func.sum(recording.c.duration_seconds), 0.0).label("seconds"),
    (func.count() - func.count(recording.c.duration_seconds)).label("unknown"),
)
_PER_STATUS: Final = select(
    recording.c.source_id,
    recording.c.status,
    func.max(recording.c.first_seen_at).label("arrived_at"),
    func.max(recording.c.done_at).label("done_at"),
    *_AMOUNT,
).group_by(recording.c.source_id, recording.c.status)


class Views:
    """Reads the state, never changes it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def recordings(
        self, *, status: Status | None = None, source_name: str | None = None, reason: Reason | None = None
    ) -> Iterator[RecordingView]:
        """Those that match, in the order in which they came, read in pages."""
        wanted: list[ColumnElement[bool]] = []
        if status is not None:
            wanted.append(recording.c.status == status.value)
        if source_name is not None:
            wanted.append(source.c.name == source_name)
        if reason is not None:
            wanted.append(recording.c.reason == reason.value)
        statement = (
            _RECORDINGS.where(*wanted, recording.c.id > bindparam("after")).order_by(recording.c.id).limit(_PAGE)
        )
        after = 0
        while True:
            page = self._read(statement, {"after": after})
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    def recording(self, recording_id: int) -> RecordingView | None:
        """The one with this id, which may be any number."""
        if recording_id not in _IDS:
            return None
        found = self._read(_RECORDINGS.where(recording.c.id == recording_id), {})
        return found[0] if found else None

    def newest_of(self, source_name: str, path: bytes) -> int | None:
        """The id of the newest generation of `path` in the source: the recording that the file there belongs to."""
        statement = (
            select(recording.c.id)
            .join(source, source.c.id == recording.c.source_id)
            .where(source.c.name == source_name, recording.c.path == path)
            .order_by(recording.c.generation.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(statement).scalar()

    def find(self, what: str, *, source_name: str | None = None, path: bytes | None = None) -> Sequence[RecordingView]:
        """Those that `what` may mean: id, badge, operation, talk or request id, path or file name; newest last.

        `source_name` and `path` name a file by its place as well, when the caller could tell them. A sidecar names its
        recording, but a manifest none of those that it describes.
        """
        if what.isascii() and what.isdecimal() and len(what) <= _LONGEST_ID:
            by_id = self.recording(int(what))
            if by_id is not None:
                return [by_id]
        text = what.encode("utf-8", "surrogateescape")
        name = text.rpartition(b"/")[2] == text
        mentions = [_lies_at(text)]
        if text.isascii():  # as every id is; a name that is not UTF-8 cannot be compared with text at all
            mentions += [
                upload.c.badge_id == what,
                upload.c.operation_id == what,
                upload.c.talk_ids.contains(json.dumps(what), autoescape=True),
                recording.c.client_request_id == what,
                recording.c.request_id == what,
                recording.c.server_trace_id == what,
            ]
        if path is not None:
            mentions.append(and_(source.c.name == source_name, _lies_at(path)))
        found = self._read(_RECORDINGS.where(or_(*mentions)).order_by(recording.c.id), {})
        if not found and name:
            found = self._by_name(b"/" + text)
        return found or (self._by_earlier_attempt(what) if text.isascii() else [])

    def history(self, recording_id: int) -> Sequence[HistoryEntry]:
        """Its changes of status, oldest first."""
        statement = select(history).where(history.c.recording_id == recording_id).order_by(history.c.id)
        with reading(self._engine) as connection:
            return [
                HistoryEntry(
                    at=row.at,
                    before=Status(row.from_status) if row.from_status else None,
                    after=Status(row.to_status),
                    reason=Reason(row.reason) if row.reason else None,
                    detail=row.detail,
                    attempt=row.attempt,
                    grpc_code=row.grpc_code,
                )
                for row in connection.execute(statement)
            ]

    def sources(self) -> Sequence[SourceView]:
        """Every source that was ever configured, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(source).order_by(source.c.name)).all()
            grouped = connection.execute(_PER_STATUS).all()
        return [
            SourceView(
                name=row.name,
                configured=row.configured,
                available=row.available,
                detail=row.detail,
                unavailable_since=row.unavailable_since,
                unmatched=row.unmatched,
                amounts={Status(each.status): _amount(each) for each in grouped if each.source_id == row.id},
                last_arrival_at=max((each.arrived_at for each in grouped if each.source_id == row.id), default=None),
                last_done_at=max(
                    (each.done_at for each in grouped if each.source_id == row.id and each.done_at), default=None
                ),
            )
            for row in rows
        ]

    def service(self) -> ServiceView:
        """What the newest service process says of itself, and whether it lives."""
        serving = instance.c.kind.in_([Kind.SERVICE.value, Kind.ONCE.value])
        newest = select(instance).where(serving).order_by(instance.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(newest).first()
        if row is None:
            return ServiceView(state=ServiceState.STOPPED, reason=None, detail=None, since=None, version=None)
        ended = row.state == ServiceState.STOPPED.value
        killed = not ended and not lives(row.process)
        detail = "The service ended without saying so: it was killed, or the machine went down."
        return ServiceView(
            state=ServiceState.STOPPED if killed else ServiceState(row.state),
            reason=Reason(row.reason) if row.reason and not killed else None,
            detail=detail if killed else row.detail,
            since=row.heartbeat_at if killed else row.since,
            version=row.version,
            once=row.kind == Kind.ONCE.value,
            ended=ended,
            heard_at=row.heartbeat_at,
        )

    def last_service_lived(self, before: int) -> int | None:
        """When the service process before that with the id `before` said last that it lived (microseconds), or None."""
        lived = select(func.max(instance.c.heartbeat_at)).where(
            instance.c.kind != Kind.COMMAND.value, instance.c.id < before
        )
        with reading(self._engine) as connection:
            return connection.execute(lived).scalar()

    def counts(self) -> Mapping[Status, int]:
        """How many recordings stand in each status."""
        statement = select(recording.c.status, func.count()).group_by(recording.c.status)
        with reading(self._engine) as connection:
            return {Status(status): count for status, count in connection.execute(statement)}

    def in_doubt(self, recording_id: int, written_at_ns: int | None) -> bool:
        """Whether `audio`, judged anew for this recording, may have been sent before the state was restored."""
        with reading(self._engine) as connection:
            return in_doubt(connection, restored_at(connection), written_at_ns, recording_id)

    def disposals_failed(self, most: int) -> tuple[int, Sequence[int]]:
        """How many delivered recordings have files that could not be deleted or moved, and the ids of up to `most`."""
        failed = recording.c.disposal == Disposal.FAILED.value
        with reading(self._engine) as connection:
            count: int = connection.execute(select(func.count()).where(failed)).scalar_one()
            ids = select(recording.c.id).where(failed).order_by(recording.c.id).limit(most)
            return count, list(connection.execute(ids).scalars()) if count else []

    def sending(self) -> bool:
        """Whether anything is being sent now."""
        statement = select(recording.c.id).where(recording.c.status == Status.SENDING.value).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(statement).first() is not None

    def backlog(self) -> tuple[int, int]:
        """How many recordings, and how many bytes, are pending or being sent."""
        waiting = recording.c.status.in_([Status.PENDING.value, Status.SENDING.value])
        statement = select(func.count(), func.coalesce(func.sum(recording.c.size), 0)).where(waiting)
        with reading(self._engine) as connection:
            row = connection.execute(statement).one()
        return row[0], row[1]

    def newest_change(self) -> int:
        """The id of the newest change of status, to ask later what came after it."""
        with reading(self._engine) as connection:
            newest: int = connection.execute(select(func.coalesce(func.max(history.c.id), 0))).scalar_one()
        return newest

    def changes_after(self, change: int) -> Mapping[Status, int]:
        """How many changes led to each status after the change with this id."""
        statement = select(history.c.to_status, func.count()).where(history.c.id > change).group_by(history.c.to_status)
        with reading(self._engine) as connection:
            return {Status(status): count for status, count in connection.execute(statement)}

    def oldest_pending(self) -> int | None:
        """When the oldest pending recording became ready (microseconds), or None."""
        statement = select(func.min(recording.c.ready_at)).where(recording.c.status == Status.PENDING.value)
        with reading(self._engine) as connection:
            moment: int | None = connection.execute(statement).scalar()
        return moment

    def done_since(self, moment: int) -> Amount:
        """What became `done` since `moment` (microseconds)."""
        with reading(self._engine) as connection:
            return _amount(connection.execute(select(*_AMOUNT).where(recording.c.done_at >= moment)).one())

    def last_error(self) -> LastError | None:
        """The newest change to `failed` or `unconfirmed`, or back to `pending` for a reason."""
        trouble = history.c.to_status.in_([Status.FAILED.value, Status.UNCONFIRMED.value])
        again = (history.c.to_status == Status.PENDING.value) & history.c.reason.is_not(None)
        statement = select(history).where(or_(trouble, again)).order_by(history.c.id.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        return LastError(at=row.at, reason=Reason(row.reason) if row.reason else None, detail=row.detail)

    def _read(self, statement: Select[Any], parameters: Mapping[str, Any]) -> list[RecordingView]:
        with reading(self._engine) as connection:
            return [_view(row) for row in connection.execute(statement, parameters).all()]

    def _by_name(self, ending: bytes) -> list[RecordingView]:
        of_audio, of_metadata = (
            func.substr(path, -len(ending)) == ending for path in (recording.c.path, recording.c.metadata_path)
        )
        named = or_(of_audio, and_(of_metadata, _HAS_METADATA_FILE))
        return self._read(_RECORDINGS.where(named).order_by(recording.c.id), {})

    def _by_earlier_attempt(self, what: str) -> list[RecordingView]:
        ids = (
            upload.c.client_request_id,
            upload.c.request_id,
            upload.c.server_trace_id,
            upload.c.badge_id,
            upload.c.operation_id,
        )
        earlier = select(upload.c.recording_id).where(or_(*(column == what for column in ids)))
        return self._read(_RECORDINGS.where(recording.c.id.in_(earlier)).order_by(recording.c.id), {})


def _lies_at(path: bytes) -> ColumnElement[bool]:
    return or_(recording.c.path == path, and_(recording.c.metadata_path == path, _HAS_METADATA_FILE))


def _amount(row: Row[*tuple[Any, ...]]) -> Amount:
    return Amount(recordings=row.recordings, size=row.size, seconds=row.seconds, unknown=row.unknown)


def _view(row: Row[*tuple[Any, ...]]) -> RecordingView:
    return RecordingView(
        id=row.id,
        source=row.source_name,
        path=row.path,
        metadata_path=row.metadata_path,
        status=Status(row.status),
        reason=Reason(row.reason) if row.reason else None,
        detail=row.detail,
        attempts=row.tries,
        size=row.size,
        sha256=row.sha256,
        container=Container(row.container) if row.container else None,
        codec=Codec(row.codec) if row.codec else None,
        channels=row.channels,
        rate=row.rate,
        duration_seconds=row.duration_seconds,
        payload=PayloadKind(row.payload),
        sent=Content(row.accepted_size, row.accepted_sha256) if row.accepted_sha256 else None,
        connection_id=row.connection_id,
        method=row.method,
        fields=json.loads(row.fields),
        badge_id=row.badge_id,
        talk_ids=json.loads(row.talk_ids) if row.talk_ids else None,
        operation_id=row.operation_id,
        operation=OperationState(row.operation) if row.operation else None,
        client_request_id=row.client_request_id,
        request_id=row.request_id,
        server_trace_id=row.server_trace_id,
        host=row.host,
        first_seen_at=row.first_seen_at,
        ready_at=row.ready_at,
        sent_at=row.sent_at,
        done_at=row.done_at,
        next_attempt_at=row.next_attempt_at if row.status == Status.PENDING.value else None,
        possible_duplicate=row.possible_duplicate,
        duplicate_of=row.duplicate_of,
        disposal=Disposal(row.disposal),
        disposed_at=row.disposed_at,
        disposed_path=row.disposed_path,
    )
