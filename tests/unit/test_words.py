"""How lengths read: of one recording as players show it, of many as they are paid for."""

from __future__ import annotations

import pytest

from ingest.console.words import audio_shown, length_shown
from ingest.state.shown import Amount


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0.0, "0:00"),
        (0.4, "0:00"),
        (59.6, "1:00"),
        (123.0, "2:03"),
        (3599.4, "59:59"),
        (3599.6, "1:00:00"),
        (3723.2, "1:02:03"),
        (360_000.0, "100:00:00"),
    ],
)
def test_p6_the_length_of_one(seconds: float | None, shown: str) -> None:
    assert length_shown(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "unknown", "shown"),
    [
        (0.0, 0, "0 s of audio"),
        (35.2, 0, "35 s of audio"),
        (59.6, 0, "1.0 min of audio"),
        (3596.9, 0, "59.9 min of audio"),
        (3599.0, 0, "1.0 hours of audio"),
        (204_120.0, 3, "56.7 hours of audio (3 without a known length)"),
        (359_900.0, 0, "100 hours of audio"),
        (4_444_444.0, 1_200, "1,235 hours of audio (1,200 without a known length)"),
        (0.0, 5_000, "audio of unknown length"),
    ],
)
def test_p6_the_audio_of_many(seconds: float, unknown: int, shown: str) -> None:
    assert audio_shown(Amount(recordings=5_000, seconds=seconds, unknown=unknown)) == shown
