"""Which names are audio, which are sidecars, which belong together: patterns and templates over bytes, no I/O."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Final

from ingest.failures import UsageFault
from ingest.intake.trees import Trees
from ingest.patterns import compiled
from ingest.settings import Mirror, SourceSettings

_PLACEHOLDERS: Final = (b"{stem}", b"{name}")
_LETTERS_SPELT_OUT: Final = 4  # a longer ending has more than 16 ways to write it in capitals and small letters


class Pairing:
    """The patterns and templates of one source, compiled. Paths are bytes relative to the source.

    Patterns: `*` and `?` stay within a name, `**/` is zero or more folders, `[abc]` a set; ASCII letters match in
    either case. A pattern that matches a folder holds for everything in it. `mirror`: the sidecars have a tree of
    folders to themselves. Raises UsageFault for a sidecar template without `{stem}` or `{name}`: one sidecar would
    serve every recording of its folder. That is a `manifest`, whose name may have `*`; a file called so is no sidecar
    and no audio.
    """

    def __init__(
        self,
        audio: Sequence[str],
        ignore: Sequence[str],
        sidecar: Sequence[str],
        mirror: Mirror | None = None,
        manifest: str | None = None,
    ) -> None:
        for template in sidecar:
            if sum(template.count(word.decode()) for word in _PLACEHOLDERS) != 1:
                raise UsageFault(
                    f"The sidecar template “{template}” does not name its audio exactly once.",
                    "Write {stem} or {name} in it, as in {stem}.json.",
                )
        self._manifest = None if manifest is None else _manifest_expression(manifest)
        self._trees = Trees(mirror)
        self._ignore = [(pattern, compiled([pattern], below=True)) for pattern in ignore]
        self._ignored = compiled(ignore, below=True)
        self._audio = compiled(audio, below=False)
        self._templates = [_Template(variant) for template in sidecar for variant in _variants(template.encode())]
        names = b"|".join(template.expression for template in self._templates)
        self._sidecar = re.compile(names or rb"(?!)", re.DOTALL)
        endings = [_ending(pattern) for pattern in audio]
        self._spellings = [_spellings(ending) for ending in dict.fromkeys(endings) if ending is not None]
        self._names_tell_all = None not in endings

    @property
    def needs_sidecar(self) -> bool:
        """False where audio alone is complete."""
        return bool(self._templates)

    @property
    def usual_ending(self) -> bytes | None:
        """The extension of the first audio pattern; None where patterns leave it open."""
        return self._spellings[0][0] if self._spellings else None

    def is_ignored(self, path: bytes) -> bool:
        """Whether an ignore pattern matches `path` or a folder that it lies in."""
        return self._ignored.fullmatch(path) is not None

    def ignored_by(self, path: bytes) -> str | None:
        """The first ignore pattern that matches `path` or a folder that it lies in."""
        return next((pattern for pattern, regex in self._ignore if regex.fullmatch(path)), None)

    def is_audio_name(self, path: bytes) -> bool:
        """Whether an audio pattern matches and the name is not that of a sidecar."""
        is_one = self._audio.fullmatch(path) is not None
        return is_one and not self.is_sidecar_name(path) and not self.is_manifest_name(path)

    def is_sidecar_name(self, path: bytes) -> bool:
        """Whether a template makes such a name."""
        within = self._trees.within_sidecars(path)
        is_one = within is not None and self._sidecar.fullmatch(within) is not None
        return is_one and not self.is_manifest_name(path)

    def is_manifest_name(self, path: bytes) -> bool:
        """Whether a manifest is called so, in whatever folder it lies."""
        return self._manifest is not None and self._manifest.fullmatch(path) is not None

    def sidecar_names(self, audio: bytes) -> Iterator[bytes]:
        """Where the sidecar of `audio` could be, in the order of the templates; each once.

        That of a file outside the source (an absolute path) lies beside it.
        """
        if audio.startswith(b"/"):
            return iter(dict.fromkeys(template.sidecar(audio) for template in self._templates))
        within = self._trees.within_audio(audio)
        if within is None:
            return iter(())
        names = dict.fromkeys(self._trees.sidecar(template.sidecar(within)) for template in self._templates)
        if self._trees.is_one and self._manifest is None:
            return iter(names)
        return (name for name in names if self.is_sidecar_name(name))

    def audio_stems(self, sidecar: bytes) -> tuple[bytes, ...]:
        """What the path of the audio of such a sidecar is, or begins with before a dot."""
        within = self._trees.within_sidecars(sidecar)
        if within is None:
            return ()
        stems = dict.fromkeys(stem for template in self._templates if (stem := template.audio_stem(within)))
        return tuple(self._trees.audio(stem) for stem in stems)

    def audio_names(self, sidecar: bytes) -> Iterator[bytes]:
        """The audio that such a sidecar could belong to, as far as patterns tell without a look at the folder."""
        within = self._trees.within_sidecars(sidecar)
        if within is None:
            return iter(())
        return self._taken(names for template in self._templates for names in template.audio(within, self._spellings))

    def listed_audio(self, sidecar: bytes, names_in: Callable[[bytes], Sequence[bytes]]) -> Iterator[bytes]:
        """What `audio_names` cannot know, because a pattern such as `**/*` leaves the ending open.

        `names_in` is asked for the sorted names in a folder, and only where there is such a pattern.
        """
        within = None if self._names_tell_all else self._trees.within_sidecars(sidecar)
        if within is None:
            return iter(())

        def names_within(folder: bytes) -> Sequence[bytes]:
            return names_in(self._trees.audio(folder).rstrip(b"/"))

        listed = (name for template in self._templates for name in template.listed_audio(within, names_within))
        return self._taken((name,) for name in listed)

    def _taken(self, groups: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
        """The paths of those names within the tree of the audio that are audio.

        Those of one group differ in capitals only, so that one tells for the others.
        """
        seen: set[bytes] = set()
        for names in groups:
            first = self._trees.audio(names[0])
            if self._audio.fullmatch(first) is None or self.is_ignored(first):
                continue
            for name in map(self._trees.audio, names):
                if name not in seen and self._trees.within_audio(name) is not None and not self.is_sidecar_name(name):
                    seen.add(name)
                    yield name


class _Template:
    """One sidecar template: what stands before and after the audio's stem or name, and a folder if it has one."""

    def __init__(self, template: bytes) -> None:
        self._stem = _PLACEHOLDERS[0] in template
        folder, _, name = template.rpartition(b"/")
        self._folder = folder + b"/" if folder else b""
        self._before, _, self._after = name.partition(_PLACEHOLDERS[0] if self._stem else _PLACEHOLDERS[1])

    @property
    def expression(self) -> bytes:
        """A regular expression of the names that this template makes."""
        before, after = re.escape(self._folder + self._before), re.escape(self._after)
        return b"(?:.*/)?" + before + b"[^/]+" + after

    def sidecar(self, audio: bytes) -> bytes:
        folder, slash, name = audio.rpartition(b"/")
        core = _stem(name) if self._stem else name
        return folder + slash + self._folder + self._before + core + self._after

    def audio(self, sidecar: bytes, extensions: Sequence[Sequence[bytes]]) -> Iterator[Sequence[bytes]]:
        found = self._core(sidecar)
        if found is None:
            return
        folder, core = found
        if not self._stem or _stem(core) == core:
            yield (folder + core,)
        if self._stem:
            for spellings in extensions:
                if _stem(core + spellings[0]) == core:
                    yield [folder + core + extension for extension in spellings]

    def listed_audio(self, sidecar: bytes, names_in: Callable[[bytes], Sequence[bytes]]) -> Iterator[bytes]:
        found = self._core(sidecar) if self._stem else None
        if found is None:
            return
        folder, core = found
        names = names_in(folder.rstrip(b"/"))
        for index in range(bisect_left(names, core + b"."), len(names)):
            if not names[index].startswith(core + b"."):
                return
            if _stem(names[index]) == core:
                yield folder + names[index]

    def audio_stem(self, sidecar: bytes) -> bytes | None:
        """The path of the audio, or what it begins with before a dot."""
        found = self._core(sidecar)
        return None if found is None else b"".join(found)

    def _core(self, path: bytes) -> tuple[bytes, bytes] | None:
        """The audio's folder and its stem or name, where `path` is such a sidecar."""
        folder, slash, name = path.rpartition(b"/")
        folder += slash
        if not folder.endswith(self._folder) or folder.removesuffix(self._folder)[-1:] not in {b"", b"/"}:
            return None
        if not (name.startswith(self._before) and name.endswith(self._after)):
            return None
        core = name[len(self._before) : len(name) - len(self._after)]
        return (folder.removesuffix(self._folder), core) if core else None


