"""The unique id that a recording carries to SpeechSense, so that it can be looked up when its answer was lost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from ingest.content.metadata import MAX_ENTRIES
from ingest.failures import RecordingFailure
from ingest.recording import Arrival, Reason
from ingest.settings import SourceSettings

UNIQUE_ID_BYTES: Final = 32
_NAMESPACE: Final = uuid.UUID("8f3c6c1e-6a53-4a1c-9d55-0f6c2c2f7b1e")


def with_unique_id(source: SourceSettings, arrival: Arrival, fields: Mapping[str, str]) -> dict[str, str]:
    """`fields`, and where the source has a `look_up` section the id of `arrival` under its key.

    It is made from the source's name and the audio's path, size and mtime alone, so that a state which was lost or
    restored makes the same one again. Raises RecordingFailure where the metadata has that key already: what it says
    there would be lost, and what is found under it would not be this recording.
    """
    wish = source.look_up
    if wish is None or arrival.audio is None:
        return dict(fields)
    if wish.key in fields:
        raise RecordingFailure(
            Reason.METADATA_VALUE_INVALID,
            "The metadata cannot be sent: it has the key of look_up.key, whose value is made by this program.",
            "Take that key out of the sidecar, or name another key of the connection in look_up.key.",
        )
    if len(fields) >= MAX_ENTRIES:
        raise RecordingFailure(
            Reason.METADATA_INVALID,
            f"The metadata cannot be sent: with the unique id of look_up it has more than {MAX_ENTRIES} keys.",
            "Take a key out of the sidecar; it is judged again as soon as it changes.",
        )
    return {**fields, wish.key: unique_id(arrival.source, arrival.path, arrival.audio.size, arrival.audio.mtime_ns)}


def unique_id(source: str, path: bytes, size: int, mtime_ns: int) -> str:
    """The id (hex) of the audio of `size` bytes at this path of a source: the same whenever it is made."""
    # No hyphens: a search engine may take what stands between them for words that other ids have too.
    parts = (source.encode("utf-8", "surrogatepass"), path, b"%d" % size, b"%d" % mtime_ns)
    return uuid.uuid5(_NAMESPACE, b"\0".join(parts).decode("latin-1")).hex
