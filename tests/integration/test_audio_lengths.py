"""How long the audio is: of a recording in `list` and `show`, of what waits in `status`."""

from __future__ import annotations

from ingest.recording import Arrival, Reason, Shape, Status
from ingest.state.store import open_store
from tests.support.audio import wav
from tests.support.service import Site
from tests.support.state import pair


def known_already(site: Site, *arrivals: Arrival) -> None:
    """Lets the state have these of the source `floor`."""
    with open_store(site.database) as store:
        store.instances.register_sources({"floor": site.folder})
        store.arrivals.add(arrivals)


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
