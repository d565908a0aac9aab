"""The words for one recording: its statuses, its reasons, and what travels between the rooms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """Where a recording stands. Every recording has exactly one."""

    INCOMPLETE = "incomplete"
    PENDING = "pending"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    DONE = "done"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a recording stands where it does, or why the whole service is paused."""

    # incomplete
    METADATA_MISSING = "metadata_missing"
    AUDIO_MISSING = "audio_missing"
    CHANGING = "changing"
    AUDIO_UNFINISHED = "audio_unfinished"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    # unconfirmed
    ANSWER_LOST = "answer_lost"
    STATE_RESTORED = "state_restored"
    # failed
    AUDIO_EMPTY = "audio_empty"
    AUDIO_TRUNCATED = "audio_truncated"
    AUDIO_TOO_LONG = "audio_too_long"
    AUDIO_UNSUPPORTED = "audio_unsupported"
    AUDIO_CHANNELS = "audio_channels"
    AUDIO_DAMAGED = "audio_damaged"
    METADATA_INVALID = "metadata_invalid"
    METADATA_KEY_MISSING = "metadata_key_missing"
    METADATA_VALUE_INVALID = "metadata_value_invalid"
    METADATA_AMBIGUOUS = "metadata_ambiguous"
    FILE_UNSAFE = "file_unsafe"
    GAVE_UP = "gave_up"
    REJECTED = "rejected"
    OPERATION_FAILED = "operation_failed"
    # skipped
    TOO_OLD = "too_old"
    BY_OPERATOR = "by_operator"
    # pending: that of the last attempt; also why the service is paused
    UNREACHABLE = "unreachable"
    KEY_REFUSED = "key_refused"
    PERMISSION_DENIED = "permission_denied"
    QUOTA_REACHED = "quota_reached"
    MESSAGE_TOO_LARGE = "message_too_large"
    WRONG_ENDPOINT = "wrong_endpoint"
    STREAM_BROKEN = "stream_broken"
    STALLED = "stalled"
    SERVER_ERROR = "server_error"
    READ_FAILED = "read_failed"
    SOURCE_AWAY = "source_away"
    SAME_BEING_SENT = "same_being_sent"
    INTERNAL_ERROR = "internal_error"
    STOPPED = "stopped"


class Container(StrEnum):
    """What holds the audio, told apart by content and never by the file's name. OTHER: known only by name."""

    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    RF64 = "rf64"
    W64 = "w64"
    RIFX = "rifx"
    FLAC = "flac"
    MP4 = "mp4"
    WEBM = "webm"
    OTHER = "other"


class Codec(StrEnum):
    """How the audio is encoded. OTHER: by none of these."""

    PCM8 = "pcm8"
    PCM16 = "pcm16"
    PCM24 = "pcm24"
    PCM32 = "pcm32"
    PCM16_BIG_ENDIAN = "pcm16be"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    ALAW = "alaw"
    MULAW = "mulaw"
    GSM = "gsm"
    ADPCM = "adpcm"
    G729 = "g729"
    MP3 = "mp3"
    AAC = "aac"
    OPUS = "opus"
    VORBIS = "vorbis"
    SPEEX = "speex"
    FLAC = "flac"
    OTHER = "other"


class Origin(StrEnum):
    """Where a field of the metadata comes from."""

    SIDECAR = "sidecar"
    MANIFEST = "manifest"
    FILE_NAME = "file name"
    FOLDER = "folders"
    COMPUTED = "computed"
    DEFAULT = "defaults"
    PROGRAM = "this program"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a recording's metadata.

    `what` is a phrase without the recording's data. Where it is wrong with certain `keys`, those are all of them, as
    the recorder wrote them: hostile, and never values. `aside` is what there is to say after them.
    """

    reason: Reason
    what: str
    keys: tuple[str, ...] = ()
    aside: str = ""


class PayloadKind(StrEnum):
    """What goes out for a recording: the file as it lies there, or with its header's sizes put right."""

    FILE = "file"
    MENDED_HEADER = "mended_header"


class OperationState(StrEnum):
    """What became of the long-running operation that `UploadBadge` answers with."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Disposal(StrEnum):
    """Whether the files of a delivered recording are still to be deleted or moved."""

    NONE = "none"
    DUE = "due"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a known file is recognised by across remounts: its size in bytes and its modification time."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """Everything by which a file shows that it is being written: equal stamps, unchanged file."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a `stat` answer."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def shape(self) -> Shape:
        """The part that survives a remount."""
        return Shape(self.size, self.mtime_ns)


