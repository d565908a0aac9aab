"""What must hold of the keys that connections have: each broken rule becomes a problem of the draft."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from ingest.config.draft import Draft
from ingest.config.metadata import groups_of
from ingest.config.problems import Location, dotted
from ingest.content.metadata import MAX_ENTRIES
from ingest.content.metadata.types import as_sent, type_of
from ingest.settings import Computed, KeySettings, KeyType

_WRITE: Final = {
    KeyType.NUMBER: 'Write a whole number such as "12".',
    KeyType.DECIMAL: 'Write a number such as "12.5".',
    KeyType.BOOLEAN: 'Write "true" or "false".',
    KeyType.DATE: 'Write it such as "2026-03-01T09:30:00+03:00".',
    KeyType.JSON: "Write JSON.",
}
_TAKE_DURATION: Final = frozenset({KeyType.STRING, KeyType.NUMBER, KeyType.DECIMAL, KeyType.JSON})


def check_connections(draft: Draft) -> None:
    """Adds a problem for each connection that no source sends to, and for each key that cannot be as it is given."""
    ids = [draft.text(("sources", index, "connection_id")) for index in range(draft.length(("sources",)))]
    known = [each for each in ids if each is not None]
    for each in _mapping(draft, ("connections",)):
        if ids and each not in known and len(known) == len(ids):
            mend = _meant(each, known, "Correct it, or take it away.")
            _note_key(draft, ("connections", each), "is the `connection_id` of no source.", mend)
        _check_keys(draft, ("connections", each, "keys"))


def check_source(draft: Draft, source: Location) -> None:
    """Adds a problem for each setting of a source that does not go with the keys of its connection."""
    metadata = (*source, "metadata")
    profile = ("connections", draft.text((*source, "connection_id")) or "", "keys")
    of_connection = dict(_keys(draft, profile))
    keys = of_connection | dict(_keys(draft, (*metadata, "keys")))
    _check_keys(draft, (*metadata, "keys"))
    _check_texts(draft, metadata, keys)
    _check_computed(draft, (*metadata, "computed"), keys)
    if of_connection:
        _check_names(draft, metadata, profile, of_connection)
        _check_look_up(draft, (*source, "look_up", "key"), profile, keys)


def _check_keys(draft: Draft, location: Location) -> None:
    given = _mapping(draft, location)
    if len(given) > MAX_ENTRIES:
        sentence = f"has {len(given)} keys, and SpeechSense takes {MAX_ENTRIES} of a connection."
        draft.note(location, sentence, "Keep those that the connection has.")
    if "" in given:
        _note_key(draft, (*location, ""), "is no name of a key.", "Write the name that the connection has.")
    if "type" in _mapping(draft, (*location, "date")):
        place = (*location, "date", "type")
        if draft.text(place) not in {None, KeyType.DATE.value}:
            draft.note(place, "must be `date`: SpeechSense takes nothing else in this key.", "Write date.")
    for key, settings in _keys(draft, location):
        for index, text in enumerate(settings.allowed):
            if as_sent(text, type_of(key, {key: settings}), (), None) is None:
                _note_type(draft, (*location, key, "allowed", index), type_of(key, {key: settings}))


def _check_texts(draft: Draft, metadata: Location, keys: Mapping[str, KeySettings]) -> None:
    """What the configuration itself fills in has to be what its key takes."""
    places = [(*metadata, "date_formats", index) for index in range(draft.length((*metadata, "date_formats")))]
    formats = [written for place in places if (written := draft.text(place)) is not None]
    zone = draft.text((*metadata, "time_zone"))
    for location, key, text in _filled_in(draft, metadata):
        if key not in keys and key != "date":
            continue
        wanted = type_of(key, keys)
        sent = as_sent(text, wanted, formats, zone)
        if sent is None:
            _note_type(draft, location, wanted)
        elif key in keys and keys[key].allowed and sent not in keys[key].allowed:
            is_default = draft.given(location) is None
            mend = "It is the default: write `defaults` here." if is_default else "Give one of those, or add it there."
            draft.note(location, f"is none of those that are `allowed` for the key {key}.", mend)


def _filled_in(draft: Draft, metadata: Location) -> Iterator[tuple[Location, str, str]]:
    """Where a text stands that the configuration gives to a key of the connection, the key and the text."""
    for key, text in _mapping(draft, (*metadata, "defaults")).items():
        if isinstance(text, str) and not draft.is_faulty((*metadata, "defaults", key)):
            yield (*metadata, "defaults", key), key, text
    for home, inside in (("folders", True), ("values", False)):
        for first in _mapping(draft, (*metadata, home)):
            for second in _mapping(draft, (*metadata, home, first)):
                location = (*metadata, home, first, second)
                if (text := draft.text(location)) is not None:
                    yield location, second if inside else first, text


def _check_computed(draft: Draft, location: Location, keys: Mapping[str, KeySettings]) -> None:
    for key in _mapping(draft, location):
        what, wanted = draft.text((*location, key)), type_of(key, keys)
        fits = wanted in _TAKE_DURATION if what == Computed.DURATION_SECONDS.value else wanted is KeyType.STRING
        if what is not None and not fits:
            sentence = f"cannot be given to the key {key}, whose type is `{wanted.value}`."
            draft.note((*location, key), sentence, "Name a key of another type.")


def _check_names(draft: Draft, metadata: Location, profile: Location, known: Collection[str]) -> None:
    sentence = f"names a key that {dotted(profile)} does not have."
    otherwise = "Correct it, or add the key there if the connection has it."
    for home in ("required", "rename"):
        for part in _parts(draft, (*metadata, home)):
            location = (*metadata, home, part)
            if (key := draft.text(location)) is not None and key not in known:
                draft.note(location, sentence, _meant(key, known, otherwise))
    for home in ("defaults", "values", "computed", "keys"):
        # a default that nobody wrote down is left out where the connection does not have its key
        for name in map(str, _parts(draft, (*metadata, home))):
            if name not in known:
                _note_key(draft, (*metadata, home, name), sentence, _meant(name, known, otherwise))
    for pattern in _parts(draft, (*metadata, "folders")):
        for name in map(str, _parts(draft, (*metadata, "folders", pattern))):
            if name not in known:
                _note_key(draft, (*metadata, "folders", pattern, name), sentence, _meant(name, known, otherwise))
    _check_groups(draft, (*metadata, "file_name"), profile, known)


def _check_groups(draft: Draft, location: Location, profile: Location, known: Collection[str]) -> None:
    """Those of presets the administrator has not chosen: `other_keys` says what becomes of them."""
    for index in range(draft.length(location)):
        for name in groups_of(draft.text((*location, index)) or ""):
            if name not in known:
                sentence = f"has a group `{name}`, a key that {dotted(profile)} does not have."
                otherwise = "Correct it, or write (?:…) for a group that is no key."
                draft.note((*location, index), sentence, _meant(name, known, otherwise))


def _check_look_up(draft: Draft, location: Location, profile: Location, keys: Mapping[str, KeySettings]) -> None:
    key = draft.text(location)
    if key is None or any(problem.key == dotted(location) for problem in draft.problems):
        return
    mend = "Name a string key that the connection has for nothing else."
    if key not in keys:
        draft.note(location, f"names a key that {dotted(profile)} does not have.", mend)
    elif type_of(key, keys) is not KeyType.STRING or keys[key].required or keys[key].allowed:
        draft.note(location, "names a key that is required, not text, or takes certain values alone.", mend)


def _keys(draft: Draft, location: Location) -> Iterator[tuple[str, KeySettings]]:
    """The keys that stand at `location`, as far as they have no problem of their own."""
    for key in _mapping(draft, location):
        here = (*location, key)
        listed = draft.effective((*here, "allowed"))
        allowed: Sequence[object] = listed if isinstance(listed, list) else ()
        # a place is one in the file: where one entry is faulty, none is judged
        if not all(isinstance(text, str) for text in allowed):
            allowed = ()
        kind = draft.text((*here, "type"))
        if kind in set(KeyType) and not draft.is_faulty(here):
            required = draft.effective((*here, "required")) is True
            yield key, KeySettings(type=KeyType(kind), required=required, allowed=tuple(map(str, allowed)))


def _mapping(draft: Draft, location: Location) -> dict[str, object]:
    """The mapping in force at `location`; empty where there is none, or one with a problem."""
    found = draft.effective(location)
    return found if isinstance(found, dict) else {}


def _parts(draft: Draft, location: Location) -> Sequence[str | int]:
    """What leads on from the list or mapping that the file has at `location`."""
    found = draft.given(location)
    if draft.is_faulty(location):
        return ()
    return range(len(found)) if isinstance(found, list) else tuple(found) if isinstance(found, dict) else ()


def _note_type(draft: Draft, location: Location, wanted: KeyType) -> None:
    draft.note(location, f"is not what a key of the type `{wanted.value}` takes.", _WRITE[wanted])


def _note_key(draft: Draft, location: Location, sentence: str, mend: str) -> None:
    draft.note(location, sentence, mend, draft.positions.of_key(dotted(location)))


def _meant(key: str, known: Collection[str], otherwise: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean `{close[0]}`?" if close else otherwise
