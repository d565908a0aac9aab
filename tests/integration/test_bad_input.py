"""Bad input through the command line: one clear sentence with the mend for each, the good ones go out, the bad not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.rights import without_roots_rights
from tests.support.service import GIVEN, SOUND, Site, run_ingest


def lacking(*keys: str) -> dict[str, object]:
    return {key: value for key, value in GIVEN.items() if key not in keys}


SIDECARS: dict[str, tuple[object, str, str]] = {
    "not-json": ("operator_name: Operator One", "metadata_invalid", "JSON"),
    "not-an-object": ("[1, 2]", "metadata_invalid", "object"),
    "empty": ("", "metadata_invalid", "empty"),
    "not-utf-8": (b'{"operator_name": "\xff\xfe"}', "metadata_invalid", "UTF-8"),
    "twice": ('{"client_id": "client-0001", "client_id": "client-0002"}', "metadata_invalid", "client_id"),
    "large": (json.dumps({**GIVEN, "notes": "x" * 10_000_000}), "metadata_invalid", "KiB"),
    "lacks": (lacking("operator_id", "date"), "metadata_key_missing", "operator_id"),
    "list": ({**GIVEN, "tags": ["one"]}, "metadata_value_invalid", "tags"),
    "object": ({**GIVEN, "extra": {"a": 1}}, "metadata_value_invalid", "extra"),
    "long": ({**GIVEN, "notes": "я" * 513}, "metadata_value_invalid", "notes"),
    "nan": (json.dumps(GIVEN)[:-1] + ', "score": NaN}', "metadata_invalid", ""),
    "date": ({**GIVEN, "date": "yesterday"}, "metadata_value_invalid", "date"),
}
AUDIO: dict[str, tuple[bytes, str]] = {
    "text": (b"This is a note that somebody saved as audio.\n" * 20, "audio_damaged"),
    "page": (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>" * 20, "audio_damaged"),
    "two-channels": (wav(0.1, channels=2), "audio_channels"),
}


def test_bad_recordings_fail_with_a_mend_and_the_good_one_beside_them_is_delivered(
    site: Site, emulator: EmulatorProcess
) -> None:
    for name, (fields, _, _) in SIDECARS.items():
        site.drop(f"sidecar-{name}.wav", SOUND, fields)  # type: ignore[arg-type]
    for name, (content, _) in AUDIO.items():
        site.drop(f"audio-{name}.wav", content)
    site.drop("both.wav", b"no audio at all\n" * 9, lacking("client_id"))
    site.drop("good.wav")

    site.once(code=1)

    rows = site.rows()
    assert rows.pop("good.wav")["status"] == "done"
    assert len(site.badges(emulator.store)) == 1
    both = rows.pop("both.wav")["detail"]
    assert "not audio" in both
    assert "client_id" in both
    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        **{f"sidecar-{name}.wav": ("failed", reason) for name, (_, reason, _) in SIDECARS.items()},
        **{f"audio-{name}.wav": ("failed", reason) for name, (_, reason) in AUDIO.items()},
    }
    for name, (_, _, words) in SIDECARS.items():
        assert words in rows[f"sidecar-{name}.wav"]["detail"], rows[f"sidecar-{name}.wav"]["detail"]
    for path, row in rows.items():
        assert row["detail"].count(". ") >= 1, f"{path} has no mend: {row['detail']}"
        assert "\n" not in row["detail"]
        assert "Operator One" not in row["detail"]
        assert row["badge_id"] is None


def test_two_recordings_that_claim_one_sidecar_are_not_sent(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav", SOUND)
    site.drop("one.WAV", wav(0.1, seed=2), fields=None)

    site.once(code=1)

    assert {row["reason"] for row in site.rows().values()} == {"metadata_ambiguous"}
    assert site.badges(emulator.store) == []


def test_p7_links_pipes_and_folders_named_like_recordings_harm_nothing(site: Site, emulator: EmulatorProcess) -> None:
    outside = site.drop("secret.wav", wav(0.1, seed=9), folder=site.place / "outside")
    (site.folder / "link.wav").symlink_to(outside)
    (site.folder / "link.json").write_text(json.dumps(GIVEN))
    site.drop("linked-sidecar.wav", wav(0.1, seed=3), fields=None)
    (site.folder / "linked-sidecar.json").symlink_to(outside.with_suffix(".json"))
    (site.folder / "linked-folder").symlink_to(outside.parent)
    os.mkfifo(site.folder / "pipe.wav")
    (site.folder / "pipe.json").write_text(json.dumps(GIVEN))
    (site.folder / "folder.wav").mkdir()
    site.drop("good.wav")

    site.once(code=1)

    rows = site.rows()
    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        "link.wav": ("failed", "file_unsafe"),
        "linked-sidecar.wav": ("failed", "file_unsafe"),
        "pipe.wav": ("failed", "file_unsafe"),
        "good.wav": ("done", None),
    }
    assert all("ordinary file" in row["detail"] for row in rows.values() if row["detail"])
    assert len(site.badges(emulator.store)) == 1


def test_any_name_that_a_file_can_have_is_delivered_and_listed(site: Site, emulator: EmulatorProcess) -> None:
    names = [
        b"with spaces and 'quotes\".wav",
        b"new\nline.wav",
        b"not-utf-8-\xff\xfe.wav",
        "звонок.wav".encode(),
        b"\x1b[31mred.wav",
        b"-h.wav",
        b"%s{stem}.wav",
        b"folder \xfe/deep.wav",
    ]
    for number, name in enumerate(names):
        site.drop(name, wav(0.1, seed=number))

    site.once()

    rows = site.rows()
    assert {os.fsencode(path): row["status"] for path, row in rows.items()} == dict.fromkeys(names, "done")
    assert len(site.badges(emulator.store)) == len(names)
    listed = site.ingest("list").stdout
    assert len(listed.splitlines()) == len(names)
    assert "\x1b" not in listed
    assert r"new\nline.wav" in listed
    assert r"not-utf-8-\xff\xfe.wav" in listed
    assert site.show(rows["-h.wav"]["id"])["path"] == "-h.wav"
    for name in (names[1], names[2], names[7]):
        assert site.ingest("show", "--json", name).object["path"] == os.fsdecode(name)
        assert site.ingest("show", site.folder / os.fsdecode(name)).stdout.startswith("Recording ")


CONFIGURATIONS: dict[str, tuple[str, str, str]] = {
    "unknown key": ("settle_seconds: 0", "settle_secs: 0", "settle_secs"),
    "wrong type": ("settle_seconds: 0", "settle_seconds: soon", "number"),
    "duplicate key": ("settle_seconds: 0", "settle_seconds: 0\n  settle_seconds: 1", "settle_seconds"),
    "no such variable": ("settle_seconds: 0", "settle_seconds: ${INVENTED_VARIABLE}", "INVENTED_VARIABLE"),
    "broken YAML": ("sources:", "sources: [", "YAML"),
    "relative path": ("path: /", "path: ", "absolute"),
}


@pytest.mark.parametrize("fault", CONFIGURATIONS)
def test_a_faulty_configuration_is_told_with_its_place(site: Site, fault: str) -> None:
    before, after, words = CONFIGURATIONS[fault]
    text = site.config.read_text()
    assert before in text
    site.config.write_text(text.replace(before, after, 1))
    site.drop("one.wav")

    refused = site.ingest("run", "--once", code=2)

    assert refused.stderr.startswith(f"{site.config}:")
    assert refused.stderr.split(str(site.config))[1].split(":")[1].isdecimal()
    assert words in refused.stderr
    assert refused.stdout == ""
    assert site.statuses() == {}


def test_no_configuration_at_all_is_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(site.config.read_text())

    missing = run_ingest("status", "--config", tmp_path / "none.yaml", code=2)
    empty = run_ingest("status", "--config", "", code=2)
    folder = run_ingest("status", "--config", tmp_path, code=2)
    default = run_ingest("status", cwd=tmp_path, code=2)

    assert "There is no configuration file here" in missing.stderr
    assert empty.stderr
    assert folder.stderr
    assert "/etc/speechsense-ingest/config.yaml" in default.stderr  # never the current directory


def test_a_missing_key_file_is_told_and_nothing_is_lost(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.key.unlink()

    refused = site.once(code=1)

    assert "It ended early" in refused.stderr
    assert "api_key_file" in refused.stderr or str(site.key) in refused.stderr
    assert (site.row("one.wav")["status"], site.row("one.wav")["attempts"]) == ("pending", 0)
    assert site.badges(emulator.store) == []


def test_a_missing_folder_is_told_and_the_other_source_goes_on(site: Site, emulator: EmulatorProcess) -> None:
    site.configure(sources=[{"name": "floor"}, {"name": "away", "path": str(site.place / "away")}])
    site.drop("one.wav")

    told = site.once()

    assert "Source away is away" in told.stderr
    assert "Mount or make it" in told.stderr
    assert not (site.place / "away").exists()
    assert len(site.badges(emulator.store)) == 1


def test_a_folder_or_file_without_rights_is_told(site: Site) -> None:
    site.drop("closed/one.wav")
    site.drop("unreadable.wav", wav(0.1, seed=2))
    site.drop("good.wav", wav(0.1, seed=3))
    (site.folder / "unreadable.wav").chmod(0)
    (site.folder / "closed").chmod(0)
    _once_without_roots_rights(site)
    rows = site.rows()
    status = site.ingest("status").stdout
    site.folder.chmod(0)
    whole = _once_without_roots_rights(site)
    site.folder.chmod(0o700)
    (site.folder / "closed").chmod(0o700)
    (site.folder / "unreadable.wav").chmod(0o600)
    site.once()

    assert {path: (row["status"], row["reason"]) for path, row in rows.items()} == {
        "unreadable.wav": ("incomplete", "unreadable"),
        "good.wav": ("done", None),
    }
    assert "right to read" in rows["unreadable.wav"]["detail"]
    assert "1 folders or files in the source could not be read" in status
    assert "Source floor is away" in whole.stderr
    assert "right to" in whole.stderr
    assert [row["status"] for row in site.rows().values()] == ["done"] * 3


def _once_without_roots_rights(site: Site) -> subprocess.CompletedProcess[str]:
    ended = without_roots_rights("run", "--once", "--config", site.config)
    assert ended.returncode == 0, ended.stderr
    return ended


def test_folders_behind_a_closed_one_are_told_by_check_and_send(site: Site) -> None:
    closed = site.place / "closed"
    for name in ("drop", "sent"):
        (closed / name).mkdir(parents=True)
    recording = site.drop("one.wav", folder=closed / "drop")
    site.configure(source={"path": str(closed / "drop"), "after_upload": {"move_to": str(closed / "sent")}})
    closed.chmod(0)
    if os.geteuid() == 0:
        os.chown(closed, 65534, 65534)  # root enters its own folders only by the rights that are given up
    try:
        checked = without_roots_rights("check", "--config", site.config)
        sent = without_roots_rights("send", "--config", site.config, recording)
    finally:
        closed.chmod(0o700)

    told = checked.stdout + checked.stderr
    assert checked.returncode != 0
    for name in ("drop", "sent"):
        assert f"The folder {closed / name} cannot be reached by this user." in told
    assert "right to enter the folders above it" in told
    assert sent.returncode == 2, sent
    assert "cannot be reached by this user" in sent.stderr
    assert "user of the service" in sent.stderr
