"""`ingest demo` and `ingest emulator`: trying things out on this machine alone."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ingest.cli.demo import Demo, folders, make_recording, report, settings_for
from ingest.cli.progress import shown
from ingest.delivery.progress import Progress
from ingest.failures import UsageFault
from ingest.service.lifecycle import Service
from ingest.service.signals import on_stop_signals
from ingest.speechsense.emulator import Emulator, EmulatorSettings
from ingest.state.engine import database_file
from ingest.state.migrate import migrate


@click.command()
@click.option("--count", default=3, show_default=True, type=click.IntRange(1, 100_000), help="How many recordings.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave everything in DIR to look at.")
@click.option("--seconds", default=2.0, show_default=True, type=click.FloatRange(0.1, 14_400), help="Length of each.")
def demo(count: int, keep: Path | None, seconds: float) -> int:
    """The whole service against a local emulator, on recordings it makes."""
    with _workplace(keep) as place:
        demo_folders = folders(place)
        with Emulator(EmulatorSettings(store=demo_folders.received)) as emulator:
            print(f"A local SpeechSense listens on {emulator.address}.")
            settings = settings_for(demo_folders, emulator.address)
            migrate(database_file(settings.state.url))
            for number in range(count):
                make_recording(demo_folders.recordings, number, seconds)
            print(f"{count} recordings of {seconds:g} s lie in {demo_folders.recordings}.")
            progress = Progress()
            service = Service(settings, {}, progress)
            with service.stopped_by_signals(), shown(progress, demo_folders.state):
                service.run_once()
            delivered = report(Demo(demo_folders, settings), emulator.badges)
        if keep is not None:
            print(f"Kept to look at: {place} (INGEST_CONFIG={demo_folders.configuration}).")
    return 0 if delivered == count else 1


@click.command()
@click.option(
    "--listen", default="127.0.0.1:50051", show_default=True, metavar="ADDR", help="HOST:PORT; port 0: a free one."
)
@click.option("--store", type=click.Path(path_type=Path), metavar="DIR", help="Keep what is received.")
@click.option(
    "--tls", nargs=2, type=click.Path(path_type=Path), metavar="CERT KEY", help="PEM files; default: plaintext."
)
def emulator(listen: str, store: Path | None, tls: tuple[Path, Path] | None) -> None:
    """A local SpeechSense that speaks the same gRPC, for trying things out."""
    ended = threading.Event()
    with on_stop_signals(ended.set), Emulator(EmulatorSettings(listen=listen, store=store, tls=tls)) as running:
        print(f"listening on {running.address}", flush=True)
        ended.wait()


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="speechsense-ingest-demo-") as made:
            yield Path(made)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        taken = any(keep.iterdir())
    except OSError as error:
        raise UsageFault(f"{keep} cannot be used: {error.strerror}.", "Name a new or empty folder.") from error
    if taken:
        raise UsageFault(f"{keep} is not empty.", "Name a new or empty folder.")
    yield keep.resolve()
