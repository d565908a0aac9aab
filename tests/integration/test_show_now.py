"""What `show` says of a recording that was not sent: what would go out now, and where each field comes from."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.service import GIVEN, SOUND, Site

NOW_KEYS = ["would_be", "reason", "detail", "fields", "origins"]
SPOILT = {**GIVEN, "client_id": "client-spoilt"}
FAULTS = (Fault(moment=Moment.LAST_BYTE_LET_GO, match="client-spoilt", operation_error="no speech was found"),)
LACKING = {**GIVEN, "client_id": None}
WHOLE = {**GIVEN, "language": "ru-RU"}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "store", faults=FAULTS, operation_seconds=0) as running:
        yield running


def now(site: Site, what: object = "one.wav") -> dict[str, Any]:
    found: dict[str, Any] = site.show(what)["now"]
    assert list(found) == NOW_KEYS
    return found


def write(path: Path, fields: object) -> None:
    path.with_suffix(".json").write_text(json.dumps(fields))


def test_p6_a_failed_one_that_was_corrected(site: Site) -> None:
    audio = site.drop("one.wav", fields=LACKING)
    site.once(code=1)
    still = now(site)
    assert (still["would_be"], still["reason"], still["fields"]) == ("failed", "metadata_key_missing", {})
    assert "client_id" in still["detail"]
    before = hashlib.sha256(site.database.read_bytes()).hexdigest()

    write(audio, GIVEN)

    assert now(site) == {
        "would_be": "pending",
        "reason": None,
        "detail": None,
        "fields": WHOLE,
        "origins": {**dict.fromkeys(GIVEN, "sidecar"), "language": "defaults"},
    }
    told = site.ingest("show", "one.wav").stdout
    stored, _, judged = told.partition("  judged now it would be pending\n")
    assert "failed (metadata_key_missing)" in stored
    assert "    client_id: client-0001  (sidecar)\n" in judged
    assert "    language: ru-RU  (defaults)\n" in judged
    assert site.row("one.wav")["status"] == "failed"
    assert hashlib.sha256(site.database.read_bytes()).hexdigest() == before


def test_p6_halves_that_were_lonely(site: Site) -> None:
    site.drop("one.wav", fields=None)
    site.drop("two.wav", audio=None)
    site.once()
    assert (now(site)["would_be"], now(site)["reason"]) == ("incomplete", "metadata_missing")
    assert (now(site, "two.json")["would_be"], now(site, "two.json")["reason"]) == ("incomplete", "audio_missing")
    assert (
        "judged now it would be incomplete (metadata_missing): There is no metadata"
        in site.ingest("show", "one.wav").stdout
    )
    site.drop("two.wav", SOUND)
    assert (now(site, "two.json")["would_be"], now(site, "two.json")["fields"]) == ("pending", WHOLE)


@pytest.mark.parametrize("header", [None, 0xFFFFFFFF])
def test_p6_one_that_waits_for_its_turn(site: Site, header: int | None) -> None:
    site.drop("one.wav", SOUND if header is None else SOUND[:40] + struct.pack("<I", header) + SOUND[44:])
    nowhere = {"endpoint": "127.0.0.1:1", "operations_endpoint": None}
    site.configure(speechsense=nowhere)
    site.once(code=1)
    assert site.row("one.wav")["status"] == "pending"
    site.configure(speechsense=nowhere, source={"settle_seconds": 30})
    assert (now(site)["would_be"], now(site)["fields"]) == ("pending", WHOLE)
    write(site.folder / "one.wav", LACKING)
    assert now(site)["would_be"] == "failed"
    assert site.row("one.wav")["status"] == "pending"


def test_p5_a_file_that_has_gone_and_a_source_that_is_away(site: Site) -> None:
    audio = site.drop("one.wav", fields=LACKING)
    site.once(code=1)
    audio.unlink()
    gone = now(site)
    assert (gone["would_be"], gone["reason"]) == ("incomplete", "missing")
    assert (
        "judged now it would be incomplete (missing): The file is not there any more."
        in site.ingest("show", "one.wav").stdout
    )
    shutil.rmtree(site.folder)
    away = now(site)
    assert (away["would_be"], away["reason"], away["fields"], away["origins"]) == (None, "source_away", {}, {})
    (line,) = (line for line in site.ingest("show", "one.wav").stdout.splitlines() if "now" in line)
    assert line == f"  now it cannot be judged: {away['detail']}"


def test_p6_a_source_that_is_not_configured_any_more(site: Site) -> None:
    site.drop("one.wav", fields=LACKING)
    site.once(code=1)
    site.configure(sources=[{"name": "other", "path": str(site.place / "other")}])
    found = now(site)
    assert (found["would_be"], found["reason"]) == (None, None)
    assert "no source called floor" in found["detail"]


def test_p6_of_what_was_sent_or_taken_out_nothing_is_judged(site: Site) -> None:
    for seed, (name, fields) in enumerate({"one.wav": GIVEN, "spoilt.wav": SPOILT}.items()):
        write(site.drop(name, wav(0.1, seed=seed)), fields)
    site.drop("unwanted.wav", fields=None)
    site.once()
    site.operations_fall_due()
    site.once(code=1)
    site.ingest("skip", str(site.row("unwanted.wav")["id"]))
    assert {path: (row["status"], row["reason"]) for path, row in site.rows().items()} == {
        "one.wav": ("done", None),
        "spoilt.wav": ("failed", "operation_failed"),
        "unwanted.wav": ("skipped", "by_operator"),
    }
    for name in ("one.wav", "spoilt.wav", "unwanted.wav"):
        assert "now" not in site.show(name)
        assert "judged" not in site.ingest("show", name).stdout
