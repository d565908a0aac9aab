"""The layouts that the README shows: each is set up as shown there, and arrives with the right fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.support.emulator import REPOSITORY, EmulatorProcess
from tests.support.service import SOUND, Site

README = (REPOSITORY / "README.md").read_text()
LONGEST = 15


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store") as running:
        yield running


def shown(after: str) -> dict[str, object]:
    """The part of a source that the README shows after these words."""
    found = re.search(re.escape(after) + r".*?```yaml\n(.*?)```", README, re.DOTALL)
    assert found, after
    assert len(found[1].splitlines()) < LONGEST
    return dict(yaml.safe_load(found[1]))


def test_nested_json(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source=shown("A recorder that writes nested JSON"))
    session = {
        "id": "5f0c",
        "agent": {"id": 201, "name": "Operator One", "team": {"id": 7}},
        "customer": [{"number": "client-0001", "name": "Client One"}],
        "started": "01.03.2026 09:30:00",
    }
    site.drop("2026/call.wav", SOUND, {"version": 2, "session": session, "events": [{"type": "hold"}]})
    site.once()
    (badge,) = site.badges(emulator.store)
    assert badge.fields == {
        "operator_id": "201",
        "operator_name": "Operator One",
        "client_id": "client-0001",
        "client_name": "Client One",
        "date": "2026-03-01T09:30:00+03:00",
        "language": "ru-RU",
    }
