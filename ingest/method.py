"""The upload methods of SpeechSense as rows of facts: a new method is a new row and one function in `speechsense`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ingest.recording import Codec, Container


class Method(StrEnum):
    """How a source's recordings are uploaded."""

    BADGE = "badge"


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What one method takes. `wav_rates` in Hz. Source: SpeechSense documentation, "supported formats" (2026-07)."""

    rpc: str
    formats: frozenset[tuple[Container, Codec]]
    channels: int
    wav_rates: range


FACTS: Final = {
    Method.BADGE: MethodFacts(
        rpc="UploadBadge",
        formats=frozenset({(Container.WAV, Codec.PCM16), (Container.MP3, Codec.MP3)}),
        channels=1,
        wav_rates=range(8_000, 48_001),
    ),
}