@lru_cache(maxsize=64)
def _pairing(
    audio: tuple[str, ...],
    ignore: tuple[str, ...],
    sidecar: tuple[str, ...],
    mirror: Mirror | None,
    manifest: str | None,
) -> Pairing:
    return Pairing(audio, ignore, sidecar, mirror, manifest)


def pairing_of(source: SourceSettings) -> Pairing:
    """The compiled patterns and templates of `source`."""
    metadata = source.metadata
    manifest = metadata.manifest.name if metadata.manifest else None
    return _pairing(source.audio, source.ignore, metadata.sidecar, metadata.mirror, manifest)


def _stem(name: bytes) -> bytes:
    stem, dot, _ = name.rpartition(b".")
    return stem if dot and stem else name


def _variants(template: bytes) -> tuple[bytes, ...]:
    """The template, and as a Windows recorder would write it, with its extension in capitals."""
    before, dot, extension = template.rpartition(b".")
    if not dot or any(word in extension for word in _PLACEHOLDERS):
        return (template,)
    return (template, before + dot + extension.upper())


def _manifest_expression(name: str) -> re.Pattern[bytes]:
    parts = map(re.escape, name.encode().split(b"*"))
    return re.compile(b"(?:.*/)?" + b"[^/]*".join(parts), re.DOTALL)


def _ending(pattern: str) -> bytes | None:
    """The literal extension of a pattern, b"" for a literal name without one; None where the pattern leaves it open."""
    name = pattern.encode().rpartition(b"/")[2]
    before, dot, extension = name.rpartition(b".")
    if re.search(rb"[*?\[\]]", extension) or (not dot and re.search(rb"[*?\[\]]", before)):
        return None
    if len(re.findall(rb"[A-Za-z]", extension)) > _LETTERS_SPELT_OUT:
        return None
    return dot + extension


def _spellings(ending: bytes) -> tuple[bytes, ...]:
    """Every way to write `ending` that a pattern takes, the usual ones (.wav, .WAV, .Wav) first."""
    rare = map(bytes, product(*(bytes({low, high}) for low, high in zip(ending.lower(), ending.upper(), strict=True))))
    return tuple(dict.fromkeys([ending, ending.lower(), ending.upper(), ending.title(), *rare]))