def may_exist(status: Status, reason: Reason | None, sha256: str | None) -> bool:
    """Whether SpeechSense has or may have a recording that stands so; `sha256` is that of what was read to the end."""
    if status in {Status.DONE, Status.DUPLICATE, Status.UNCONFIRMED}:
        return True
    skipped_after_sending = reason is Reason.BY_OPERATOR and sha256 is not None
    return skipped_after_sending or reason is Reason.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Known:
    """What the state remembers of the newest generation of a path."""

    id: int
    path: bytes
    generation: int
    status: Status
    reason: Reason | None
    audio: Shape | None
    metadata_path: bytes | None
    sidecar: Shape | None
    sha256: str | None
    sent_sha256: str | None = None
    """That of what went out, where it was not the file as it lay there."""
    audio_since: int | None = None
    """Since when the audio has had that shape, by our clock: microseconds since 1970 UTC."""
    entry: str | None = None
    """The digest of what a manifest says of it."""

    @property
    def may_exist(self) -> bool:
        """Whether SpeechSense has it or may have it: then only other audio content is ever sent by itself."""
        return may_exist(self.status, self.reason, self.sha256)


@dataclass(frozen=True, slots=True)
class Content:
    """What bytes are known by: how many there are, and their SHA-256 (hex)."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Twin:
    """A recording that was sent, or may have been, and has the fingerprint asked for.

    `sha256` (hex) is that of its audio, None where a restored state holds it and never read it.
    """

    id: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A judged file or pair on its way into the state: `pending`, or `incomplete`, `failed`, `skipped` with a reason,
    or `duplicate_of` the recording under which it was sent.

    `path` is relative to the source (absolute for a file outside it) and is the audio's, or a lonely sidecar's own.
    `metadata_path` is the sidecar's; of a source without sidecars the manifest's. `entry`: the digest of what a
    manifest at `manifest_path` says of it; `sole_name`: what no other recording of its source may be called then.
    `changed_at_ns`: the audio's ctime, which no recorder's clock sets on a local disk.
    `audio_stems`, of a lonely sidecar: what the path of its audio would be, or begin with before a dot.
    `replaces` is what was known when it was judged: the change happens only if that still holds.
    `origins` of the `fields` and `faults` of the metadata are for people to see now, and not kept.
    `rate` in Hz; facts of the audio are there for what cannot be sent, too, as far as it tells them.
    `streamed`: its header's sizes stand open, so only quiet tells that its writer is done.
    `sha256` (hex) is given only where `replaces.may_exist`, to tell new content from new times, and for a duplicate.
    """

    source: str
    path: bytes
    status: Status
    reason: Reason | None = None
    detail: str | None = None
    metadata_path: bytes | None = None
    audio: Shape | None = None
    sidecar: Shape | None = None
    entry: str | None = None
    manifest_path: bytes | None = None
    sole_name: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    container: Container | None = None
    codec: Codec | None = None
    channels: int | None = None
    rate: int | None = None
    duration_seconds: float | None = None
    payload: PayloadKind = PayloadKind.FILE
    streamed: bool = False
    connection_id: str = ""
    method: str = ""
    sha256: str | None = None
    fingerprint: str | None = None
    duplicate_of: int | None = None
    changed_at_ns: int | None = None
    audio_stems: tuple[bytes, ...] = ()
    replaces: Known | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A recording that this process has taken to send. `attempt` is the fence: a later claim has a higher one."""

    id: int
    source: str
    path: bytes
    metadata_path: bytes | None
    attempt: int
    tries: int
    failing_since: int | None
    audio: Shape
    fields: Mapping[str, str]
    container: Container
    payload: PayloadKind = PayloadKind.FILE
    connection_id: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestIds:
    """The three ids that Yandex support asks for; ours is made for each attempt, the others come with the answer."""

    client_request_id: str
    request_id: str | None = None
    server_trace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What SpeechSense said to an accepted upload: `badge_id` is the badge's, `operation_id` the operation's."""

    badge_id: str
    operation_id: str
    operation: OperationState
    talk_ids: tuple[str, ...] = ()
    error: str | None = None
    ids: RequestIds


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """What `OperationService.Get` said: still running, succeeded with talk ids, or failed with the service's words."""

    state: OperationState
    badge_id: str | None = None
    talk_ids: tuple[str, ...] = ()
    error: str | None = None
