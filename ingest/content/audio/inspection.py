"""Looks into an audio file, by content and never by name, in bounded reads."""

from __future__ import annotations

from typing import Final

from ingest.content.audio.facts import AudioFacts, Extent, unfinished
from ingest.content.audio.mp3 import find_mp3, inspect_mp3, is_mp3
from ingest.content.audio.others import inspect_other, not_audio
from ingest.content.audio.reading import AudioFile
from ingest.content.audio.riff import inspect_riff, is_riff

_HEADER_TO_COME: Final = bytes(12)


def inspect(descriptor: int, size: int) -> AudioFacts:
    """What the open file of `size` bytes is, and how much of it is there.

    Raises RecordingFailure (AUDIO_DAMAGED), RecordingIncomplete (CHANGING), AttemptFailure (READ_FAILED).
    """
    if size == 0:
        return unfinished("empty", None, "The audio file is empty", Extent.EMPTY)
    file = AudioFile(descriptor, size)
    if is_riff(file.head):
        return inspect_riff(file)
    if is_mp3(file.head):
        return inspect_mp3(file)
    other = inspect_other(file) or find_mp3(file)
    if other is not None:
        return other
    if file.head.startswith(_HEADER_TO_COME) or not any(file.head):
        extent = Extent.SHORT if any(file.head) else Extent.EMPTY
        return unfinished("zeros", None, "The audio file begins with zeros: its header is not written yet", extent)
    raise not_audio(file.head)
