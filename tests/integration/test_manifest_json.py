"""JSON files that describe the recordings of a folder, and manifests beside sidecars."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.manifests import TABLE, arrived, audio, expected, line, table, verdict
from tests.support.service import Site


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", operation_seconds=0) as running:
        yield running


@pytest.fixture(autouse=True)
def _configured(site: Site) -> None:
    site.configure(source={"metadata": TABLE})


def test_a_folder_s_recording_json(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {
        "sidecar": [],
        "manifest": {"name": "recording.json", "audio": "media.id", "rows": "recordings"},
        "rename": {"agent.id": "operator_id", "media.client": "client_id", "started": "date"},
        "required": ["operator_id", "client_id", "date"],
        "other_keys": "drop",
    }
    site.configure(source={"metadata": metadata})
    for folder in ("5f0c", "5f0d"):
        audio(site, 0, folder)
        audio(site, 1, folder)
        document = {
            "agent": {"id": f"agent-{folder}"},
            "recordings": [
                {
                    "media": {"id": f"call-{number}.wav", "client": f"client-{number:04}"},
                    "started": "2026-03-01T09:30:00Z",
                }
                for number in range(2)
            ],
        }
        (site.folder / folder / "recording.json").write_text(json.dumps(document))
    site.once()
    found = arrived(site, emulator)
    assert {path: (each["operator_id"], each["client_id"]) for path, each in found.items()} == {
        f"{folder}/call-{number}.wav": (f"agent-{folder}", f"client-{number:04}")
        for folder in ("5f0c", "5f0d")
        for number in range(2)
    }


def test_a_json_file_for_all_audio_of_its_folder(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "folder.json"}, "required": ["operator_id"]}
    site.configure(source={"metadata": metadata})
    audio(site, 0, "badge-1/monday")
    audio(site, 1, "badge-2")
    (site.folder / "badge-1" / "folder.json").write_text('{"operator_id": "201"}')
    site.once()
    assert arrived(site, emulator)["badge-1/monday/call-0.wav"]["operator_id"] == "201"
    assert verdict(site, "badge-2/call-1.wav") == ("incomplete", "metadata_missing")
    (site.folder / "badge-2" / "folder.json").write_text('[{"operator_id": "202"}]')
    site.once()
    assert arrived(site, emulator)["badge-2/call-1.wav"]["operator_id"] == "202"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a": [1, {}]}', "", "{", '[{"a":1},{"a":2}]', '{"a":1,"a":2}'])
def test_p1_a_json_manifest_that_is_none_is_refused(site: Site, content: str) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "folder.json"}, "required": ["operator_id"]}
    site.configure(source={"metadata": metadata})
    audio(site, 0)
    (site.folder / "folder.json").write_text(content)
    site.once(code=1)
    assert site.row("call-0.wav")["reason"] in {"metadata_invalid", "metadata_value_invalid", "metadata_key_missing"}


def test_sidecar_and_manifest_are_both_waited_for_and_fill_each_other(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(source={"metadata": TABLE | {"sidecar": ["{stem}.json"], "required": ["operator_id", "note"]}})
    site.drop("call-0.wav", wav(0.1, seed=0), {"note": "from the sidecar"})
    site.once()
    assert verdict(site, "call-0.wav") == ("incomplete", "metadata_missing")
    table(site, line(0))
    assert set(site.show("call-0.wav")) >= {"history"}
    site.once()
    assert arrived(site, emulator) == {"call-0.wav": expected(0) | {"note": "from the sidecar"}}
    site.drop("call-1.wav", wav(0.1, seed=1), {"note": "x", "operator_id": "999"})
    table(site, line(0), line(1))
    site.once(code=1)
    refused = site.row("call-1.wav")
    assert refused["reason"] == "metadata_value_invalid"
    assert "the sidecar and the manifest say different things: “operator_id”" in refused["detail"]


def test_p1_json_around_the_entries_that_does_not_matter_may_change_all_the_time(
    site: Site, emulator: EmulatorProcess
) -> None:
    metadata = {
        "sidecar": [],
        "manifest": {"name": "recording.json", "audio": "file", "rows": "calls"},
        "rename": {"agent": "operator_id"},
        "required": ["operator_id"],
        "other_keys": "drop",
    }
    site.configure(source={"metadata": metadata, "settle_seconds": 1, "scan_seconds": 0.2})
    audio(site, 0)
    number = 0

    def rewritten() -> bool:
        nonlocal number
        number += 1
        document = {"updated": number, "calls": [{"file": "call-0.wav", "agent": 201, "played": number}]}
        (site.folder / "new.part").write_text(json.dumps(document))
        (site.folder / "new.part").rename(site.folder / "recording.json")
        return list(site.statuses().values()) == ["done"]

    rewritten()
    with site.running() as service:
        service.until(rewritten)
    assert [badge.fields["operator_id"] for badge in site.badges(emulator.store)] == ["201"]


def test_p1_entries_that_are_alike_but_for_their_names_are_two(site: Site, emulator: EmulatorProcess) -> None:
    metadata = {
        "sidecar": [],
        "manifest": {"name": "calls.json", "audio": "file"},
        "required": ["operator_id"],
        "other_keys": "drop",
    }
    site.configure(source={"metadata": metadata})
    entries = [{"file": f"call-{number}.wav", "operator_id": "1"} for number in range(3)]
    (site.folder / "calls.json").write_text(json.dumps(entries))
    site.once()
    before = {path: row["first_seen_at"] for path, row in site.rows().items()}
    audio(site, 0)
    site.once()
    assert site.statuses() == {"call-0.wav": "done", "call-1.wav": "incomplete", "call-2.wav": "incomplete"}
    assert {path: row["first_seen_at"] for path, row in site.rows().items()} == before
