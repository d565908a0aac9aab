"""Makes a recording's metadata of what was given: renamed, translated, filled up and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.content.metadata.faults import Broken, failure
from ingest.content.metadata.file_names import Found, fields_in
from ingest.content.metadata.folders import fields_for
from ingest.content.metadata.nesting import picked
from ingest.content.metadata.types import json_text, type_of
from ingest.content.metadata.values import CONTROL, comparable, is_encodable, written
from ingest.recording import Fault, Origin, Reason
from ingest.settings import Computed, DifferingValues, KeyType, MetadataSettings, OtherKeys

MAX_ENTRIES: Final = 200  # per connection; source: SpeechSense documentation, limits (2026-07)

_UNWRITABLE: Final = "that are empty or hold control characters"
_NESTED: Final = "whose value is a list or an object (paths in `rename` lead into it)"
_NO_JSON: Final = "whose value has a key twice or is nested too deeply"


@dataclass(frozen=True, slots=True)
class Given:
    """What one origin says of a recording: values by the recorder's own keys, which may be nested."""

    origin: Origin
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The fields that go with a recording, and where each of them comes from."""

    fields: Mapping[str, str]
    origins: Mapping[str, Origin]

    @property
    def identifying(self) -> dict[str, str]:
        """The fields that tell recordings apart: what is computed differs where a file was only moved."""
        return {key: value for key, value in self.fields.items() if self.origins[key] is not Origin.COMPUTED}


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is left of one origin under the connection's keys.

    `unusable`: keys that it has, with a wrong value. `others`: its keys that nothing names. `stand_ins`: those of its
    fields that fill what is lacking and contradict nobody.
    """

    origin: Origin
    fields: Mapping[str, str]
    unusable: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    stand_ins: frozenset[str] = frozenset()


def read_metadata(
    given: Sequence[Given],
    settings: MetadataSettings,
    path: bytes = b"",
    computed: Mapping[Computed, str] | None = None,
) -> Metadata:
    """The metadata of one recording as it will be sent: what is `given` in that order, then what its `path` tells,
    then the defaults of its folder, what is `computed` (the audio of what lacks something there is faulty itself), and
    the defaults.

    Raises RecordingFailure (METADATA_INVALID, METADATA_KEY_MISSING, METADATA_VALUE_INVALID) whose one sentence names
    every fault, keys but never values.
    """
    faults: list[Fault] = []
    named_so = _named_so(path, settings)
    taken = [_taken(each, settings, faults) for each in given]
    if named_so is not None:
        taken.append(_from_name(named_so, settings))
    fields, origins = _merged(taken, settings, faults)
    _refuse_others(taken, settings, faults)
    # a value that is there and wrong is one fault, not also a missing key
    unusable = frozenset[str]().union(*(each.unusable for each in taken))
    fills = (
        (Origin.FOLDER, fields_for(path, settings.folders)),
        (Origin.COMPUTED, _computed(settings, computed or {})),
        (Origin.DEFAULT, settings.defaults),
    )
    for origin, more in fills:
        lacking = {key: value for key, value in more.items() if key not in fields and key not in unusable}
        fields |= lacking
        origins |= dict.fromkeys(lacking, origin)
    have = fields.keys() | unusable | settings.computed.keys()
    if missing := [key for key in settings.required if key not in have]:
        why = " (the file's name fits no pattern of `file_name`)" if settings.file_name and named_so is None else ""
        faults.append(Fault(Reason.METADATA_KEY_MISSING, "required keys that are missing", tuple(missing), why))
    fields = written(fields, settings, faults)
    if len(fields) > MAX_ENTRIES:
        faults.append(Fault(Reason.METADATA_INVALID, f"it has {len(fields)} keys, SpeechSense takes {MAX_ENTRIES}"))
    if faults:
        raise failure(faults, [each.origin for each in given])
    return Metadata(fields, origins)


def _named_so(path: bytes, settings: MetadataSettings) -> Found | None:
    try:
        return fields_in(path, settings.file_name, settings.time_zone) if settings.file_name else None
    except Broken as broken:
        raise failure([broken.fault], []) from None


def _computed(settings: MetadataSettings, computed: Mapping[Computed, str]) -> dict[str, str]:
    return {key: computed[what] for key, what in settings.computed.items() if what in computed}


def _taken(given: Given, settings: MetadataSettings, faults: list[Fault]) -> _Taken:
    named_so = _named(settings)
    values = picked(given.values, settings.rename)
    wanted = {key: value for key, value in values.items() if named_so is None or _new(key, settings) in named_so}
    others = [key for key, value in values.items() if key not in wanted and value is not None]
    fields = _renamed(_texts(wanted, settings, faults), settings, faults)
    unusable = {_new(key, settings) for key, value in wanted.items() if value is not None} - fields.keys()
    return _Taken(given.origin, _translated(fields, settings), frozenset(unusable), tuple(others))


