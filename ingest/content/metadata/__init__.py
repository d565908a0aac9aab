"""What goes with a recording: the fields that its connection wants."""

from ingest.content.metadata.fields import MAX_ENTRIES, Given, Metadata, read_metadata
from ingest.content.metadata.sidecar import read_sidecar

__all__ = ["MAX_ENTRIES", "Given", "Metadata", "read_metadata", "read_sidecar"]
