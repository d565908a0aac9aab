"""Mounts that only this process and its children see: gone with the block, whatever happened inside."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.peers import require_program, require_root_mounts

_CLONE_NEWNS: Final = 0x20000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@contextmanager
def private_mounts() -> Iterator[None]:
    """In the block, mounts of this thread and of the processes that it starts are nobody else's.

    Skips without root. Commands of `Site.ingest` run in a process that was started before, and do not see them.
    """
    require_root_mounts()
    here = os.getcwd()
    outside = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_LIBC.unshare(_CLONE_NEWNS))
        try:
            _run("mount", "--make-rprivate", "/")
            yield
        finally:
            _checked(_LIBC.setns(outside, _CLONE_NEWNS))
            os.chdir(here)
    finally:
        os.close(outside)


def mount_memory(point: Path, size: str = "16m") -> None:
    """A new empty tmpfs of `size`: a disk with a device number that no earlier one had."""
    point.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(point))


def mount_folder(folder: Path, point: Path) -> None:
    """`folder` at `point` as well."""
    point.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(folder), str(point))


def note_each_look(folder: Path) -> None:
    """From now on each listing of `folder` sets its time of access, when nothing is mounted over it."""
    mount_folder(folder, folder)
    _run("mount", "-o", "remount,bind,strictatime", str(folder))


def make_image(file: Path, megabytes: int = 16) -> Path:
    """A file that holds an empty ext4: mounted again, it has the device number it had."""
    program = require_program("mkfs.ext4")
    with file.open("wb") as made:
        made.truncate(megabytes << 20)
    _run(program, "-q", "-O", "^has_journal", "-E", "root_owner=0:0", str(file))
    return file


def mount_image(file: Path, point: Path) -> None:
    """The ext4 in `file` at `point`, through a loop device that goes when it is unmounted."""
    point.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "ext4", "-o", "loop", str(file), str(point))


def remount(point: Path, how: str) -> None:
    """Changes a mount: `ro` or `rw`."""
    _run("mount", "-o", f"remount,{how}", str(point))


def unmount(point: Path, *, lazy: bool = False) -> None:
    """Takes the newest mount at `point` away; `lazy`: also while it is in use."""
    _run("umount", *(["--lazy"] if lazy else []), str(point))


def unmount_all(point: Path) -> None:
    """Takes away every mount at `point`, one over the other."""
    while os.path.ismount(point):
        unmount(point, lazy=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def _checked(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
