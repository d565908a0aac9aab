"""What the tests of shares start from: mounts of their own, and an installation whose source is looked at often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import mounts
from tests.support.emulator import EmulatorProcess
from tests.support.service import Site
from tests.support.sources import QUICK


@pytest.fixture(scope="module")
def private_mounts() -> Iterator[None]:
    """What the module mounts is seen by it and by what it starts from here on, and is gone in the end."""
    with mounts.private_mounts():
        yield


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, private_mounts: None) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorProcess) -> Site:
    made = Site(tmp_path / "site", emulator.address, source=QUICK)
    made.migrate()
    return made
