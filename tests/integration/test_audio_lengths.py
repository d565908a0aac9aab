"""How long the audio is: of a recording in `list` and `show`, of what waits in `status`, of a backlog in `check`."""

from __future__ import annotations

import hashlib
import os
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.config import load
from ingest.recording import Arrival, Reason, Shape, Status
from ingest.service.backlog import unseen
from ingest.settings import AudioSettings
from ingest.state.store import open_store
from tests.support.audio import wav, wav_header
from tests.support.rights import without_roots_rights
from tests.support.service import Site
from tests.support.state import pair

CHARGED = "SpeechSense charges by the second."
HINT = "Set start_from to leave older ones out."
OLD = 1_577_880_000  # 2020


def known_already(site: Site, *arrivals: Arrival) -> None:
    """Lets the state have these of the source `floor`."""
    with open_store(site.database) as store:
        store.instances.register_sources({"floor": site.folder})
        store.arrivals.add(arrivals)


def long_wav(path: Path, seconds: float, rate: int = 8000) -> Path:
    """A whole WAV file of any length that takes no room on the disk: its samples are a hole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(seconds * rate) * 2
    with path.open("wb") as file:
        file.write(wav_header(size, rate))
        file.truncate(44 + size)
    return path


def told(site: Site, code: int = 0) -> list[str]:
    """What `check` says of backlogs, in audio."""
    others = re.compile(r"no problem found|: of the .* looked at: |: required keys ")
    return [line for line in site.ingest("check", code=code).stdout.splitlines() if not others.search(line)]


def hours(line: str) -> float:
    """The hours of audio that a line of `check` names."""
    (figure,) = re.findall(r"([\d,.]+) hours of audio", line)
    return float(figure.replace(",", ""))


class TestOfOne:
    def test_p6_list_has_a_column_for_it(self, site: Site) -> None:
        known_already(
            site,
            pair(b"a.wav", source="floor", duration_seconds=3723.2),
            pair(b"b.wav", source="floor", duration_seconds=123.4, status=Status.FAILED, reason=Reason.REJECTED),
            pair(b"c.wav", source="floor", duration_seconds=None),
        )

        rows = [line.split() for line in site.ingest("list").stdout.splitlines()]

        assert rows == [
            ["1", "pending", "1:02:03", "floor", "a.wav"],
            ["2", "failed", "2:03", "floor", "b.wav", "rejected"],
            ["3", "pending", "-", "floor", "c.wav"],
        ]

    def test_p6_show_says_it_in_words(self, site: Site) -> None:
        known_already(
            site,
            pair(b"a.wav", source="floor", duration_seconds=3723.25),
            pair(b"b.wav", source="floor", duration_seconds=None),
        )

        assert "  duration_seconds: 3723.25 (1 h 2 min)\n" in site.ingest("show", "1").stdout
        assert "duration_seconds" not in site.ingest("show", "2").stdout

    @pytest.mark.parametrize(
        ("name", "seconds", "words"),
        [
            ("pair.wav", 123.0, "Its audio lasts 2 min 3 s."),
            ("lonely.wav", 61.0, "Its audio lasts 1 min 1 s."),
            ("old.wav", 4000.0, "Its audio lasts 1 h 6 min."),
            ("page.wav", None, None),
            ("alone.json", None, None),
        ],
    )
    def test_p6_show_of_a_path_never_seen(
        self, site: Site, name: str, seconds: float | None, words: str | None
    ) -> None:
        site.configure(source={"start_from": "2026-01-01"})
        site.drop("pair.wav", wav(123.0))
        site.drop("lonely.wav", wav(61.0), fields=None)
        os.utime(long_wav(site.folder / "old.wav", 4000.0), (OLD, OLD))
        site.drop("page.wav", b"<html>an error page</html>")
        site.drop("alone.wav", audio=None)

        path = str(site.folder / name)
        assert site.ingest("show", "--json", path).object["duration_seconds"] == seconds
        assert ("Its audio lasts" in site.ingest("show", path).stdout) == (words is not None)
        assert (words or "") in site.ingest("show", path).stdout
        assert site.rows() == {}


class TestOfWhatWaits:
    def test_p6_status_tells_the_audio_that_waits(self, site: Site) -> None:
        nowhere = {"name": "support", "path": str(site.place / "nowhere")}
        site.configure(sources=[{"name": "floor"}, nowhere])
        known_already(
            site,
            pair(b"a.wav", source="floor", duration_seconds=180_000.0, audio=Shape(2_880_000_044, 1)),
            pair(b"b.wav", source="floor", duration_seconds=24_120.0, audio=Shape(385_920_044, 1)),
            pair(b"c.wav", source="floor", duration_seconds=None),
            pair(b"d.wav", source="floor", duration_seconds=999_999.0, status=Status.SKIPPED, reason=Reason.TOO_OLD),
        )
        with open_store(site.database) as store:
            store.instances.register_sources({"floor": site.folder, "support": site.place / "nowhere"})
            store.arrivals.add([pair(b"e.wav", source="support", duration_seconds=7200.0)])

        now, text = site.status(), site.ingest("status").stdout

        assert site.ingest("list", "--status", "pending").stdout.count("\n") == 4
        floor, support = now["sources"]["floor"], now["sources"]["support"]
        assert (floor["audio_seconds_pending"], floor["audio_unknown_pending"]) == (204_120.0, 1)
        assert (support["audio_seconds_pending"], support["audio_unknown_pending"]) == (7200.0, 0)
        assert (now["audio_seconds_pending"], now["audio_unknown_pending"]) == (211_320.0, 1)
        assert "3 pending, 1 skipped; 56.7 hours of audio (1 without a known length) to send\n" in text
        assert "1 pending; 2.0 hours of audio to send\n" in text
        assert "Waiting: 4 recordings, 3.3 GB, 58.7 hours of audio (1 without a known length)\n" in text

    def test_p6_status_tells_the_audio_of_the_last_hour(self, site: Site) -> None:
        site.drop("a.wav", wav(40.0, seed=1))
        site.drop("b.wav", wav(50.0, seed=2))
        before = site.status()
        site.once()
        now, text = site.status(), site.ingest("status").stdout

        assert (before["audio_seconds_done_last_hour"], before["audio_seconds_pending"]) == (0.0, 0.0)
        assert (now["audio_seconds_done_last_hour"], now["audio_seconds_pending"]) == (90.0, 0.0)
        assert "Last hour: 2 done, 1.4 MB, 1.5 min of audio\n" in text
        assert "2 done\n" in text
        assert "Waiting:" not in text


class TestOfABacklog:
    def test_p6_check_knows_what_the_state_has_waiting(self, site: Site) -> None:
        known_already(
            site,
            *(pair(b"%04d.wav" % number, source="floor", duration_seconds=180.0) for number in range(1_231)),
            *(pair(b"x%d.wav" % number, source="floor", duration_seconds=None) for number in range(3)),
            pair(
                b"y.wav",
                source="floor",
                status=Status.INCOMPLETE,
                reason=Reason.METADATA_MISSING,
                duration_seconds=None,
            ),
            pair(b"z.wav", source="floor", status=Status.FAILED, reason=Reason.REJECTED, duration_seconds=9e5),
        )

        assert told(site) == [
            "floor: 1,234 recordings wait to be sent, 61.5 hours of audio (3 without a known length).",
            "floor: 1 recording is incomplete, audio of unknown length.",
        ]

    def test_p6_check_has_nothing_to_say_where_nothing_waits(self, site: Site) -> None:
        (site.folder / "readme.txt").write_text("not a recording")
        site.drop("alone.wav", audio=None)
        (site.folder / "link.wav").symlink_to(long_wav(site.place / "elsewhere.wav", 3600))

        assert told(site) == []

    def test_p6_check_is_exact_where_few_files_are_new(self, site: Site) -> None:
        for number in range(8):
            long_wav(site.folder / f"2026/{number}.wav", 1800.0, rate=(8000, 16000)[number % 2])

        (line,) = told(site)

        assert line == f"floor: 8 files are new here, 4.0 hours of audio; {CHARGED} {HINT}"

    def test_p6_check_counts_what_has_no_length(self, site: Site) -> None:
        long_wav(site.folder / "one.wav", 7200.0)
        (site.folder / "page.wav").write_text("<html>an error page</html>" * 1000)
        (site.folder / "empty.wav").touch()

        (line,) = told(site)

        assert line.startswith("floor: 3 files are new here, 2.0 hours of audio (2 without a known length); ")

    def test_p6_check_estimates_a_mix_within_a_tenth(self, site: Site) -> None:
        chance = random.Random(4)
        site.configure(source={"audio": ["**/*.wav", "**/*.wave"]})
        truth = 0.0
        for number in range(600):
            # What the first folders hold is not what the last do, and a few files of another kind hold the most.
            rate, mean = ((8_000, 600), (16_000, 600), (48_000, 6_000))[(number >= 300) + (number >= 570)]
            seconds = chance.expovariate(1 / mean)
            ending = "wave" if rate == 48_000 else "WAV"
            long_wav(site.folder / f"{number // 100}/call-{number}.{ending}", seconds, rate)
            truth += int(seconds * rate) / rate / 3600

        (line,) = told(site)

        assert line.startswith("floor: 600 files are new here, an estimated ")
        assert hours(line) == pytest.approx(truth, rel=0.1)
        assert told(site) == [line], "another look, another figure"

    def test_p6_check_heeds_start_from(self, site: Site) -> None:
        site.configure(source={"start_from": "2026-01-01"})
        for number in range(5):
            path = long_wav(site.folder / f"{number}.wav", 3600.0)
            if number < 3:
                os.utime(path, (OLD, OLD))

        assert told(site) == [f"floor: 2 files are new here, 2.0 hours of audio; {CHARGED}"]

    def test_p6_check_counts_no_recording_twice(self, site: Site) -> None:
        site.drop("done.wav", wav(1.0, seed=1))
        site.once()
        known_already(
            site,
            pair(b"waits.wav", source="floor", duration_seconds=5400.0),
            pair(b"failed.wav", source="floor", status=Status.FAILED, reason=Reason.REJECTED),
        )
        for name in ("waits.wav", "failed.wav", "new.wav"):
            long_wav(site.folder / name, 5400.0)

        assert told(site) == [
            "floor: 1 recording waits to be sent, 1.5 hours of audio.",
            f"floor: 1 file is new here, 1.5 hours of audio; {CHARGED} {HINT}",
        ]

    def test_p4_check_estimates_without_a_database_and_makes_none(self, site: Site) -> None:
        site.database.unlink()
        long_wav(site.folder / "one.wav", 3600.0)
        before = listing(site.place)

        assert told(site, code=2) == [f"floor: 1 file is new here, 1.0 hours of audio; {CHARGED} {HINT}"]
        assert listing(site.place) == before

    def test_p4_check_writes_nothing(self, site: Site) -> None:
        known_already(site, pair(b"waits.wav", source="floor"))
        long_wav(site.folder / "one.wav", 3600.0)
        before = listing(site.place)

        assert len(told(site)) == 2
        assert listing(site.place) == before

    @pytest.mark.parametrize("spoilt", ["damaged", "older"])
    def test_p6_check_guesses_nothing_where_the_state_cannot_be_read(self, site: Site, spoilt: str) -> None:
        long_wav(site.folder / "one.wav", 3600.0)
        if spoilt == "damaged":
            site.database.write_bytes(b"no database, " * 1000)
        else:
            site.ingest("migrate", "--revision", "0001")

        assert told(site, code=2) == []

    def test_p5_check_leaves_out_a_source_that_is_away(self, site: Site) -> None:
        sources = [{"name": name, "path": str(site.place / name)} for name in ("away", "here")]
        site.configure(sources=sources)
        long_wav(site.place / "here/one.wav", 3600.0)
        with open_store(site.database) as store:
            store.instances.register_sources({each["name"]: Path(each["path"]) for each in sources})
            store.arrivals.add([pair(source="away", duration_seconds=7200.0)])

        assert told(site, code=2) == [
            "away: 1 recording waits to be sent, 2.0 hours of audio.",
            f"here: 1 file is new here, 1.0 hours of audio; {CHARGED} {HINT}",
        ]

    def test_p5_check_goes_on_past_what_may_not_be_read(self, site: Site) -> None:
        long_wav(site.folder / "open/one.wav", 3600.0)
        long_wav(site.folder / "closed/two.wav", 3600.0)
        long_wav(site.folder / "open/three.wav", 3600.0).chmod(0)
        long_wav(site.folder / "listed/four.wav", 3600.0)
        (site.folder / "closed").chmod(0)
        (site.folder / "listed").chmod(0o400)
        try:
            checked = without_roots_rights("check", "--config", site.config)
        finally:
            (site.folder / "closed").chmod(0o700)
            (site.folder / "listed").chmod(0o700)

        assert checked.returncode == 0
        assert checked.stdout.splitlines()[1:] == [
            f"floor: 2 files are new here, 1.0 hours of audio (1 without a known length); {CHARGED} {HINT}",
            "floor: of the 2 files looked at: 2 without a metadata file.",
            "floor: 2 folders or files in the source could not be read, and are not counted.",
        ]

    def test_p8_check_looks_into_few_of_many(self, site: Site) -> None:
        for number in range(2_000):
            long_wav(site.folder / f"{number // 500}/caller-0001-{number}.wav", 90.0)
        begun = time.monotonic()

        (line,) = told(site)

        assert time.monotonic() - begun < 5
        assert line.startswith("floor: 2,000 files are new here, an estimated 50.0 hours of audio; ")
        assert "caller" not in line

    def test_p8_check_gives_up_a_folder_that_takes_too_long(self, site: Site) -> None:
        for number in range(600):
            long_wav(site.folder / f"{number}.wav", 90.0)
        (source,) = load(site.config, {}).sources

        patient, impatient = (unseen(source, AudioSettings(), None, seconds) for seconds in (60, 0))

        assert (patient.amount.recordings, patient.is_cut) == (600, False)
        assert (impatient.amount.recordings, impatient.is_cut) == (0, True)
        assert [each.prospects.verdicts.total() for each in (patient, impatient)] == [100, 0]


def listing(place: Path) -> Sequence[tuple[str, str]]:
    """Every file below `place` with a hash of what is in it."""
    files = (path for path in sorted(place.rglob("*")) if path.is_file() and path.suffix != ".wav")
    return [(str(path.relative_to(place)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
