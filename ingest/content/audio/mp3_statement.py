"""Reads what the first frame of an MP3 file may state of the whole: Xing, Info (with LAME's part) and VBRI.

Sources: "Xing VBR header" of Xing's SDK; the "MP3 Info Tag" specification of LAME, revision 1; Fraunhofer's VBRI.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ingest.content.audio.facts import LONGEST_SECONDS
from ingest.content.audio.frames import HEADER_BYTES, Frame, Kind

_VBRI_AT: Final = HEADER_BYTES + 32
_HAS_FRAMES, _HAS_BYTES = 1, 2
_PART_BYTES: Final = {1: 4, 2: 4, 4: 100, 8: 4}  # by flag: what stands there where the flag is set
_ENCODERS: Final = (b"LAME", b"Lavf", b"Lavc", b"GOGO", b"L3.9")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file says of itself. `frames` without the one that says it, `size` in bytes with it; None: not said.

    `delay` and `padding`: samples of each channel that the encoder put before and behind the recording. `miscount`: by
    how many frames too many encoders say that write so (some count the frame that says it).
    """

    frames: int | None
    size: int | None
    delay: int = 0
    padding: int = 0
    miscount: int = 1

    def seconds(self, kind: Kind) -> float | None:
        """How long the recording is, in seconds."""
        if self.frames is None:
            return None
        return max(0, self.frames * kind.samples - self.delay - self.padding) / kind.rate

    @property
    def is_unfilled(self) -> bool:
        """Whether the numbers are 0, as ffmpeg writes them first; it fills them in when it is done."""
        return self.frames == 0 and not self.size

    def believed(self, kind: Kind, present: int) -> bool:
        """Whether it can be true of a stream of this kind, of which `present` bytes are there."""
        if self.frames is None:
            return self.size is not None and self.size < 0xFFFFFFFF
        if not 0 < self.frames * kind.samples <= LONGEST_SECONDS * kind.rate:
            return False
        size = self.size if self.size is not None else present
        return self.frames * kind.least_bytes <= size <= (self.frames + 2) * kind.greatest_bytes


def read_statement(block: bytes, frame: Frame) -> Statement | None:
    """What the frame at the beginning of `block` states, None where it is an ordinary one."""
    block = block[: frame.length]
    side = HEADER_BYTES + frame.kind.side_bytes
    # Where a checksum follows the header some writers count it in, and others do not.
    for at in (side, side + 2):
        if block[at : at + 4] in {b"Xing", b"Info"}:
            return _xing(block[at:])
    if block[_VBRI_AT : _VBRI_AT + 4] == b"VBRI" and len(block) >= _VBRI_AT + 18:
        size, frames = block[_VBRI_AT + 10 : _VBRI_AT + 14], block[_VBRI_AT + 14 : _VBRI_AT + 18]
        return Statement(int.from_bytes(frames, "big"), int.from_bytes(size, "big"))
    return None


def _xing(block: bytes) -> Statement:
    flags, position = int.from_bytes(block[4:8], "big"), 8
    said: dict[int, int] = {}
    for flag, length in _PART_BYTES.items():
        if flags & flag and len(block) >= position + length:
            said[flag] = int.from_bytes(block[position : position + 4], "big")
            position += length
    delay = padding = 0
    lame = block[position : position + 24]
    if len(lame) == 24 and lame.startswith(_ENCODERS):
        delay, padding = lame[21] << 4 | lame[22] >> 4, (lame[22] & 15) << 8 | lame[23]
    miscount = 0 if len(said.keys() & {_HAS_FRAMES, _HAS_BYTES}) == 2 else 1
    return Statement(said.get(_HAS_FRAMES), said.get(_HAS_BYTES), delay, padding, miscount)
