"""What goes with a recording: the fields that its connection wants."""

from ingest.content.metadata.entries import Entry, in_other_formats, joined, without_format
from ingest.content.metadata.fields import MAX_ENTRIES, Given, Metadata, read_metadata
from ingest.content.metadata.manifest import given_by, manifest_at
from ingest.content.metadata.sidecar import read_sidecar

__all__ = [
    "MAX_ENTRIES",
    "Entry",
    "Given",
    "Metadata",
    "given_by",
    "in_other_formats",
    "joined",
    "manifest_at",
    "read_metadata",
    "read_sidecar",
    "without_format",
]