def _from_name(found: Found, settings: MetadataSettings) -> _Taken:
    # a pattern names its keys itself, but does not say what the connection has
    named_so = _named(settings) if settings.keys else None
    wanted = {key: value for key, value in found.fields.items() if named_so is None or key in named_so}
    others = tuple(key for key in found.fields if key not in wanted)
    return _Taken(Origin.FILE_NAME, _translated(wanted, settings), others=others, stand_ins=found.stand_ins)


def _named(settings: MetadataSettings) -> set[str] | None:
    """The connection's keys that something names; None where the others are sent, too."""
    return None if settings.other_keys is OtherKeys.SEND else named_keys(settings)


def named_keys(settings: MetadataSettings) -> set[str]:
    """The connection's keys that a setting names."""
    said = (settings.rename.values(), settings.required, settings.defaults, settings.computed, settings.keys)
    return set[str]().union(*said, *settings.folders.values())


def _refuse_others(taken: Sequence[_Taken], settings: MetadataSettings, faults: list[Fault]) -> None:
    others = dict.fromkeys(key for each in taken for key in each.others)
    if others and settings.other_keys is OtherKeys.FAIL:
        which = "keys that the connection does not have" if settings.keys else "keys that no setting names"
        what = f"{which} (`other_keys: drop` leaves them out)"
        faults.append(Fault(Reason.METADATA_INVALID, what, tuple(others)))


def _new(key: str, settings: MetadataSettings) -> str:
    return settings.rename.get(key, key)


def _translated(fields: Mapping[str, str], settings: MetadataSettings) -> dict[str, str]:
    return {key: settings.values.get(key, {}).get(value, value) for key, value in fields.items()}


def _merged(
    taken: Sequence[_Taken], settings: MetadataSettings, faults: list[Fault]
) -> tuple[dict[str, str], dict[str, Origin]]:
    """Each key from the first that has it; with a fault where a later one says something else of it."""
    fields: dict[str, str] = {}
    origins: dict[str, Origin] = {}
    unusable: set[str] = set()
    differing: dict[tuple[Origin, Origin], list[str]] = {}
    for each in taken:
        for key, value in each.fields.items():
            if key in unusable:
                continue
            if key not in fields:
                fields[key], origins[key] = value, each.origin
            elif key not in each.stand_ins and comparable(key, fields[key], settings) != comparable(
                key, value, settings
            ):
                differing.setdefault((origins[key], each.origin), []).append(key)
        unusable |= each.unusable
    if settings.differing_values is DifferingValues.FAIL:
        for (first, second), keys in differing.items():
            what = f"keys of which the {first} and the {second} say different things"
            aside = " (with `differing_values: first` the first of them counts)"
            faults.append(Fault(Reason.METADATA_VALUE_INVALID, what, tuple(keys), aside))
    return fields, origins


def _texts(given: dict[str, object], settings: MetadataSettings, faults: list[Fault]) -> dict[str, str]:
    texts: dict[str, str] = {}
    wrong: dict[str, list[str]] = {}
    for key, value in given.items():
        if not key or CONTROL.search(key) or not is_encodable(key):
            wrong.setdefault(_UNWRITABLE, []).append(key)
        elif isinstance(value, bool):
            texts[key] = "true" if value else "false"
        elif isinstance(value, str):
            texts[key] = str(value)
        elif value is not None and type_of(_new(key, settings), settings.keys) is not KeyType.JSON:
            wrong.setdefault(_NESTED, []).append(key)
        elif value is not None:
            try:
                texts[key] = json_text(value)
            except (ValueError, RecursionError):
                wrong.setdefault(_NO_JSON, []).append(key)
    for phrase, keys in wrong.items():
        reason = Reason.METADATA_INVALID if phrase is _UNWRITABLE else Reason.METADATA_VALUE_INVALID
        faults.append(Fault(reason, f"keys {phrase}", tuple(keys)))
    return texts


def _renamed(given: dict[str, str], settings: MetadataSettings, faults: list[Fault]) -> dict[str, str]:
    fields: dict[str, str] = {}
    twice: dict[str, None] = {}
    for key, value in given.items():
        new = _new(key, settings)
        if new in fields:
            twice[new] = None
        fields[new] = value
    if twice:
        faults.append(Fault(Reason.METADATA_INVALID, "keys that are given twice after renaming", tuple(twice)))
    return fields
