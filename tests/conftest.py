"""What the tests of the whole program start from: an installation, and the SpeechSense that it sends to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.service import Site


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """One that takes everything; a module that wants faults has one of its own under this name."""
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store") as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    """One source, an empty state; nothing runs."""
    made = Site(tmp_path / "site", emulator.address)
    made.migrate()
    return made
