"""One bad file never stops the others: as many bad recordings as good ones, and every good one is delivered."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.bad_files import drop_bad
from tests.support.emulator import EmulatorProcess
from tests.support.service import Site
from tests.support.sources import once, standing, without_roots_rights

COUNT = int(os.environ.get("BAD_FILES", "60"))
"""Of each, good and bad; 1000 is the size of the promise."""

REFUSAL = Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-refused", code="INVALID_ARGUMENT")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=[REFUSAL]) as running:
        yield running


def test_p5_bad_recordings_stop_no_good_one(site: Site, emulator: EmulatorProcess) -> None:
    expected = drop_bad(site, COUNT)
    for number in range(COUNT):
        site.drop(f"call-{number:05}.wav", wav(0.1, seed=number))
        expected[f"call-{number:05}.wav"] = ("done", "")
    once(site, 1, *without_roots_rights())
    assert {path: (status, reason or "") for path, (status, reason) in standing(site).items()} == expected
    assert len(site.badges(emulator.store)) == COUNT
