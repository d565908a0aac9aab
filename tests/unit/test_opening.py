from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.content.audio import inspect
from ingest.content.opening import Tree, lstat, open_regular, root_identity
from ingest.failures import AttemptFailure, RecordingFailure, RecordingIncomplete, SourceUnavailable
from ingest.recording import Reason
from ingest.settings import MetadataSettings
from tests.support.metadata import read_fields


@pytest.fixture(autouse=True)
def no_leaked_descriptors() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    folder = tmp_path / "source"
    (folder / "day" / "one").mkdir(parents=True)
    (folder / "day" / "one" / "call.wav").write_bytes(b"sound")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.wav").write_bytes(b"secret")
    return os.fsencode(folder)


def content(root: bytes, path: bytes) -> bytes:
    descriptor = open_regular(root, path)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "name", [b"a b.wav", b"line\nbreak.wav", b"\xff\xfe.wav", "разговор.wav".encode(), b"-rf", b"*"]
)
def test_odd_names_open(root: bytes, name: bytes) -> None:
    descriptor = os.open(os.path.join(root, b"day", name), os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"sound")
    os.close(descriptor)
    assert content(root, b"day/" + name) == b"sound"
    assert lstat(root, b"day/" + name).st_size == 5


def test_the_root_itself_may_be_a_link(root: bytes, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.fsdecode(root))
    assert content(os.fsencode(link), b"day/one/call.wav") == b"sound"
    assert root_identity(os.fsencode(link)) == root_identity(root)


def test_an_absolute_path_is_outside_the_source(root: bytes, tmp_path: Path) -> None:
    assert content(root, os.fsencode(tmp_path / "outside" / "secret.wav")) == b"secret"


def unsafe(root: bytes, kind: str) -> bytes:
    outside = Path(os.fsdecode(root)).parent / "outside"
    path = os.path.join(root, b"odd")
    match kind:
        case "link to a file":
            os.symlink(os.fsencode(outside / "secret.wav"), path)
        case "link to a file inside":
            os.symlink(b"day/one/call.wav", path)
        case "dangling link":
            os.symlink(b"nowhere", path)
        case "link to itself":
            os.symlink(b"odd", path)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            os.mkdir(path)
        case "behind a link":
            os.symlink(os.fsencode(outside), path)
            return b"odd/secret.wav"
        case "behind a link to the source":
            os.symlink(b"day", path)
            return b"odd/one/call.wav"
        case _:
            return os.fsencode(kind)
    return b"odd"


@pytest.mark.parametrize(
    "kind",
    [
        "link to a file",
        "link to a file inside",
        "dangling link",
        "link to itself",
        "fifo",
        "folder",
        "behind a link",
        "behind a link to the source",
        "../outside/secret.wav",
        "day/../../outside/secret.wav",
        "day//one/call.wav",
        "./day/one/call.wav",
        "",
        "day/",
        "day/one/call.wav\0",
    ],
)
def test_what_is_not_an_ordinary_file_below_the_root_is_unsafe(root: bytes, kind: str) -> None:
    path = unsafe(root, kind)
    for _ in range(3):
        with pytest.raises(RecordingFailure) as caught:
            open_regular(root, path)
        assert caught.value.reason is Reason.FILE_UNSAFE
        assert caught.value.mend


@pytest.mark.parametrize(
    "path", [b"no.wav", b"nowhere/no.wav", b"day/one/call.wav/no.wav", b"n" * 300, b"n" * 300 + b"/a"]
)
def test_what_is_not_there_is_missing(root: bytes, path: bytes) -> None:
    for look in (open_regular, lstat):
        with pytest.raises(RecordingIncomplete) as caught:
            look(root, path)
        assert caught.value.reason is Reason.MISSING
    with Tree(root) as tree:
        assert tree.find(path) is None


def test_a_source_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for away in (b"nowhere", b"file"):
        root = os.path.join(os.fsencode(tmp_path), away)
        for look in (open_regular, lstat):
            with pytest.raises(SourceUnavailable):
                look(root, b"call.wav")
        with pytest.raises(SourceUnavailable):
            root_identity(root)


def test_a_read_that_fails_ends_this_attempt_only(root: bytes) -> None:
    unreadable = f"/proc/{os.getpid()}/mem".encode()  # a regular file whose first page gives EIO
    descriptor = open_regular(root, unreadable)
    try:
        for read in (lambda: inspect(descriptor, 4096), lambda: read_fields(descriptor, MetadataSettings())):
            with pytest.raises(AttemptFailure, match="EIO") as caught:
                read()
            assert caught.value.reason is Reason.READ_FAILED
    finally:
        os.close(descriptor)


AS_NOBODY = """
import os, sys
from ingest.content.audio import inspect
from ingest.content.opening import open_regular, lstat
from ingest.failures import IngestError
root = sys.argv[1].encode()
os.setgid(65534) if os.getuid() == 0 else None
os.setuid(65534) if os.getuid() == 0 else None
for path in (b"closed.wav", b"closed/call.wav", b"open.wav"):
    before = len(os.listdir("/proc/self/fd"))
    try:
        os.close(open_regular(root, path))
        print("ok")
    except IngestError as error:
        print(type(error).__name__, getattr(error, "reason", ""))
    assert len(os.listdir("/proc/self/fd")) == before
"""


def as_nobody(root: Path) -> list[str]:
    finished = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def test_without_rights(open_to_all: Path) -> None:
    (open_to_all / "closed").mkdir(mode=0o700)
    (open_to_all / "closed" / "call.wav").write_bytes(b"sound")
    (open_to_all / "closed").chmod(0)
    (open_to_all / "closed.wav").write_bytes(b"sound")
    (open_to_all / "closed.wav").chmod(0)
    (open_to_all / "open.wav").write_bytes(b"sound")
    assert as_nobody(open_to_all) == ["RecordingIncomplete unreadable", "RecordingIncomplete unreadable", "ok"]
    open_to_all.chmod(0o444)
    assert as_nobody(open_to_all) == ["SourceUnavailable "] * 3
    open_to_all.chmod(0)
    assert as_nobody(open_to_all) == ["SourceUnavailable "] * 3
    open_to_all.chmod(0o755)
    (open_to_all / "closed").chmod(0o700)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
