"""Decides whether a file with these facts can be sent, and as what: pure."""

from __future__ import annotations

import math
from typing import Final

from ingest.content.audio.facts import AudioFacts, Extent
from ingest.failures import RecordingFailure, RecordingIncomplete
from ingest.method import MethodFacts
from ingest.recording import Container, PayloadKind, Reason
from ingest.settings import AudioSettings

_TAKEN: Final = "SpeechSense takes WAV with 16-bit PCM, and MP3: set the recorder so, or convert the file."
_WRITING: Final = (
    "It is judged again as soon as it changes; what has not changed for audio.give_up_seconds is decided as it is."
)
_WHOLE: Final = "Put the whole recording in its place, or take it out with `ingest skip`."


def payload_kind(facts: AudioFacts, takes: MethodFacts, rules: AudioSettings, *, given_up: bool) -> PayloadKind:
    """What is to go out. `given_up`: the file has not changed for `rules.give_up_seconds`, so nothing more will come.

    Raises RecordingFailure (AUDIO_UNSUPPORTED, AUDIO_CHANNELS, AUDIO_EMPTY, AUDIO_TRUNCATED, AUDIO_TOO_LONG) and
    RecordingIncomplete (AUDIO_UNFINISHED).
    """
    _require_format(facts, takes)
    if facts.extent in {Extent.EMPTY, Extent.SHORT} or (facts.extent is Extent.UNFILLED and not given_up):
        raise _not_whole(facts, given_up=given_up)
    _require_length(facts, rules)
    return PayloadKind.MENDED_HEADER if facts.mend is not None and rules.mend_header else PayloadKind.FILE


def _require_format(facts: AudioFacts, takes: MethodFacts) -> None:
    if facts.codec is not None and (facts.container, facts.codec) not in takes.formats:
        raise RecordingFailure(Reason.AUDIO_UNSUPPORTED, f"The file is {facts.name}.", _TAKEN)
    if facts.container is Container.WAV and facts.rate is not None and facts.rate not in takes.wav_rates:
        allowed = f"{takes.wav_rates[0]:,} to {takes.wav_rates[-1]:,} are taken"
        raise RecordingFailure(
            Reason.AUDIO_UNSUPPORTED, f"The file is WAV with a sample rate of {facts.rate} Hz ({allowed}).", _TAKEN
        )
    if facts.channels is not None and facts.channels != takes.channels:
        raise RecordingFailure(
            Reason.AUDIO_CHANNELS,
            f"The audio has {facts.channels} channels; {takes.rpc} takes {takes.channels}.",
            "Set the recorder to one channel, or give this source a method that fits.",
        )


def _require_length(facts: AudioFacts, rules: AudioSettings) -> None:
    if facts.duration_seconds is None:
        lasts = "The audio lasts longer than any recorder writes"
    elif facts.duration_seconds > rules.max_hours * 3600:
        lasts = f"The audio lasts {_clock(facts.duration_seconds)}"
    elif facts.extent in {Extent.STREAMED, Extent.UNFILLED} and facts.container is Container.WAV and not facts.mend:
        lasts = "The audio is larger than a WAV header can say"
    else:
        return
    raise RecordingFailure(
        Reason.AUDIO_TOO_LONG,
        f"{lasts}; at most {rules.max_hours:g} hours are taken.",
        "Set the recorder to shorter files, or raise audio.max_hours if support has raised the quota.",
    )


def _not_whole(facts: AudioFacts, *, given_up: bool) -> RecordingFailure | RecordingIncomplete:
    if not given_up:
        return RecordingIncomplete(Reason.AUDIO_UNFINISHED, f"{facts.shortfall}.", _WRITING)
    reason = Reason.AUDIO_EMPTY if facts.extent is Extent.EMPTY else Reason.AUDIO_TRUNCATED
    return RecordingFailure(reason, f"{facts.shortfall}, and nothing has come for audio.give_up_seconds.", _WHOLE)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds, rounded up: it is told only where it is too much."""
    whole = math.ceil(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
