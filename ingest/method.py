"""The upload methods of SpeechSense as rows of facts: a new method is a new row and one function in `speechsense`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ingest.recording import Container


class Method(StrEnum):
    """How a source's recordings are uploaded."""

    BADGE = "badge"


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What one method takes. Source: SpeechSense documentation, "supported formats" (2026-07)."""

    rpc: str
    containers: frozenset[Container]
    channels: int


FACTS: Final = {
    Method.BADGE: MethodFacts("UploadBadge", frozenset({Container.WAV, Container.MP3}), channels=1),
}
