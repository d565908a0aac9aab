"""How programs of other hosts write: rsync, SFTP and Samba, slowly, and broken off half-way (P3)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.support.landing import WATCHES, Landing, Stage, Way, call, fed, stage
from tests.support.peers import require_program
from tests.support.samba import WRITE_BYTES, Samba, samba
from tests.support.sftp import sftp


def rsync(landing: Landing) -> Sequence[bytes]:
    content = _made_aside(landing)
    with subprocess.Popen([*_rsync(landing), "--bwlimit=700"]) as running:
        temporary = f".{landing.path.name}.*"
        landing.wait_for(lambda: any(landing.folder.glob(temporary)), "rsync's temporary file")
        assert not landing.path.exists()
        assert running.wait(timeout=30) == 0
    return [content]


def rsync_in_place(landing: Landing) -> Sequence[bytes]:
    content = _made_aside(landing)
    with subprocess.Popen([*_rsync(landing), "--inplace", "--bwlimit=700"]) as running:
        landing.until("incomplete", "changing")
        assert running.wait(timeout=30) == 0
    return [content]


def rsync_killed_in_place_then_again(landing: Landing) -> Sequence[bytes]:
    content = _made_aside(landing)
    with subprocess.Popen([*_rsync(landing), "--inplace", "--bwlimit=700"]) as running:
        _kill_half_way(running, landing)
    landing.until("incomplete", "audio_unfinished")
    call(*_rsync(landing), "--inplace")
    return [content]


def rsync_of_new_content_after_done(landing: Landing) -> Sequence[bytes]:
    first = _made_aside(landing)
    call(*_rsync(landing))
    landing.until("done")
    second = landing.audio(seconds=150, version=2)
    (landing.aside / landing.path.name).write_bytes(second)
    call(*_rsync(landing), "--ignore-times", "--inplace", "--no-whole-file", "--bwlimit=700")
    return [first, second]


def _rsync(landing: Landing) -> list[str]:
    sources = [str(landing.aside / landing.sidecar.name), str(landing.aside / landing.path.name)]
    return [require_program("rsync"), "--times", *sources, f"{landing.folder}/"]


def sftp_slowly(landing: Landing) -> Sequence[bytes]:
    content = _made_aside(landing)
    with sftp(_put(landing), limit_kilobits=6000) as running:
        landing.until("incomplete", "changing")
        assert running.wait(timeout=30) == 0
    return [content]


def sftp_killed_then_resumed(landing: Landing) -> Sequence[bytes]:
    content = _made_aside(landing)
    with sftp(_put(landing), limit_kilobits=6000) as running:
        _kill_half_way(running, landing)
    landing.until("incomplete", "audio_unfinished")
    with sftp(f"reput {landing.aside / landing.path.name} {landing.path}") as running:
        assert running.wait(timeout=30) == 0
    return [content]


def _put(landing: Landing) -> str:
    pairs = [(landing.aside / path.name, path) for path in (landing.sidecar, landing.path)]
    return "\n".join(f"put -p {near} {far}" for near, far in pairs)


def samba_slowly(landing: Landing, server: Samba) -> Sequence[bytes]:
    content = landing.audio(seconds=200)
    landing.put_sidecar()
    with fed(server.put(landing.watch, landing.path.name)) as write:
        landing.slowly(write, content, piece=WRITE_BYTES)
    return [content]


def samba_client_killed_then_again(landing: Landing, server: Samba) -> Sequence[bytes]:
    content = landing.audio(seconds=200)
    landing.put_sidecar()
    command = server.put(landing.watch, landing.path.name)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as killed:
        assert killed.stdin is not None
        killed.stdin.write(content[: len(content) // 2])
        killed.stdin.flush()
        _kill_half_way(killed, landing)
    landing.until("incomplete", "audio_unfinished")
    with fed(command) as write:
        write(content)
    return [content]


def _made_aside(landing: Landing) -> bytes:
    content = landing.audio(seconds=150)
    (landing.aside / landing.sidecar.name).write_text(json.dumps(landing.metadata))
    (landing.aside / landing.path.name).write_bytes(content)
    return content


def _kill_half_way(process: subprocess.Popen[bytes], landing: Landing) -> None:
    landing.wait_for(lambda: landing.path.exists() and landing.path.stat().st_size > WRITE_BYTES, "half a file")
    process.kill()
    process.wait()


PIPED = [
    rsync,
    rsync_in_place,
    rsync_killed_in_place_then_again,
    rsync_of_new_content_after_done,
    sftp_slowly,
    sftp_killed_then_resumed,
]
SHARED = [samba_slowly, samba_client_killed_then_again]


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("piped"), PIPED) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    place = tmp_path_factory.mktemp("shared")
    with samba(place / "samba", {watch: place / watch for watch in WATCHES}) as server:

        def over(way: object) -> Way:
            def landed(landing: Landing) -> Sequence[bytes]:
                return way(landing, server)

            landed.__name__ = way.__name__
            return landed

        with stage(place, [over(way) for way in SHARED]) as running:
            yield running


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("way", PIPED, ids=lambda way: way.__name__)
def test_p3_it_is_sent_whole_and_once(piped: Stage, way: Way, watch: str) -> None:
    piped.require_whole_and_once(way, watch)


def test_p3_and_nothing_else_is_sent(piped: Stage) -> None:
    piped.require_nothing_else()


@pytest.mark.parametrize("watch", WATCHES)
@pytest.mark.parametrize("way", SHARED, ids=lambda way: way.__name__)
def test_p3_over_samba_it_is_sent_whole_and_once(shared: Stage, way: Way, watch: str) -> None:
    shared.require_whole_and_once(way, watch)


def test_p3_over_samba_nothing_else_is_sent(shared: Stage) -> None:
    shared.require_nothing_else()
