"""What must hold between settings, and within one beyond its type: each broken rule becomes a problem of the draft."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final

from ingest.config import schema
from ingest.config.connections import check_connections, check_source
from ingest.config.draft import Draft
from ingest.config.manifest import check_manifest
from ingest.config.metadata import check_dates, check_file_names, check_folders, check_mirror, groups_of
from ingest.config.problems import Location, dotted
from ingest.intake.pairing import Pairing
from ingest.intake.unique_id import UNIQUE_ID_BYTES
from ingest.loopback import is_loopback_host
from ingest.settings import Unconfirmed

_ENDPOINT: Final = re.compile(r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALENDAR_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SQLITE: Final = re.compile(r"sqlite:////[^?#]*[^?#/]")
_CREDENTIALS: Final = "api_key_file, api_key_env or iam_token_file"


def check(draft: Draft) -> None:
    """Adds a problem for every rule that the draft breaks; values with a problem already are left out."""
    for rule in (
        _dates,
        _paths,
        _credentials,
        _endpoints,
        _tls,
        _state,
        _names,
        _patterns,
        _sidecars,
        _folders,
        _look_ups,
        _metadata,
        check_connections,
        _retry,
    ):
        rule(draft)


def _sources(draft: Draft) -> Iterator[Location]:
    for index in range(draft.length(("sources",))):
        yield "sources", index


def _dates(draft: Draft) -> None:
    for location, value in draft.leaves():
        # pydantic also reads text of digits alone as a count of seconds.
        if date in schema.wanted(location) and isinstance(value, str) and not _CALENDAR_DATE.fullmatch(value):
            draft.report(location, "must be a date such as 2026-01-31.", "Write it as YEAR-MONTH-DAY.")


def _paths(draft: Draft) -> None:
    for location, value in draft.leaves():
        if Path in schema.wanted(location) and isinstance(value, str) and not value.startswith("/"):
            mend = "`~` is not expanded: write the path out." if value.startswith("~") else "Begin it with `/`."
            draft.report(location, "must be an absolute path.", mend)


def _credentials(draft: Draft) -> None:
    section = ("speechsense", "credentials")
    found = draft.given(section)
    if not isinstance(found, dict) or draft.is_faulty(section):
        return
    given = [key for key in found if found[key] is not None or draft.is_faulty((*section, key))]
    known = [key for key in given if key in schema.keys(section)]
    if not given:
        draft.report(section, "has no credential, and exactly one is needed.", f"Give {_CREDENTIALS}.")
    for key in known[1:]:
        draft.note(
            (*section, key), "is one credential too many: exactly one is needed.", f"Keep only `{known[0]}` or this."
        )
    variable = draft.text((*section, "api_key_env"))
    if variable is not None and not _VARIABLE_NAME.fullmatch(variable):
        sentence = "must be the name of an environment variable, not the key itself."
        draft.report((*section, "api_key_env"), sentence, "Write a name such as SPEECHSENSE_API_KEY.")


def _host(endpoint: str) -> str | None:
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        return None
    if match["bracketed"] is None:
        return match["host"]
    try:
        return str(ipaddress.IPv6Address(match["bracketed"]))
    except ValueError:
        return None


def _endpoints(draft: Draft) -> None:
    for name in ("endpoint", "operations_endpoint"):
        location = ("speechsense", name)
        endpoint = draft.text(location)
        if endpoint is not None and _host(endpoint) is None:
            mend = "Write a host name or address, a colon and a port of 1 to 65535, without https://."
            draft.report(location, "must be host:port ([address]:port for IPv6).", mend)


def _tls(draft: Draft) -> None:
    location = ("speechsense", "tls")
    if draft.effective(location) is not False:
        return
    for name in ("endpoint", "operations_endpoint"):
        host = _host(draft.text(("speechsense", name)) or "")
        if host is not None and not is_loopback_host(host):
            sentence = f"false would send the key and the calls unencrypted, and `{name}` is not a loopback address."
            mend = "Take `tls: false` away, or point it to 127.0.0.1, [::1] or localhost"
            draft.note(location, sentence, f"{mend}{' (or to null).' if name == 'operations_endpoint' else '.'}")


def _state(draft: Draft) -> None:
    location = ("state", "url")
    url = draft.text(location)
    if url is None or _SQLITE.fullmatch(url):
        return
    mend = "Write sqlite:////absolute/path/state.db, with four slashes."
    if url.startswith("postgres"):
        draft.report(location, "This version keeps its state in SQLite only.", mend)
    else:
        draft.report(location, "must be sqlite:// and the absolute path of a file.", mend)


def _names(draft: Draft) -> None:
    seen: dict[str, Location] = {}
    for source in _sources(draft):
        name = draft.text((*source, "name"))
        if name is None:
            continue
        if name in seen:
            sentence = f"is also the name of {dotted(seen[name])}."
            draft.note((*source, "name"), sentence, "Give every source a name of its own.")
        seen.setdefault(name, source)


def _patterns(draft: Draft) -> None:
    for source in _sources(draft):
        for key in ("audio", "ignore"):
            for index in range(draft.length((*source, key))):
                location = (*source, key, index)
                pattern = draft.text(location)
                if pattern is not None and (not pattern or pattern.startswith("/")):
                    sentence = "must be a pattern for paths relative to the source's folder."
                    draft.report(location, sentence, "Write it such as **/*.wav, without a `/` at its beginning.")
                elif pattern is not None and not _is_pattern(pattern):
                    sentence = "has a set in [brackets] that cannot be read."
                    draft.report(location, sentence, "Write ranges upwards, such as [0-9] or [a-z].")


def _is_pattern(pattern: str) -> bool:
    try:
        Pairing((pattern,), (), ())
    except re.error:
        return False
    return True


def _sidecars(draft: Draft) -> None:
    for source in _sources(draft):
        for index in range(draft.length((*source, "metadata", "sidecar"))):
            location = (*source, "metadata", "sidecar", index)
            template = draft.text(location)
            if template is None:
                continue
            if sentence := _sidecar_fault(template):
                draft.report(location, sentence, "Write it such as {stem}.json or {name}.json.")
            elif draft.given((*source, "metadata", "mirror")) is None and _takes_audio(draft, source, template):
                mend = "Write it such as {stem}.json, or give the sidecars folders of their own (`mirror`)."
                draft.report(location, "fits the audio's own names, so that it would be taken for a sidecar.", mend)


def _takes_audio(draft: Draft, source: Location, template: str) -> bool:
    """Whether a template makes sidecars of everything that an audio pattern finds beside them."""
    if template in {"{stem}", "{name}"}:
        return True
    audio = draft.effective((*source, "audio"))
    listed = audio if isinstance(audio, list | tuple) else ()
    patterns = [each for each in listed if isinstance(each, str) and _is_pattern(each)]
    endings = (Pairing((pattern,), (), ()).usual_ending for pattern in patterns)
    pairing = Pairing((), (), (template,))
    return any(pairing.is_sidecar_name(b"\0" + ending) for ending in endings if ending)


def _sidecar_fault(template: str) -> str | None:
    rest = template.replace("{stem}", "").replace("{name}", "")
    if "{" in rest or "}" in rest:
        return "may have only {stem} and {name} in braces."
    if len(template) - len(rest) > len("{stem}"):
        return "must name its audio once only."
    if rest == template:
        return "must contain {stem} or {name}, or all recordings would share one sidecar."
    if "/" in template:
        return "must be a file name without `/`: sidecars lie beside their audio, or as `mirror` says."
    return None


def _folders(draft: Draft) -> None:
    folders: dict[PurePosixPath, Location] = {}
    for source in _sources(draft):
        if (folder := _folder(draft, (*source, "path"))) is None:
            continue
        if folder in folders:
            sentence = f"is the same folder as that of {dotted(folders[folder])}."
            draft.note((*source, "path"), sentence, "Keep one source for each folder.")
        folders.setdefault(folder, source)
    for folder, source in folders.items():
        if outer := next((folders[parent] for parent in folder.parents if parent in folders), None):
            sentence = f"lies inside the folder of {dotted(outer)}: its files would be sent twice."
            draft.note((*source, "path"), sentence, "Give the sources folders beside each other.")
    for source in _sources(draft):
        _move_to(draft, (*source, "after_upload", "move_to"), folders)


def _move_to(draft: Draft, location: Location, folders: dict[PurePosixPath, Location]) -> None:
    target = _folder(draft, location)
    if target is None:
        return
    for folder in (target, *target.parents):
        if folder in folders and not _is_ignored(draft, folders[folder], str(target.relative_to(folder))):
            sentence = f"lies inside the folder of {dotted(folders[folder])}: moved files would be sent again."
            mend = "Move to a folder outside, or add a pattern to that source's `ignore` that covers this one."
            draft.report(location, sentence, mend)
            return


def _folder(draft: Draft, location: Location) -> PurePosixPath | None:
    path = draft.text(location)
    return PurePosixPath("/" + posixpath.normpath(path).lstrip("/")) if path else None


def _is_ignored(draft: Draft, source: Location, folder: str) -> bool:
    """Whether the patterns keep a scan out of `folder`: they match it, a folder around it, or any name within it."""
    ignore = draft.effective((*source, "ignore"))
    if folder == "." or not isinstance(ignore, list | tuple):
        return ignore is None
    scanned = Pairing((), [pattern for pattern in ignore if isinstance(pattern, str) and _is_pattern(pattern)], ())
    return any(scanned.is_ignored(path.encode()) for path in (folder, f"{folder}/\0"))


def _look_ups(draft: Draft) -> None:
    for source in _sources(draft):
        section = (*source, "look_up")
        if draft.given(section) is None and not draft.is_faulty(section):
            if draft.text((*source, "unconfirmed")) == Unconfirmed.LOOK_UP.value:
                mend = f"Add `look_up` with {', '.join(schema.keys(section))}, or choose another value."
                draft.note((*source, "unconfirmed"), "needs the section `look_up` in this source.", mend)
            continue
        key = draft.text((*section, "key"))
        for home, names in _metadata_keys(draft, source):
            if key in names:
                sentence = f"is also in metadata.{home}, but what it carries is made by this program."
                draft.note((*section, "key"), sentence, "Name a string key of the connection that nothing else fills.")
        limit = draft.effective((*source, "metadata", "max_value_bytes"))
        if isinstance(limit, int) and limit < UNIQUE_ID_BYTES:
            sentence = f"leaves no room for the unique id of `look_up`, which has {UNIQUE_ID_BYTES} bytes."
            draft.note((*source, "metadata", "max_value_bytes"), sentence, "Give SpeechSense's limit, 1024.")


def _metadata_keys(draft: Draft, source: Location) -> Iterator[tuple[str, list[object]]]:
    """The settings that name keys of the connection, each with those it names."""
    for home in ("required", "defaults", "rename", "computed"):
        found = draft.effective((*source, "metadata", home))
        if isinstance(found, dict):
            yield home, list(found.values() if home == "rename" else found)
        elif isinstance(found, list | tuple):
            yield home, list(found)
    patterns = draft.effective((*source, "metadata", "file_name"))
    if isinstance(patterns, list | tuple):
        yield "file_name", [key for pattern in patterns if isinstance(pattern, str) for key in groups_of(pattern)]
    folders = draft.effective((*source, "metadata", "folders"))
    if isinstance(folders, dict):
        yield "folders", [key for given in folders.values() if isinstance(given, dict) for key in given]


def _metadata(draft: Draft) -> None:
    for source in _sources(draft):
        check_dates(draft, (*source, "metadata"))
        check_file_names(draft, (*source, "metadata"))
        check_folders(draft, (*source, "metadata"))
        check_manifest(draft, (*source, "metadata"))
        check_mirror(draft, (*source, "metadata"))
        _mirror_is_looked_at(draft, source)
        check_source(draft, source)


def _mirror_is_looked_at(draft: Draft, source: Location) -> None:
    for key in ("audio", "sidecar"):
        location = (*source, "metadata", "mirror", key)
        folder = draft.text(location)
        if folder and (written := posixpath.normpath(folder)) != "." and _is_ignored(draft, source, written):
            draft.note(location, "is a folder that `ignore` leaves out.", "Take the pattern away, or name another.")


def _retry(draft: Draft) -> None:
    location = ("upload", "retry_initial_seconds")
    first, last = draft.effective(location), draft.effective(("upload", "retry_max_seconds"))
    if isinstance(first, int | float) and isinstance(last, int | float) and first > last:
        place = location if draft.given(location) is not None else ("upload", "retry_max_seconds")
        draft.note(place, "retry_initial_seconds is longer than retry_max_seconds.", "Make the first the shorter one.")
