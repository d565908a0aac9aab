"""What goes with a recording: the fields that its connection wants."""

from ingest.content.metadata.entries import Entry, agreeing, ways_to_name, without_format
from ingest.content.metadata.fields import MAX_ENTRIES, Given, Metadata, read_metadata
from ingest.content.metadata.manifest import entry_at, given_by, manifest_at
from ingest.content.metadata.sidecar import read_sidecar

__all__ = [
    "MAX_ENTRIES",
    "Entry",
    "Given",
    "Metadata",
    "agreeing",
    "entry_at",
    "given_by",
    "manifest_at",
    "read_metadata",
    "read_sidecar",
    "ways_to_name",
    "without_format",
]
