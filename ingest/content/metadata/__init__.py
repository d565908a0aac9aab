"""What goes with a recording: the fields that its connection wants."""

from ingest.content.metadata.fields import MAX_ENTRIES, read_metadata

__all__ = ["MAX_ENTRIES", "read_metadata"]
