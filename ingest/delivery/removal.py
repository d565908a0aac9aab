"""Deletes or moves one delivered file: never through a link, and only while it is still what was delivered."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ingest.content.opening import Tree
from ingest.recording import Shape, Stamp

_BLOCK_BYTES: Final = 1 << 20


def delete(root: bytes, path: bytes, shape: Shape) -> bool:
    """Deletes `path` below `root` if it still has `shape`, else returns False. Raises OSError and what Tree raises."""
    with _folder(root, path) as folder:
        name = os.path.basename(path)
        if not _is_still(folder, name, shape):
            return False
        os.unlink(name, dir_fd=folder)
        return True


def free_number(target: bytes, paths: Sequence[bytes]) -> int:
    """The smallest number (0: none is needed) under which all of `paths` are free below `target`: a pair stays one."""
    number = 0
    while any(os.path.lexists(_destination(target, path, number)) for path in paths):
        number += 1
    return number


def move(root: bytes, path: bytes, shape: Shape, target: bytes, number: int) -> bytes | None:
    """Moves `path` to the same relative path below `target`, with `number` in its name unless that is 0.

    Returns where it is now, or None when the file has not `shape` any more. Raises OSError and what Tree raises.
    """
    with _folder(root, path) as folder:
        name = os.path.basename(path)
        if not _is_still(folder, name, shape):
            return None
        destination = _destination(target, path, number)
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        try:
            os.rename(name, destination, src_dir_fd=folder)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(folder, name, destination)
            os.unlink(name, dir_fd=folder)
        return destination


@contextmanager
def _folder(root: bytes, path: bytes) -> Iterator[int]:
    with Tree(root) as tree:
        descriptor = tree.open_folder(os.path.dirname(path))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_still(folder: int, name: bytes, shape: Shape) -> bool:
    try:
        status = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and Stamp.of(status).shape == shape


def _destination(target: bytes, path: bytes, number: int) -> bytes:
    destination = os.path.join(target, os.path.basename(path) if path.startswith(b"/") else path)
    stem, ending = os.path.splitext(destination)
    return b"%s.%d%s" % (stem, number, ending) if number else destination


def _copy(folder: int, name: bytes, destination: bytes) -> None:
    """To another file system: whole and on disk before it has its name; times kept."""
    part = destination + b".part"
    origin = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(origin)
        copy = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while block := os.read(origin, _BLOCK_BYTES):
                view = memoryview(block)
                while view:
                    view = view[os.write(copy, view) :]
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fchmod(copy, stat.S_IMODE(status.st_mode))
            os.fsync(copy)
        finally:
            os.close(copy)
    finally:
        os.close(origin)
    os.rename(part, destination)
