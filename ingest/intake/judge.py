"""Judges what was found: fields and audio of a finished pair, or the reason why it is none and the mend."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Final

from ingest.content.audio import AudioFacts, Extent, inspect, payload_kind
from ingest.content.fingerprint import fingerprint, sample
from ingest.content.metadata import Given, Metadata, given_by, read_metadata, read_sidecar, without_format
from ingest.content.opening import Tree, read_failed
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.intake.computed import computed
from ingest.intake.look import Finding, Look
from ingest.intake.pairing import pairing_of
from ingest.intake.recognition import is_given_up
from ingest.intake.unique_id import with_unique_id
from ingest.intake.verdicts import changing, line_without_end, require_pair
from ingest.method import FACTS
from ingest.recording import Arrival, Known, Origin, PayloadKind, Reason, Stamp, Status
from ingest.settings import AudioSettings, ManifestMatch, SourceSettings

_HASH_BLOCK_BYTES: Final = 1 << 20


def judge(
    source: SourceSettings,
    rules: AudioSettings,
    look: Look,
    known: Known | None,
    tree: Tree | None = None,
    *,
    given_up: bool | None = None,
) -> Arrival:
    """What becomes of `look`, a candidate whose stamps have settled; `known` is what the state has of its path.

    `given_up`: whether nothing more will come (None: as `known` says). `tree` saves opening folders anew.
    Raises AttemptFailure (READ_FAILED), SourceUnavailable; ValueError where the look found no candidate.
    """
    if not look.is_candidate:
        raise ValueError(f"{look.finding.value} cannot be judged")
    if tree is None:
        with Tree(os.fsencode(source.path)) as opened:
            return judge(source, rules, look, known, opened, given_up=given_up)
    arrival = arrival_of(source, look, known, Status.PENDING)
    try:
        if known is not None and known.may_exist and look.audio is not None:
            arrival = replace(arrival, sha256=sha256_of(look.path, look.audio, tree))
        if is_too_old(source, look.audio or look.sidecar or _manifest(look, tree)):
            detail = "The file is older than the source's start_from. Set an earlier date, or use `ingest send`."
            return replace(arrival, status=Status.SKIPPED, reason=Reason.TOO_OLD, detail=detail)
        over = is_given_up(rules, known, look) if given_up is None else given_up
        require_pair(source, look, tree)
        if look.is_open and not is_given_up(rules, known, look):
            raise line_without_end()  # also where a person asks for it again: half a value looks like a whole one
        heard = _heard(look, tree)
        arrival = _with_facts(arrival, heard.facts)
        payload, metadata = _contents(source, rules, look, heard, tree, given_up=over)
        sent = with_unique_id(source, arrival, metadata.fields)
    except RecordingFailure as failure:
        return replace(arrival, status=Status.FAILED, reason=failure.reason, detail=str(failure), faults=failure.faults)
    except RecordingIncomplete as incomplete:
        return replace(arrival, status=Status.INCOMPLETE, reason=incomplete.reason, detail=str(incomplete))
    return replace(
        arrival,
        fields=sent,
        origins={key: metadata.origins.get(key, Origin.PROGRAM) for key in sent},
        payload=payload,
        streamed=heard.facts is not None and heard.facts.extent is Extent.STREAMED,
        fingerprint=fingerprint(heard.sample, source.connection_id, source.method.value, metadata.identifying),
    )


def arrival_of(source: SourceSettings, look: Look, known: Known | None, status: Status) -> Arrival:
    """What `look` says about files, as an arrival without a verdict yet."""
    return Arrival(
        source=source.name,
        path=look.path,
        status=status,
        metadata_path=look.described_in,
        entry=look.entry_digest,
        manifest_path=look.described.path if look.described else None,
        sole_name=_sole_name(source, look),
        audio=look.audio.shape if look.audio else None,
        sidecar=look.sidecar.shape if look.sidecar else None,
        connection_id=source.connection_id,
        method=source.method.value,
        changed_at_ns=look.audio.ctime_ns if look.audio else None,
        audio_stems=pairing_of(source).audio_stems(look.path) if look.finding is Finding.LONELY_SIDECAR else (),
        replaces=known,
    )


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the audio is and a sample of it, or the fault that makes it none."""

    facts: AudioFacts | None = None
    sample: bytes = b""
    fault: RecordingFailure | None = None


def _heard(look: Look, tree: Tree) -> _Heard:
    with closing(_Opened(look.path, look.audio, tree)) as opened:
        try:
            facts = inspect(opened.descriptor, opened.size)
        except RecordingFailure as fault:
            return _Heard(fault=fault)
        return _Heard(facts, sample(opened.descriptor, opened.size, facts.mend))


