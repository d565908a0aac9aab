"""What the tests of a room start from: an empty state, a source over it, a key for SpeechSense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.state.store import Store, open_store
from tests.support.intake import Source
from tests.support.state import begin, new_database


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return new_database(tmp_path)


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    with open_store(database) as opened:
        yield opened


@pytest.fixture
def instance_id(store: Store) -> int:
    return begin(store)


@pytest.fixture
def source(tmp_path: Path, store: Store, instance_id: int) -> Source:
    folder = tmp_path / "drop"
    folder.mkdir()
    return Source(folder, store)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key file of a client that is called without the program around it."""
    path = tmp_path_factory.mktemp("key") / "api-key"
    path.write_text("invented-key\n")
    return path
