"""How programs on the same machine write: each way lands in a watched and in a polled folder, whole and once (P3)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.landing import WATCHES, Landing, Stage, Way, call, fed, stage
from tests.support.peers import require_other_file_system

OLD = 981_173_106  # 2001-02-03
MONO_MP3_HEADER = bytes.fromhex("fffb90c4")  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz: a frame of 417 bytes


def cp_slowly(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    landing.put_sidecar()
    with fed(["cp", "/dev/stdin", landing.path]) as write:
        landing.slowly(write, content)
    return [content]


def cp_with_old_times(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    copied = [landing.aside / landing.sidecar.name, landing.aside / landing.path.name]
    copied[0].write_text(json.dumps(landing.metadata))
    copied[1].write_bytes(content)
    for path in copied:
        call("touch", "-d", f"@{OLD}", path)
    call("cp", "-p", *copied, landing.folder)
    return [content]


def mv_from_the_same_file_system(landing: Landing) -> Sequence[bytes]:
    return _mv(landing, landing.aside)


def mv_from_another_file_system(landing: Landing) -> Sequence[bytes]:
    with TemporaryDirectory(dir=require_other_file_system(landing.folder)) as elsewhere:
        return _mv(landing, Path(elsewhere))


def _mv(landing: Landing, place: Path) -> Sequence[bytes]:
    content = landing.audio(seconds=300)
    moved = [place / landing.path.name, place / landing.sidecar.name]
    moved[0].write_bytes(content)
    moved[1].write_text(json.dumps(landing.metadata))
    call("mv", *moved, landing.folder)
    return [content]


def preallocated_then_filled(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    landing.put_sidecar()
    with landing.path.open("wb", buffering=0) as file:
        file.truncate(len(content))
        landing.slowly(file.write, content)
    return [content]


def preallocated_with_a_long_pause(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    landing.put_sidecar()
    with landing.path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        file.write(content[:40_000])
        landing.until("incomplete", "changing")  # said only after it was quiet for the quiet time
        file.write(content[40_000:])
    return [content]


def final_size_and_old_time_from_the_start(landing: Landing) -> Sequence[bytes]:
    """Only ctime shows that it is being written."""
    content = landing.audio()
    landing.put_sidecar()
    with landing.path.open("wb", buffering=0) as file:

        def write(piece: bytes) -> None:
            file.write(piece)
            os.utime(file.fileno(), (OLD, OLD))

        write(bytes(len(content)))
        file.seek(0)
        landing.slowly(write, content)
    return [content]


def placeholder_of_no_bytes(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    landing.put_sidecar()
    with landing.path.open("wb", buffering=0) as file:
        landing.until("incomplete", "audio_unfinished")
        landing.slowly(file.write, content)
    return [content]


def _sizes_at_the_end(data_bytes: int, name: str) -> Way:
    # judged in the pauses, which are longer than the quiet time: not filled in yet, or open as a stream's
    waits = "changing" if data_bytes else "audio_unfinished"

    def way(landing: Landing) -> Sequence[bytes]:
        content = landing.audio()
        landing.put_sidecar()
        with landing.path.open("wb", buffering=0) as file:
            riff_bytes = min(data_bytes + 36, 0xFFFFFFFF) if data_bytes else 0
            file.write(content[:4] + struct.pack("<I", riff_bytes) + content[8:40] + struct.pack("<I", data_bytes))
            file.write(content[44:50_000])
            landing.until("incomplete", waits)
            landing.slowly(file.write, content[50_000:])
            landing.until("incomplete", waits)
            file.seek(4)
            file.write(content[4:8])
            file.seek(40)
            file.write(content[40:44])
        return [content]

    way.__name__ = name
    return way


def mp3_that_grows(landing: Landing) -> Sequence[bytes]:
    """Nothing inside says how long it will be: only that it does not hold still."""
    noise = landing.audio().replace(b"\xff", b"\x00")
    content = b"".join(MONO_MP3_HEADER + noise[at : at + 413] for at in range(0, 413 * 300, 413))
    landing.put_sidecar()
    with landing.path.open("wb", buffering=0) as file:
        landing.slowly(file.write, content)
    return [content]


def renamed_from_part(landing: Landing) -> Sequence[bytes]:
    return _renamed(landing, landing.folder / f"{landing.path.name}.part")


def renamed_from_a_dot_name(landing: Landing) -> Sequence[bytes]:
    return _renamed(landing, landing.folder / f".{landing.path.name}")


def _renamed(landing: Landing, temporary: Path) -> Sequence[bytes]:
    content = landing.audio()
    with temporary.open("wb", buffering=0) as file:
        file.write(content[:50_000])
        landing.put_sidecar()
        landing.wait_for(lambda: bool(landing.rows.of(landing.watch, landing.sidecar.name)), "a scan")
        file.write(content[50_000:])
    temporary.rename(landing.path)
    return [content]


def metadata_written_in_halves(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    text = json.dumps(landing.metadata)
    landing.path.write_bytes(content)
    with landing.sidecar.open("w") as file:
        file.write(text[:60])
        file.flush()
        landing.until("failed", "metadata_invalid")
        file.write(text[60:])
    return [content]


def metadata_after_the_audio(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    with landing.path.open("wb", buffering=0) as file:
        landing.slowly(file.write, content)
    landing.until("incomplete", "metadata_missing")
    text = json.dumps(landing.metadata).encode()
    with landing.sidecar.open("wb", buffering=0) as file:
        landing.slowly(file.write, text + b" " * 1000, piece=10)
    return [content]


def appended_after_done(landing: Landing) -> Sequence[bytes]:
    """As Asterisk does: more audio at the end, then the sizes in the header."""
    first, both = landing.audio(), landing.audio(seconds=20)
    both = both[:44] + first[44:] + both[len(first) :]
    landing.put_sidecar()
    landing.path.write_bytes(first)
    landing.until("done")
    with landing.path.open("r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        for at in range(len(first), len(both), 20_000):
            file.write(both[at : at + 20_000])
        file.seek(0)
        file.write(both[:44])
    return [first, both]


def written_over_after_done(landing: Landing) -> Sequence[bytes]:
    first, second = landing.audio(), landing.audio(version=2)
    landing.put_sidecar()
    landing.path.write_bytes(first)
    landing.until("done")
    with fed(["cp", "/dev/stdin", landing.path]) as write:
        write(second[:50_000])
        landing.until("incomplete", "audio_unfinished", generation=2)
        landing.slowly(write, second[50_000:], generation=2)
    return [first, second]


def touched_after_done(landing: Landing) -> Sequence[bytes]:
    content = landing.audio()
    landing.put_sidecar()
    landing.path.write_bytes(content)
    landing.until("done")
    call("touch", "-d", f"@{OLD}", landing.path)
    stamp = landing.path.stat().st_mtime_ns
    landing.wait_for(lambda: landing.rows.of(landing.watch, landing.path.name)[0].mtime_ns == stamp, "the new time")
    return [content]


WAYS: list[Callable[[Landing], Sequence[bytes]]] = [
    cp_slowly,
    cp_with_old_times,
    mv_from_the_same_file_system,
    mv_from_another_file_system,
    preallocated_then_filled,
    preallocated_with_a_long_pause,
    final_size_and_old_time_from_the_start,
    placeholder_of_no_bytes,
    _sizes_at_the_end(0, "sizes_of_0_until_the_end"),
    _sizes_at_the_end(0xFFFFFFFF, "sizes_of_ffffffff_until_the_end"),
    _sizes_at_the_end(0x7FFFF000, "sizes_of_7ffff000_until_the_end"),
    mp3_that_grows,
    renamed_from_part,
    renamed_from_a_dot_name,
    metadata_written_in_halves,
    metadata_after_the_audio,
    appended_after_done,
    written_over_after_done,
    touched_after_done,
]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("files"), WAYS, mp3_that_grows=".mp3") as running:
        yield running


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_p3_it_is_sent_whole_and_once(staged: Stage, way: Way, watch: str) -> None:
    staged.require_whole_and_once(way, watch)


def test_p3_and_nothing_else_is_sent(staged: Stage) -> None:
    staged.require_nothing_else()
