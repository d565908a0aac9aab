"""What a look inside an audio file tells: the words of this room."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from ingest.failures import RecordingFailure
from ingest.recording import Codec, Container, Reason

LONGEST_SECONDS: Final = 31 * 86_400
"""No recorder writes a longer file; a header that says so is wrong."""
_REPLACE: Final = "Look at what the recorder writes, and put the whole recording in its place."


class Extent(Enum):
    """How much of the audio is there.

    STREAMED: the header's sizes were never to be filled in, the audio goes on to the end of the file. UNFILLED: they
    are 0 and audio is there; its writer may still be at it. SHORT: less is there than the file says of itself.
    """

    WHOLE = "whole"
    STREAMED = "streamed"
    UNFILLED = "unfilled"
    SHORT = "short"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that stand in place of those of the file from `offset` on."""

    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class HeaderMend:
    """What puts a header's sizes right: the first `size` bytes of the file, with `patches` in place."""

    size: int
    patches: tuple[Patch, ...]

    def applied(self, block: bytes, offset: int) -> bytes:
        """What goes out for `block`, which stands at `offset` in the file."""
        patched = bytearray(block)
        for patch in self.patches:
            for position, byte in enumerate(patch.content, patch.offset - offset):
                if 0 <= position < len(patched):
                    patched[position] = byte
        return bytes(patched[: max(0, self.size - offset)])


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """What an audio file is. `name` says it to people (`WAV with GSM 6.10`).

    `rate` in Hz. `duration_seconds` is that of the audio really there. None: the file does not tell (yet).
    `shortfall` is a sentence about what is missing where `extent` is not WHOLE or STREAMED.
    """

    container: Container | None
    codec: Codec | None
    name: str
    channels: int | None = None
    rate: int | None = None
    duration_seconds: float | None = None
    extent: Extent = Extent.WHOLE
    shortfall: str = ""
    mend: HeaderMend | None = None


def unfinished(name: str, container: Container | None, shortfall: str, extent: Extent = Extent.SHORT) -> AudioFacts:
    """The facts of a file that ends before it has said what it is."""
    return AudioFacts(container=container, codec=None, name=name, extent=extent, shortfall=shortfall)


def damaged(sentence: str) -> RecordingFailure:
    """The failure of what cannot be audio; `sentence` without its full stop."""
    return RecordingFailure(Reason.AUDIO_DAMAGED, f"{sentence}.", _REPLACE)


def believable(seconds: float | None) -> float | None:
    """The duration, if it can be one."""
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_SECONDS else None
