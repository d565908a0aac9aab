"""Metadata without where it comes from."""

from __future__ import annotations

from ingest.content.metadata import read_metadata
from ingest.settings import MetadataSettings


def read_fields(sidecar: int | bytes | None, settings: MetadataSettings, path: bytes = b"") -> dict[str, str]:
    """The fields that `read_metadata` finds."""
    return read_metadata(sidecar, settings, path)[0]
