"""What an audio file is, whether it is all there, and whether a method takes it."""

from ingest.content.audio.facts import AudioFacts, Extent, HeaderMend, Patch
from ingest.content.audio.inspection import inspect
from ingest.content.audio.verdict import payload_kind

__all__ = ["AudioFacts", "Extent", "HeaderMend", "Patch", "inspect", "payload_kind"]
