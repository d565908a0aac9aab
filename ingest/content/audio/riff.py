"""Walks the parts of a WAV file and its relatives (RF64, Wave64, RIFX) to the audio.

Sources: Microsoft and IBM, "Multimedia Programming Interface" 1.0 (RIFF); EBU Tech 3306 (RF64); Sony, "Sony Wave64".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from ingest.content.audio.facts import AudioFacts, Extent, HeaderMend, Patch, believable, damaged, unfinished
from ingest.content.audio.reading import AudioFile
from ingest.content.audio.wave_format import WaveFormat, read_format
from ingest.recording import Codec, Container

_MOST_PARTS: Final = 256
_FORMAT_BYTES: Final = 40
_W64_GUID: Final = bytes.fromhex("2e91cf11a5d628db04c10000")
_RIFF_SIZE_AT: Final = 4
_MAX_SIZE: Final = 0xFFFFFFFF
# What streaming writers leave: all ones (ffmpeg), 2 GiB less a page (sox) or less 64 kB (GStreamer), 2 GiB (arecord);
# some less or with the header.
_STREAMED: Final = (
    range(0xFFFFFF00, 0x1_0000_0000),
    range(0x7FFFFF00, 0x8000_0001),
    range(0x7FFFF000, 0x7FFFF100),
    range(0x7FFF0000, 0x7FFF0100),
)


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one of the family writes its parts: `head_bytes` before the first, of which the sizes have `width`."""

    container: Container
    name: str
    head_bytes: int = 12
    id_bytes: int = 4
    width: int = 4
    order: Literal["little", "big"] = "little"
    counts_itself: bool = False  # a part's size holds that of its own header
    alignment: int = 2

    @property
    def part_bytes(self) -> int:
        """The size of a part's own header."""
        return self.id_bytes + self.width


@dataclass(frozen=True, slots=True)
class _Part:
    """One part: where its contents begin, and how long they are said to be."""

    name: bytes
    at: int
    length: int


_WAV: Final = _Dialect(Container.WAV, "WAV")
_DIALECTS: Final = {
    b"RIFF": _WAV,
    b"RIFX": _Dialect(Container.RIFX, "RIFX (big-endian WAV)", order="big"),
    b"RF64": _Dialect(Container.RF64, "RF64"),
    b"BW64": _Dialect(Container.RF64, "BW64"),
    b"riff": _Dialect(
        Container.W64, "Wave64", head_bytes=40, id_bytes=16, width=8, counts_itself=True, alignment=8
    ),
}  # fmt: skip


def is_riff(head: bytes) -> bool:
    """Whether a file that begins so is one of the family, or may become one."""
    if head.startswith(b"riff"):
        return _W64_GUID.startswith(head[4:16])
    return head[:4] in _DIALECTS or (0 < len(head) < 4 and any(name.startswith(head) for name in _DIALECTS))


def inspect_riff(file: AudioFile) -> AudioFacts:
    """What the file is. Raises RecordingFailure (AUDIO_DAMAGED), RecordingIncomplete, AttemptFailure."""
    dialect = _DIALECTS.get(file.head[:4], _WAV)
    if file.size < dialect.head_bytes:
        return unfinished("WAV", dialect.container, "The WAV header is not complete")
    kind = file.head[24:28].upper() if dialect.container is Container.W64 else file.head[8:12]
    if kind != b"WAVE":
        shown = kind.decode("ascii", "replace").strip() if kind.isalnum() else "unknown"
        name = f"a RIFF file of the kind {shown}, not WAV"
        return AudioFacts(container=Container.OTHER, codec=Codec.OTHER, name=name)
    return _Walk(file, dialect).facts()


