"""A manifest on a share whose clock is coarse: what is written between two ticks leaves no trace in its times."""

from __future__ import annotations

from pathlib import Path

from tests.support.audio import wav
from tests.support.emulator import EmulatorProcess
from tests.support.fuse import Share
from tests.support.service import Site

DAY_SECONDS = 86_400


def test_p3_a_line_that_was_corrected_within_a_tick_goes_out_corrected(
    site: Site, tmp_path: Path, emulator: EmulatorProcess
) -> None:
    metadata = {"sidecar": [], "manifest": {"name": "calls.csv", "audio": "file"}, "required": ["client_id"]}
    site.configure(source={"metadata": metadata, "settle_seconds": 4, "scan_seconds": 0.2})
    server = tmp_path / "server"
    with Share(server, site.folder, tick_seconds=DAY_SECONDS):
        (server / "calls.csv").write_text("file,client_id\ncall.wav,client-1\n../outside.wav,client-0\n")
        site.drop("call.wav", wav(0.1), fields=None, folder=server)
        with site.running() as service:
            service.until(lambda: "1 lines of manifests" in site.ingest("status").stdout)  # it has been read
            (server / "calls.csv").write_text("file,client_id\ncall.wav,client-2\n../outside.wav,client-0\n")
            service.until(lambda: site.statuses().get("call.wav") == "done")
    assert [badge.fields["client_id"] for badge in site.badges(emulator.store)] == ["client-2"]
