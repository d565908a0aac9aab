"""What this program tells of a recording by itself, for the keys of the connection that want it."""

from __future__ import annotations

import os

from ingest.content.audio import AudioFacts
from ingest.intake.look import Look
from ingest.intake.unique_id import unique_id
from ingest.settings import Computed, SourceSettings


def computed(source: SourceSettings, look: Look, facts: AudioFacts | None) -> dict[Computed, str]:
    """All that is known of the audio of `look`; `facts` are what a look inside told, None where it is none.

    The duration in whole seconds, halves upwards. Bytes of a path that are not UTF-8 stand as lone surrogates.
    """
    found = {
        Computed.FILE_NAME: os.fsdecode(os.path.basename(look.path)),
        Computed.PATH: os.fsdecode(look.path),
    }
    if look.audio is not None:
        id_ = unique_id(source.name, look.path, look.audio.size, look.audio.mtime_ns)
        found[Computed.RECORDING_ID] = id_
    if facts is not None and facts.duration_seconds is not None:
        found[Computed.DURATION_SECONDS] = str(int(facts.duration_seconds + 0.5))
    return found
