"""Metadata without where it comes from."""

from __future__ import annotations

from ingest.content.metadata import read_metadata, read_sidecar
from ingest.settings import MetadataSettings


def read_fields(sidecar: int | bytes | None, settings: MetadataSettings, path: bytes = b"") -> dict[str, str]:
    """The fields that a sidecar and a path make."""
    given = [] if sidecar is None else [read_sidecar(sidecar)]
    return dict(read_metadata(given, settings, path).fields)
