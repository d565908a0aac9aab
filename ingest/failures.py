"""Errors by blast radius: what each one stops, with one sentence for people and, where there is one, the mend."""

from __future__ import annotations

from enum import Enum

from ingest.recording import Fault, Reason, RequestIds


class IngestError(Exception):
    """Base of everything this program raises on purpose. `str()` is one sentence; `mend` says what to do about it."""

    def __init__(self, sentence: str, mend: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.sentence} {self.mend}".strip()


class UsageFault(IngestError):
    """The command or the configuration cannot be carried out as given (exit code 2)."""


class NotDelivered(IngestError):
    """Something could not be delivered or found (exit code 1)."""


class StateUnusable(IngestError):
    """The state database is missing, in use, damaged or newer than the program (exit code 3)."""


class StateBusy(StateUnusable):
    """The state cannot be read or written at the moment (locked, disk full): whoever can wait, waits."""


class SourceUnavailable(IngestError):
    """A source's folder is away or unreadable: nothing in it is judged, nothing of it is sent, it is waited for."""


class Moment(Enum):
    """How far an upload had come when it ended."""

    BEFORE_FIRST_BYTE = "before the first byte"
    MID_STREAM = "in the middle of the stream"
    LAST_BYTE_LET_GO = "after the last byte was let go"


class Failure(IngestError):
    """Base of what ends an attempt. `detail` stands in the row, so it holds no caller's data.

    `faults`: what is wrong with which keys of the metadata, where that is why.
    """

    def __init__(
        self,
        reason: Reason,
        sentence: str,
        mend: str = "",
        *,
        grpc_code: str | None = None,
        retry_after_seconds: float | None = None,
        ids: RequestIds | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(sentence, mend)
        self.reason = reason
        self.grpc_code = grpc_code
        self.retry_after_seconds = retry_after_seconds
        self.ids = ids
        self.faults = faults


class RecordingFailure(Failure):
    """This recording: it becomes `failed`; the others go on."""


class RecordingIncomplete(Failure):
    """This recording is not (or no longer) a finished pair: it becomes `incomplete` and is judged anew."""


class RecordingDuplicate(IngestError):
    """The same audio and metadata were sent as recording `first`: it becomes `duplicate`, and nothing of it is sent."""

    def __init__(self, first: int) -> None:
        super().__init__(f"The same audio with the same metadata was sent as recording {first}.")
        self.first = first


class AttemptFailure(Failure):
    """This attempt: the recording stays `pending` and is tried again later."""


class OutcomeUnknown(Failure):
    """Every byte was let go and no answer came: the recording becomes `unconfirmed`."""


class ServiceFailure(Failure):
    """The whole service: every upload would end like this, so all wait and no attempt is counted."""