class _Walk:
    """One walk through a file, from part to part until the audio."""

    def __init__(self, file: AudioFile, dialect: _Dialect) -> None:
        self._file = file
        self._dialect = dialect
        self._format: WaveFormat | None = None
        self._data_size: int | None = None  # from an RF64's `ds64`, where the part itself has no room for it
        self._promised = self._number(dialect.id_bytes, dialect.width)

    def facts(self) -> AudioFacts:
        position, odd = self._dialect.head_bytes, False
        for _ in range(_MOST_PARTS):
            part = self._part(position, odd=odd)
            if part is None:
                return self._without_audio()
            if part.name == b"data":
                if self._format is None:
                    raise damaged("The WAV file has audio before it says in which format")
                return self._measured(self._format, part)
            if part.length > self._file.size - part.at:
                return self._too_long(part)
            self._take(part)
            position = part.at + -(-part.length // self._dialect.alignment) * self._dialect.alignment
            odd = self._dialect.alignment == 2 and bool(part.length % 2)
        raise damaged(f"The WAV header has more than {_MOST_PARTS} parts before the audio")

    def _number(self, offset: int, width: int) -> int:
        return int.from_bytes(self._file.at(offset, width), self._dialect.order)

    def _part(self, position: int, *, odd: bool) -> _Part | None:
        """The part at `position`, or just before it where a writer forgot to fill up an odd one; None at the end."""
        dialect = self._dialect
        header = self._file.at(position, dialect.part_bytes)
        if odd and not self._is_likely(header, position):
            before = self._file.at(position - 1, dialect.part_bytes)
            if self._is_likely(before, position - 1):
                position, header = position - 1, before
        if len(header) < dialect.part_bytes:
            return None
        length = int.from_bytes(header[dialect.id_bytes :], dialect.order)
        if dialect.counts_itself:
            length = max(0, length - dialect.part_bytes)
        return _Part(header[:4], position + dialect.part_bytes, length)

    def _is_likely(self, header: bytes, position: int) -> bool:
        """Whether a part begins here: a name in letters, and a length that fits (the audio's may be open)."""
        name, length = header[:4], int.from_bytes(header[self._dialect.id_bytes :], self._dialect.order)
        fits = name == b"data" or position + len(header) + length <= self._file.size + 1
        return len(header) == self._dialect.part_bytes and name.isascii() and name.decode().isprintable() and fits

    def _take(self, part: _Part) -> None:
        if part.name == b"fmt ":
            contents = self._file.at(part.at, min(part.length, _FORMAT_BYTES))
            self._format = read_format(contents, little=self._dialect.order == "little")
        elif part.name == b"ds64" and part.length >= 16:
            self._promised, self._data_size = self._number(part.at, 8), self._number(part.at + 8, 8)

    def _described(self, form: WaveFormat | None) -> AudioFacts:
        if form is None:
            return unfinished(self._dialect.name, self._dialect.container, "The WAV header is not complete")
        return AudioFacts(
            container=self._dialect.container,
            codec=form.codec,
            name=f"{self._dialect.name} with {form.name}",
            channels=form.channels,
            rate=form.rate,
        )

    def _without_audio(self) -> AudioFacts:
        extent = Extent.SHORT if self._format is None else Extent.EMPTY
        return replace(self._described(self._format), extent=extent, shortfall="The WAV file has no audio yet")

    def _too_long(self, part: _Part) -> AudioFacts:
        """A part before the audio that goes on behind the end of the file."""
        end = max(self._file.size, 8 + self._promised)
        if part.at + part.length > end and not _is_open(self._promised):
            raise damaged("The WAV header promises a part that is larger than the file says it is")
        shortfall = "The WAV header is not complete"
        return replace(self._described(self._format), extent=Extent.SHORT, shortfall=shortfall)

    def _measured(self, form: WaveFormat, data: _Part) -> AudioFacts:
        promised = data.length
        if self._data_size is not None and promised == _MAX_SIZE:
            promised = self._data_size
        present = self._file.size - data.at
        whole = present - present % max(1, form.block_bytes)
        facts = replace(
            self._described(form), duration_seconds=believable(form.seconds_of(min(promised or whole, whole)))
        )
        if not whole or (promised == 0 and self._are_parts(data.at)):
            shortfall = "The WAV file has a header and no audio yet"
            return replace(facts, duration_seconds=0.0, extent=Extent.EMPTY, shortfall=shortfall)
        if promised == 0:
            shortfall = "The WAV header does not say yet how much audio there is"
            mend = self._mend(data, whole)
            return replace(facts, extent=Extent.UNFILLED, shortfall=shortfall, mend=mend)
        if promised <= present:
            mend = self._mend(None, 0) if _is_open(self._promised) else None
            return replace(facts, mend=mend)
        if _is_streamed(promised):
            return replace(facts, extent=Extent.STREAMED, mend=self._mend(data, whole))
        shortfall = f"The WAV header promises {promised} bytes of audio and {present} are there"
        return replace(facts, extent=Extent.SHORT, shortfall=shortfall)

    def _are_parts(self, position: int) -> bool:
        """Whether everything from `position` on is further parts: then audio of 0 bytes is what the file means."""
        for _ in range(_MOST_PARTS):
            if position >= self._file.size:
                return True
            part = self._part(position, odd=False)
            if part is None or not part.name.isascii() or not part.name.strip().isalnum():
                return False
            position = part.at + -(-part.length // self._dialect.alignment) * self._dialect.alignment
            if position > self._file.size + 1:
                return False
        return False

    def _mend(self, data: _Part | None, length: int) -> HeaderMend | None:
        """The header with its sizes put right: that of the file, and that of `data` where it is given."""
        if self._dialect is not _WAV:
            return None
        size = self._file.size if data is None else data.at + length
        if size - 8 > _MAX_SIZE:
            return None
        patches = [Patch(_RIFF_SIZE_AT, (size - 8).to_bytes(4, "little"))]
        if data is not None:
            patches.append(Patch(data.at - 4, length.to_bytes(4, "little")))
        return HeaderMend(size, tuple(patches))


def _is_streamed(size: int) -> bool:
    return any(size in sizes for sizes in _STREAMED)


def _is_open(size: int) -> bool:
    return size == 0 or _is_streamed(size)
