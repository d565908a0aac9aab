"""What `check` says of the metadata of files that are new: counts, reasons and keys, and nobody's data."""

from __future__ import annotations

import hashlib

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, SOUND, Site


def told(site: Site, code: int = 0) -> list[str]:
    """Its lines about the files that it looked at."""
    lines = site.ingest("check", code=code).stdout.splitlines()
    return [line for line in lines if "no problem found" not in line and "new here" not in line]


def without(*keys: str) -> dict[str, object]:
    return {**GIVEN, **dict.fromkeys(keys)}


def test_p6_counts_reasons_and_keys(site: Site) -> None:
    for number in range(3):
        site.drop(f"good/caller-5550001-{number}.wav")
    for number in range(2):
        site.drop(f"caller-5550002-{number}.wav", fields=None)
    for number in range(4):
        site.drop(f"day/caller-5550003-{number}.wav", fields=without("client_id"))
    site.drop("lacking.wav", fields=without("client_id", "client_name"))
    site.drop("date.wav", fields={**GIVEN, "date": "1 March of 5550004"})
    site.drop("broken.wav", fields="no JSON, but 5550005")
    site.drop("empty.wav", b"")
    site.drop("stereo.wav", wav(0.1, channels=2))
    site.drop("lonely.wav", audio=None)
    before = hashlib.sha256(site.database.read_bytes()).hexdigest()

    counts, keys = told(site)

    assert counts.startswith(
        "floor: of the 14 files looked at: 3 would be sent, 2 without a metadata file, "
        "1 would wait (audio_unfinished 1), 8 would be refused (metadata_key_missing 5, "
    )
    for other in ("audio_channels 1", "metadata_invalid 1", "metadata_value_invalid 1"):
        assert other in counts
    assert keys == (
        "floor: required keys that are missing: client_id (5), client_name (1); "
        "keys whose value is not a date of ISO 8601 with a time zone (2026-03-01T09:30:00Z, +03:00 allowed): date (1)."
    )
    assert "555" not in counts + keys
    assert site.rows() == {}
    assert hashlib.sha256(site.database.read_bytes()).hexdigest() == before


def test_p6_what_the_state_knows_is_not_looked_at(site: Site, emulator: EmulatorProcess) -> None:
    site.drop("one.wav")
    site.drop("two.wav", wav(0.1, seed=2), fields=without("date"))
    site.once(code=1)
    assert told(site) == []
    site.drop("three.wav", wav(0.1, seed=3), fields=without("date"))
    assert told(site) == [
        "floor: of the one file looked at: 1 would be refused (metadata_key_missing 1).",
        "floor: required keys that are missing: date (1).",
    ]


def test_p8_a_hundred_of_many_are_looked_at(site: Site) -> None:
    for number in range(150):
        site.drop(f"{number % 3}/{number}.wav", fields=GIVEN if number % 2 else without("client_id"))
    counts, keys = told(site)
    assert counts.startswith("floor: of the 100 files looked at: ")
    assert keys.startswith("floor: required keys that are missing: client_id (")


def test_p6_no_more_than_a_few_keys_are_named(site: Site) -> None:
    site.configure(source={"metadata": {"required": [f"key-{number}" for number in range(9)]}})
    site.drop("one.wav")
    _, keys = told(site)
    assert keys.count("(1)") == 5
    assert keys.endswith(" and 4 more.")


def test_p6_every_key_of_many_is_counted_also_beside_bad_audio(site: Site) -> None:
    lacking = [f"key-{number:02}" for number in range(14)]
    site.configure(source={"metadata": {"required": lacking, "other_keys": "fail"}})
    for number in range(3):
        site.drop(f"{number}.wav", wav(0.1, channels=2, seed=number), fields=dict.fromkeys(lacking[:13], "x"))
    site.drop("other.wav", fields=dict.fromkeys([*lacking, "odd\n" + "x" * 60], "x"))
    _, keys = told(site)
    assert keys == (
        "floor: required keys that are missing: key-13 (3); "
        f"keys that no setting names (`other_keys: drop` leaves them out): odd�{'x' * 36}… (1)."
    )


def test_p6_what_is_wrong_with_a_manifest_is_counted(site: Site) -> None:
    site.configure(source={"metadata": {"sidecar": [], "manifest": {"name": "calls.csv", "audio": "file"}}})
    site.drop("one.wav", fields=None)
    site.drop("two.wav", wav(0.1, seed=2), fields=None)
    (site.folder / "calls.csv").write_text("file,agent,agent\none.wav,201,202\n")
    _, keys = told(site)
    assert keys == "floor: columns that stand in it more than once: agent (2)."


def test_p6_each_source_by_itself_and_none_for_one_that_is_away(site: Site) -> None:
    folders = [site.place / name for name in ("a", "b")]
    folders[0].mkdir()
    site.configure(
        sources=[
            {
                "name": folder.name,
                "path": str(folder),
                "metadata": {"mirror": {"audio": "audio", "sidecar": "metadata"}},
            }
            for folder in folders
        ]
    )
    site.drop("audio/day/x.wav", SOUND, fields=None, folder=folders[0])
    site.drop("metadata/day/x.wav", audio=None, folder=folders[0])
    site.drop("audio/day/y.wav", SOUND, folder=folders[0])
    assert told(site, code=2) == ["a: of the 2 files looked at: 1 would be sent, 1 without a metadata file."]
