"""Recordings that cannot be sent, one of each kind in turn: what a folder collects over the years."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from tests.support.audio import wav, wav_header
from tests.support.service import GIVEN, SOUND, Site

REFUSED = {**GIVEN, "client_id": "client-refused"}
"""What an emulator has to refuse: `Fault(match="client-refused", …)`."""


def _link(site: Site, name: str) -> None:
    outside = site.drop("outside.wav", SOUND, folder=site.place / "outside")
    (site.folder / f"{name}.wav").symlink_to(outside)
    site.drop(f"{name}.wav", audio=None)


def _pipe(site: Site, name: str) -> None:
    os.mkfifo(site.folder / f"{name}.wav")
    site.drop(f"{name}.wav", audio=None)


def _locked(site: Site, name: str) -> None:
    site.drop(f"{name}.wav").chmod(0)


def _locked_sidecar(site: Site, name: str) -> None:
    site.drop(f"{name}.wav").with_suffix(".json").chmod(0)


def _two_of_one(site: Site, name: str) -> None:
    site.drop(f"{name}.wav")
    site.drop(f"{name}.mp3", b"\xff\xfb", fields=None)


KINDS: Sequence[tuple[str, str, Callable[[Site, str], object]]] = (
    ("failed", "audio_damaged", lambda site, name: site.drop(f"{name}.wav", b"no audio at all " * 99)),
    ("failed", "audio_channels", lambda site, name: site.drop(f"{name}.wav", wav(0.1, channels=2))),
    ("incomplete", "audio_unfinished", lambda site, name: site.drop(f"{name}.wav", b"")),
    ("incomplete", "audio_unfinished", lambda site, name: site.drop(f"{name}.wav", wav_header(10**9) + SOUND)),
    ("failed", "metadata_invalid", lambda site, name: site.drop(f"{name}.wav", SOUND, "{")),
    ("failed", "metadata_invalid", lambda site, name: site.drop(f"{name}.wav", SOUND, b"\xff" * 99_000)),
    ("failed", "metadata_key_missing", lambda site, name: site.drop(f"{name}.wav", SOUND, {})),
    ("failed", "file_unsafe", _link),
    ("failed", "file_unsafe", _pipe),
    ("incomplete", "unreadable", _locked),
    ("incomplete", "unreadable", _locked_sidecar),
    ("failed", "metadata_ambiguous", _two_of_one),
    ("incomplete", "metadata_missing", lambda site, name: site.drop(f"{name}.wav", SOUND, None)),
    ("incomplete", "audio_missing", lambda site, name: site.drop(f"{name}.wav", None)),
    ("failed", "rejected", lambda site, name: site.drop(f"{name}.wav", SOUND, REFUSED)),
)


def drop_bad(site: Site, count: int) -> dict[str, tuple[str, str]]:
    """Makes `count` bad recordings called bad-…, before and between what the caller calls otherwise.

    Returns what becomes of each, by path, where root's rights are not in the way of a mode of 0.
    """
    expected: dict[str, tuple[str, str]] = {}
    for number in range(count):
        status, reason, make = KINDS[number % len(KINDS)]
        name = f"bad-{number:05}"
        make(site, name)
        ending = ".json" if reason == "audio_missing" else ".wav"
        expected[name + ending] = (status, reason)
        if make is _two_of_one:
            expected[name + ".mp3"] = (status, reason)
    return expected