def _with_facts(arrival: Arrival, facts: AudioFacts | None) -> Arrival:
    if facts is None:
        return arrival
    return replace(
        arrival,
        container=facts.container,
        codec=facts.codec,
        channels=facts.channels,
        rate=facts.rate,
        duration_seconds=facts.duration_seconds,
    )


def _contents(
    source: SourceSettings, rules: AudioSettings, look: Look, heard: _Heard, tree: Tree, *, given_up: bool
) -> tuple[PayloadKind, Metadata]:
    """What is to go out, and the metadata; one failure holds what is wrong with either."""
    failures = [heard.fault] if heard.fault else []
    payload, metadata = None, None
    try:
        if heard.facts is not None:
            payload = payload_kind(heard.facts, FACTS[source.method], rules, given_up=given_up)
    except RecordingFailure as failure:
        failures.append(failure)
    try:
        by_itself = computed(source, look, heard.facts)
        metadata = read_metadata(_given(source, look, tree), source.metadata, look.path, by_itself)
    except RecordingFailure as failure:
        failures.append(failure)
    if payload is None or metadata is None:
        faults = tuple(fault for failure in failures for fault in failure.faults)
        raise RecordingFailure(failures[0].reason, " ".join(map(str, failures)), faults=faults)
    return payload, metadata


def _given(source: SourceSettings, look: Look, tree: Tree) -> list[Given]:
    """What the files beside the audio say."""
    return [*_given_beside(look, tree), *_given_in_manifest(source, look)]


def _given_in_manifest(source: SourceSettings, look: Look) -> list[Given]:
    if look.entry is None:
        return []
    if look.entry.failure is not None:
        raise look.entry.failure
    return [given_by(look.entry, source.metadata)]


def _given_beside(look: Look, tree: Tree) -> list[Given]:
    if look.metadata_path is None:
        return []
    try:
        opened = _Opened(look.metadata_path, look.sidecar, tree)
    except (RecordingFailure, RecordingIncomplete) as failure:
        raise type(failure)(failure.reason, f"About the metadata file: {failure.sentence}", failure.mend) from None
    with closing(opened):
        return [read_sidecar(opened.descriptor, look.metadata_path)]


def _sole_name(source: SourceSettings, look: Look) -> bytes | None:
    """What an entry that names no folders knows the audio by."""
    manifest = source.metadata.manifest
    if manifest is None or manifest.match is not ManifestMatch.NAME_BELOW or look.entry is None:
        return None
    name = look.path.rpartition(b"/")[2].lower()
    return None if look.entry.is_for_all else without_format(name) if look.entry.by_stem else name


class _Opened:
    """A file that is still what its stamp says. Raises RecordingIncomplete(CHANGING) where it is not."""

    def __init__(self, path: bytes, stamp: Stamp | None, tree: Tree) -> None:
        self.descriptor = tree.open_regular(path)
        try:
            self._check(stamp)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self.descriptor)

    def stamp(self) -> Stamp:
        """What the open file shows now."""
        try:
            return Stamp.of(os.fstat(self.descriptor))
        except OSError as error:
            raise read_failed(error) from None

    def _check(self, stamp: Stamp | None) -> None:
        now = self.stamp()
        if now != stamp:
            raise changing()
        self.size = now.size


def sha256_of(path: bytes, stamp: Stamp, tree: Tree) -> str:
    """The SHA-256 (hex) of the whole file, which is the same before and after.

    Raises RecordingIncomplete, RecordingFailure, AttemptFailure, SourceUnavailable.
    """
    with closing(_Opened(path, stamp, tree)) as opened:
        digest = hashlib.sha256()
        offset = 0
        try:
            while block := os.pread(opened.descriptor, _HASH_BLOCK_BYTES, offset):
                digest.update(block)
                offset += len(block)
        except OSError as error:
            raise read_failed(error) from None
        if opened.stamp() != stamp or offset != stamp.size:
            raise changing()
        return digest.hexdigest()


def _manifest(look: Look, tree: Tree) -> Stamp | None:
    """The stamp of the manifest of a lonely entry."""
    return Stamp.of(tree.lstat(look.described.path)) if look.described is not None else None


def is_too_old(source: SourceSettings, stamp: Stamp | None) -> bool:
    """Whether a file with this stamp is older than the source's `start_from`."""
    if source.start_from is None or stamp is None:
        return False
    start = datetime.combine(source.start_from, time.min).astimezone()  # local time, as an administrator means it
    return stamp.mtime_ns < start.timestamp() * 1e9
