"""The door of the state that the intake uses, as the intake needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ingest.recording import Arrival, Known, Twin


class Arrivals(Protocol):
    """What the state knows of a source's paths, and where judged pairs are handed over."""

    def known(self, source: str, paths: Sequence[bytes]) -> dict[bytes, Known]:
        """The newest generation of those of `paths` that the state has."""

    def suspects(self, source: str) -> Iterator[Sequence[Known]]:
        """The incomplete recordings other than reason `missing`, in pages."""

    def twins(self, fingerprints: Sequence[str]) -> dict[str, list[Twin]]:
        """Recordings that were sent, or may have been, with one of `fingerprints`."""

    def expects(self, source: str) -> bool:
        """Whether any recording of the source is still to be sent, or incomplete and not `missing`."""

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """Writes what was judged; idempotent, and only where `Arrival.replaces` still holds."""

    def seen(self, source: str, *, available: bool, detail: str | None, unmatched: int | None) -> None:
        """Notes how a walk through the source went."""
