"""The settings as frozen dataclasses, one for each room; `config` makes them, the rooms are handed their own section.

Units stand in the names. Source of the defaults: the documentation's limits and what was measured (docs/decisions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen

from ingest.method import Method

# At most a year: far longer waits overflow the clocks that threads wait by.
Seconds = Annotated[float, Gt(0), Le(31_536_000)]
SecondsOrZero = Annotated[float, Ge(0), Le(31_536_000)]


class Watch(StrEnum):
    """How a folder is watched between scans."""

    AUTO = "auto"
    INOTIFY = "inotify"
    POLL = "poll"


class Unconfirmed(StrEnum):
    """What happens to a recording whose answer was lost."""

    HOLD = "hold"
    RESEND = "resend"
    LOOK_UP = "look_up"


class Duplicates(StrEnum):
    """What happens to a recording whose audio and metadata were sent already under another path."""

    SKIP = "skip"
    SEND = "send"


class OtherKeys(StrEnum):
    """What happens to keys that none of `rename`, `required`, `folders`, `defaults`, `computed` and `keys` names."""

    SEND = "send"
    DROP = "drop"
    FAIL = "fail"


class KeyType(StrEnum):
    """What a connection's key holds, as SpeechSense calls it (2026-07).

    Of its public protos only assistant.proto has such types, the first three; decimal is a floating-point number there.
    """

    STRING = "string"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    JSON = "json"


class Computed(StrEnum):
    """What this program tells of a recording by itself."""

    DURATION_SECONDS = "duration_seconds"
    FILE_NAME = "file_name"
    PATH = "path"
    RECORDING_ID = "recording_id"


class LongValues(StrEnum):
    """What happens to a value that is longer than SpeechSense takes."""

    FAIL = "fail"
    CUT = "cut"


class DifferingValues(StrEnum):
    """What happens where two files, or a file and a name, say different things of one key."""

    FAIL = "fail"
    FIRST = "first"


class ManifestMatch(StrEnum):
    """What in a manifest tells which audio is meant.

    PATH: the path from the manifest's folder. NAME: the last part of it alone, in the manifest's own folder.
    NAME_BELOW: the last part, in any folder below: names have to be unique there, and what is absent is not told.
    """

    PATH = "path"
    NAME = "name"
    NAME_BELOW = "name_below"


class AfterUpload(StrEnum):
    """What happens to the files of a delivered recording."""

    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Where the API key or IAM token comes from: exactly one is set. Files are read again when they change."""

    api_key_file: Path | None = None
    api_key_env: Annotated[str, MinLen(1)] | None = None
    iam_token_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS with a CA of one's own (the on-premises edition)."""

    ca_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSenseSettings:
    """Where SpeechSense is and who we are to it."""

    credentials: Credentials
    endpoint: Annotated[str, MinLen(1)] = "api.speechsense.yandexcloud.net:443"
    operations_endpoint: Annotated[str, MinLen(1)] | None = "operation.api.cloud.yandex.net:443"
    tls: bool | Tls = True
    data_logging: bool = False
    # Of the 2,000 an hour that a project has (SpeechSense documentation, limits, 2026-07); people need the others.
    look_ups_per_hour: Annotated[int, Ge(10), Le(100_000)] = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSettings:
    """Where the state table is."""

    url: Annotated[str, MinLen(1)] = "sqlite:////var/lib/speechsense-ingest/state.db"
    host: Annotated[str, MinLen(1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSettings:
    """A file that describes several recordings.

    `name` may have `*`. `audio`: the column, or the dotted path into an entry, that names the audio; None (JSON
    alone): it holds for all audio of its folder and below. `rows`: the dotted path to the list in a JSON object.
    `columns` are given where the first line does not name them.
    """

    name: Annotated[str, MinLen(1)]
    audio: Annotated[str, MinLen(1)] | None = None
    rows: Annotated[str, MinLen(1)] | None = None
    separator: Annotated[str, MinLen(1)] = ","
    encoding: Annotated[str, MinLen(1)] = "utf-8"
    columns: tuple[Annotated[str, MinLen(1)], ...] = ()
    match: ManifestMatch = ManifestMatch.PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Two folders in which the same folders lie, relative to the source's path (`.` is that): audio and sidecars."""

    audio: Annotated[str, MinLen(1)]
    sidecar: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """What one key of a connection takes. `allowed` are texts as they are sent; empty: any."""

    type: KeyType = KeyType.STRING
    required: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """The keys that a connection has, for every source that sends to it; `config` puts them into the sources' own."""

    keys: Annotated[dict[str, KeySettings], MinLen(1)]
    other_keys: OtherKeys = OtherKeys.SEND


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataSettings:
    """Where a recording's metadata comes from and what must be in it.

    `mirror`: the sidecars do not lie beside the audio but in a tree of their own.
    `file_name` are patterns with named groups for the audio's path, or names of presets; what they find fills what the
    sidecar lacks. `folders` are defaults of everything below a folder, by patterns for folders relative to the source.
    `rename` may lead into nested JSON or XML with dots; `values`, `computed` and `keys` are by the connection's key.
    Where `keys` are given they are all that the connection has.
    `date_formats` are strptime's, or `epoch`; `time_zone` is one of the IANA database, None this server's.
    """

    sidecar: tuple[str, ...] = ("{stem}.json", "{name}.json")
    mirror: Mirror | None = None
    manifest: ManifestSettings | None = None
    required: tuple[str, ...] = ("operator_name", "operator_id", "client_name", "client_id", "date", "language")
    defaults: dict[str, str] = field(default_factory=lambda: {"language": "ru-RU"})
    file_name: tuple[Annotated[str, MinLen(1)], ...] = ()
    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    rename: dict[Annotated[str, MinLen(1)], Annotated[str, MinLen(1)]] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    computed: dict[str, Computed] = field(default_factory=dict)
    keys: dict[str, KeySettings] = field(default_factory=dict)
    other_keys: OtherKeys = OtherKeys.SEND
    date_formats: tuple[Annotated[str, MinLen(1)], ...] = ()
    time_zone: Annotated[str, MinLen(1)] | None = None
    max_value_bytes: Annotated[int, Ge(1), Le(1_048_576)] = 1024
    long_values: LongValues = LongValues.FAIL
    differing_values: DifferingValues = DifferingValues.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTo:
    """The folder that delivered files are moved to."""

    move_to: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpSettings:
    """Where a source's recordings are found again, and the connection's string key that carries their unique id."""

    organization_id: Annotated[str, MinLen(1)]
    space_id: Annotated[str, MinLen(1)]
    project_id: Annotated[str, MinLen(1)]
    key: Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One folder that recordings land in."""

    name: Annotated[str, MinLen(1)]
    path: Path
    connection_id: Annotated[str, MinLen(1)]
    method: Method = Method.BADGE
    audio: Annotated[tuple[str, ...], MinLen(1)] = ("**/*.wav", "**/*.mp3")
    ignore: tuple[str, ...] = ("**/.*", "**/*.part", "**/*.tmp", "**/@eaDir", "**/#recycle")
    settle_seconds: SecondsOrZero = 30
    scan_seconds: Seconds = 30
    watch: Watch = Watch.AUTO
    start_from: date | None = None
    metadata: MetadataSettings = field(default_factory=MetadataSettings)
    duplicates: Duplicates = Duplicates.SKIP
    unconfirmed: Unconfirmed = Unconfirmed.HOLD
    look_up: LookUpSettings | None = None
    after_upload: AfterUpload | MoveTo = AfterUpload.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSettings:
    """What is made of audio that is not simply whole."""

    # Of one recording; source: SpeechSense documentation, limits (2026-07). Support can raise it.
    max_hours: Annotated[float, Gt(0), Le(168)] = 4
    give_up_seconds: Seconds = 86_400
    mend_header: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSettings:
    """How uploads are made, tried again and given up."""

    concurrency: Annotated[int, Ge(1), Le(64)] = 4
    chunk_bytes: Annotated[int, Ge(1024), Le(4_000_000)] = 1_048_576
    retry_initial_seconds: Seconds = 2
    retry_max_seconds: Seconds = 600
    give_up_hours: Annotated[float, Gt(0), Le(87_600)] = 168
    stall_seconds: Seconds = 120
    answer_seconds: Seconds = 600
    stop_grace_seconds: SecondsOrZero = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration."""

    speechsense: SpeechSenseSettings
    connections: dict[str, ConnectionSettings] = field(default_factory=dict)
    sources: Annotated[tuple[SourceSettings, ...], MinLen(1)]
    state: StateSettings = field(default_factory=StateSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    upload: UploadSettings = field(default_factory=UploadSettings)
