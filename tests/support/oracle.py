"""libsndfile, which knows audio files better than the tests: what it writes and reads is what ours is held to."""

from __future__ import annotations

import importlib
import io
import random
from array import array
from typing import Any

from tests.support.peers import lacking


def soundfile() -> Any:
    """The module; where it is missing the test skips, or fails where REQUIRE_PEERS is set."""
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError):
        lacking("soundfile, which brings libsndfile, is not installed (pip install soundfile)")


def sound(kind: str, subtype: str, seconds: float, rate: int, channels: int = 1, endian: str = "FILE") -> bytes:
    """A file of quiet noise, as libsndfile writes it."""
    noise = random.Random("sound")
    samples = array("h", (noise.randint(-2000, 2000) for _ in range(round(seconds * rate) * channels)))
    written = io.BytesIO()
    with soundfile().SoundFile(
        written, "w", samplerate=rate, channels=channels, format=kind, subtype=subtype, endian=endian
    ) as file:
        file.buffer_write(samples, dtype="int16")
    return written.getvalue()
