"""A look at one path and the judgement about it: without a thread, and without the state."""

from __future__ import annotations

import os

import pytest

from ingest.failures import SourceUnavailable
from ingest.intake.judge import judge
from ingest.intake.look import Finding, look, look_outside
from ingest.recording import Reason, Shape, Status
from ingest.settings import AudioSettings
from tests.support.intake import Source
from tests.support.samples import GIVEN, SOUND


def test_p6_looks(source: Source) -> None:
    source.drop_pair("a")
    source.drop("@eaDir/a.wav", SOUND)
    source.drop("x.txt", b"")
    settings = source.settings()
    assert look(settings, b"a.wav") == look(settings, b"a.json")
    assert look(settings, b"a.wav").finding is Finding.PAIR
    assert look(settings, b"@eaDir/a.wav").pattern == "**/@eaDir"
    assert look(settings, b"x.txt").finding is Finding.UNMATCHED
    assert look(settings, b"@eaDir").finding is Finding.IGNORED
    assert look(settings, b"no.wav").finding is Finding.GONE
    with pytest.raises(ValueError, match="cannot be judged"):
        judge(settings, AudioSettings(), look(settings, b"no.wav"), None)
    with pytest.raises(SourceUnavailable):
        look(source.settings(path=source.folder / "away"), b"a.wav")


def test_p3_judged_is_only_what_was_looked_at(source: Source) -> None:
    path = source.drop_pair("a")
    settings = source.settings()
    found = look(settings, path)
    source.drop("a.wav", SOUND + b"more")
    assert judge(settings, AudioSettings(), found, None).reason is Reason.CHANGING
    found = look(settings, path)
    source.drop("a.json", GIVEN | {"more": "x"})
    assert judge(settings, AudioSettings(), found, None).reason is Reason.CHANGING


def test_p6_files_outside_of_the_source(source: Source) -> None:
    outside = source.folder.parent.resolve() / "outside"
    source.drop_pair("a", outside)
    audio, sidecar = os.fsencode(outside / "a.wav"), os.fsencode(outside / "a.json")
    settings = source.settings()
    arrival = judge(settings, AudioSettings(), look_outside(settings, audio, sidecar), None)
    assert (arrival.status, arrival.path, arrival.metadata_path) == (Status.PENDING, audio, sidecar)
    lonely = look_outside(settings, audio, None)
    assert judge(settings, AudioSettings(), lonely, None).reason is Reason.METADATA_MISSING
    assert look_outside(settings, audio + b"x", sidecar).finding is Finding.GONE
    assert isinstance(arrival.audio, Shape)
