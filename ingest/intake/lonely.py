"""Finds the audio that manifests name and that is not there: metadata without audio is told like audio without it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ingest.content.memo import Memos
from ingest.content.metadata import manifest_at, without_format
from ingest.content.opening import Tree
from ingest.failures import Failure, SourceUnavailable, StateUnusable
from ingest.intake.arrivals import Arrivals
from ingest.intake.look import Finding, Look, look
from ingest.intake.pairing import pairing_of
from ingest.intake.recognition import unchanged
from ingest.intake.settling import place_of
from ingest.recording import Known, Stamp
from ingest.settings import AudioSettings, ManifestMatch, SourceSettings

_PAGE: Final = 500
_ASKED: Final = "asked for absent audio"
_NAMED: Final = "asked for what it names"
_SELDOM_SECONDS: Final = 600.0
_MOST_UNTOLD: Final = 100
_NOTE_BYTES: Final = 512

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Absent:
    """The audio that one manifest names and that is not there. `unusable_lines` name no file in or below its folder."""

    manifest: bytes
    stamp: Stamp
    paths: Sequence[bytes] = ()
    unusable_lines: int = 0

    def remember(self, memos: Memos, untold: Sequence[bytes]) -> None:
        """Notes that nothing of it is news, so that it is read again when the manifest changes.

        `untold` are paths that may be told once another manifest, or other audio, has changed: these are asked for at
        each walk, as far as they are few; if they are many, all of it is asked for seldom.
        """
        is_few = len(untold) <= _MOST_UNTOLD
        again_at = float("inf") if is_few else time.monotonic() + _SELDOM_SECONDS
        note = (self.unusable_lines, tuple(untold) if is_few else (), again_at)
        memos.notes.put((_ASKED, self.manifest), self.stamp, note, _NOTE_BYTES + 100 * len(note[1]))


class StillNamed:
    """Tells of recordings that were only named whether they still are; a manifest that did not change is not asked.

    `finish` is called once all were asked about.
    """

    def __init__(self, source: SourceSettings, memos: Memos) -> None:
        self._source = source
        self._memos = memos
        self._stamps: dict[bytes, Stamp | None] = {}

    def holds(self, known: Known, tree: Tree) -> bool:
        """Raises Failure, SourceUnavailable."""
        manifest = known.metadata_path
        if known.audio is not None or known.entry is None or manifest is None:
            return False
        if manifest not in self._stamps:
            status = tree.find(manifest)
            self._stamps[manifest] = None if status is None else Stamp.of(status)
            if status is None:  # it may come back as it was
                for note in (_ASKED, _NAMED):
                    self._memos.notes.forget((note, manifest))
        before = self._memos.notes.get((_NAMED, manifest))
        if before is not None and before[0] == self._stamps[manifest]:
            return True
        return look(self._source, known.path, tree).finding is Finding.LONELY_ENTRY

    def finish(self) -> None:
        """Notes the manifests whose recordings are all still named, or were found not to be."""
        for manifest, stamp in self._stamps.items():
            if stamp is not None:
                self._memos.notes.put((_NAMED, manifest), stamp, None, _NOTE_BYTES)


def absent_audio(source: SourceSettings, manifest: bytes, tree: Tree) -> Absent | None:
    """What `manifest` names in finished lines and is not there; None where it has gone.

    Nothing where names alone match below its folder, as only a look at every folder could tell, and where all of it was
    known before. What it names without an extension would have that of the first audio pattern. Raises Failure,
    SourceUnavailable.
    """
    settings, status = source.metadata.manifest, tree.find(manifest)
    if settings is None or status is None:
        return None
    stamp = Stamp.of(status)
    before = tree.memos.notes.get((_ASKED, manifest))
    if before is not None and before[0] == stamp:
        unusable_lines, untold, again_at = cast(tuple[int, tuple[bytes, ...], float], before[1])
        if time.monotonic() < again_at:
            return Absent(manifest, stamp, [path for path in untold if tree.find(path) is None], unusable_lines)
    opened = manifest_at(manifest, source.metadata, tree)
    if opened is None:
        return None
    if settings.match is ManifestMatch.NAME_BELOW:
        return Absent(manifest, stamp, unusable_lines=opened.unusable)
    folder, slash, _ = manifest.rpartition(b"/")
    beside = {name for name in tree.names(folder) if _is_audio(source, folder + slash + name)}
    stems = {name.rpartition(b".")[0] for name in beside}
    absent = [name for name in opened.names() if name not in beside]
    # a line with an extension of our own is about that file and no other
    names = [name for name in absent if without_format(name) not in stems or _is_audio(source, folder + slash + name)]
    paths = [path for name in names if (path := _audio_path(source, folder + slash + name)) is not None]
    paths = [path for path in dict.fromkeys(paths) if tree.find(path) is None]
    return Absent(manifest, stamp, paths, opened.unusable)


def lonely_entries(
    source: SourceSettings, rules: AudioSettings, absent: Absent, arrivals: Arrivals, tree: Tree
) -> Iterator[list[Look]]:
    """Those of `absent` that the state does not know yet, in batches; remembers where there are none."""
    is_news = False
    untold: list[bytes] = []
    for start in range(0, len(absent.paths), _PAGE):
        paths = absent.paths[start : start + _PAGE]
        known = arrivals.known(source.name, paths)
        looks = [_lonely(source, rules, path, known.get(path), tree) for path in paths]
        found = [each for each in looks if each is not None]
        is_news = is_news or bool(found)
        untold += [path for path in paths if path not in known]
        yield found
    if not is_news:
        absent.remember(tree.memos, untold)


def _lonely(source: SourceSettings, rules: AudioSettings, path: bytes, known: Known | None, tree: Tree) -> Look | None:
    if known is not None and known.audio is not None:
        return None  # it was there, and what became of it is known
    try:
        found = look(source, path, tree)
    except (SourceUnavailable, StateUnusable):
        raise
    except Exception as error:  # noqa: BLE001 -- one line never ends the walk
        kind = error.reason if isinstance(error, Failure) else place_of(error)
        log.warning("source %s: a line of a manifest could not be looked at (%s)", source.name, kind)
        return None
    if found.finding is not Finding.LONELY_ENTRY or (known is not None and unchanged(rules, known, found)):
        return None
    return found


def _is_audio(source: SourceSettings, path: bytes) -> bool:
    pairing = pairing_of(source)
    return pairing.is_audio_name(path) and not pairing.is_ignored(path)


def _audio_path(source: SourceSettings, path: bytes) -> bytes | None:
    pairing = pairing_of(source)
    if not pairing.is_audio_name(path) and pairing.usual_ending is not None:
        path = without_format(path) + pairing.usual_ending
    return path if _is_audio(source, path) else None
