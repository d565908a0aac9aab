"""Deletes or moves one delivered file: never through a link, and only while it is still what was delivered."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import Final

from ingest.content.opening import Tree
from ingest.failures import AttemptFailure
from ingest.recording import Reason, Shape, Stamp

_BLOCK_BYTES: Final = 1 << 20
# File systems without links, and links to others' files where the kernel protects them (fs.protected_hardlinks).
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class There(Enum):
    """What lies now where the delivered file was."""

    SAME = auto()
    ANOTHER = auto()
    GONE = auto()


class DeliveredFile:
    """The name of a delivered file in a folder that is kept open; `shape` is what was delivered."""

    def __init__(self, folder: int, path: bytes, shape: Shape) -> None:
        self._folder = folder
        self._path = path
        self._name = os.path.basename(path)
        self._shape = shape

    def there(self) -> There:
        """Whether it is still the file that was delivered. Raises OSError."""
        try:
            status = os.lstat(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return There.GONE
        return There.SAME if _has(status, self._shape) else There.ANOTHER

    def delete(self) -> None:
        """Deletes it if it is still the same. Raises OSError."""
        if self.there() is There.SAME:
            os.unlink(self._name, dir_fd=self._folder)

    def move(self, target: bytes, number: int) -> bytes | None:
        """Moves it to the same relative path below `target`, with `number` in its name unless that is 0.

        Returns where it is now, or None when it is not the same any more. Takes no name that is taken
        (FileExistsError). Raises OSError, and AttemptFailure when it changed meanwhile: nothing was moved then.
        """
        status = os.lstat(self._name, dir_fd=self._folder) if self.there() is There.SAME else None
        if status is None:
            return None
        destination = _destination(target, self._path, number)
        os.makedirs(os.path.dirname(destination), exist_ok=True)
        try:
            linked = _name_anew(self._folder, self._name, destination)
        except FileExistsError:
            # A crash between the second name and the end of the first left both.
            if not os.path.samestat(os.lstat(destination), status):
                raise
            linked = True
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(destination)
            linked = True
        else:
            if linked and not os.path.samestat(os.lstat(destination), status):
                os.unlink(destination)
                raise _changed()
        _sync_folder(destination)
        if linked:
            self._let_go(destination)
        return destination

    def _let_go(self, destination: bytes) -> None:
        """The old name goes; where it cannot, the new one does, or each try would leave another copy."""
        try:
            os.unlink(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return  # it has gone: the share lost an answer, or its owner cleaned up; the copy is the only one now
        except OSError:
            if self.there() is There.SAME:
                with suppress(OSError):
                    os.unlink(destination)
            raise

    def _copy(self, destination: bytes) -> None:
        """To another file system: whole and on disk before it has its name; times kept."""
        part = os.path.join(os.path.dirname(destination), b".ingest-%s.part" % secrets.token_hex(8).encode())
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        origin = os.open(self._name, flags, dir_fd=self._folder)
        try:
            before = os.fstat(origin)
            if not _has(before, self._shape):
                raise _changed()
            try:
                _write_copy(origin, before, part)
                _name_anew(None, part, destination)
            finally:
                _unlink_if_there(part)
            # The last look before the original goes: the name is still that file's, and nobody wrote to it.
            _sync_folder(destination)
            if not self._is_unchanged(origin, before):
                os.unlink(destination)
                raise _changed()
        finally:
            os.close(origin)

    def _is_unchanged(self, origin: int, before: os.stat_result) -> bool:
        try:
            named = os.lstat(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return False
        return Stamp.of(before) == Stamp.of(os.fstat(origin)) == Stamp.of(named)


@contextmanager
def delivered_file(root: bytes, path: bytes, shape: Shape) -> Iterator[DeliveredFile]:
    """The file at `path`, relative to `root`. Raises what Tree raises: MISSING if its folder is gone."""
    with Tree(root) as tree:
        descriptor = tree.open_folder(os.path.dirname(path))
    try:
        yield DeliveredFile(descriptor, path, shape)
    finally:
        os.close(descriptor)


def free_number(root: bytes, target: bytes, paths: Sequence[bytes]) -> int:
    """The smallest number (0: none is needed) under which all of `paths` are free below `target`: a pair stays one."""
    number = 0
    while any(_is_taken(os.path.join(root, path), _destination(target, path, number)) for path in paths):
        number += 1
    return number


def _has(status: os.stat_result, shape: Shape) -> bool:
    return stat.S_ISREG(status.st_mode) and Stamp.of(status).shape == shape


def _changed() -> AttemptFailure:
    return AttemptFailure(Reason.READ_FAILED, "The delivered file changed while it was being moved.")


def _is_taken(path: bytes, destination: bytes) -> bool:
    try:
        there = os.lstat(destination)
    except FileNotFoundError:
        return False
    try:
        return not os.path.samestat(there, os.lstat(path))
    except FileNotFoundError:
        return True


def _destination(target: bytes, path: bytes, number: int) -> bytes:
    destination = os.path.join(target, path)
    stem, ending = os.path.splitext(destination)
    return b"%s.%d%s" % (stem, number, ending) if number else destination


def _name_anew(folder: int | None, name: bytes, destination: bytes) -> bool:
    """Gives the file the name `destination`, which must be free; True if it keeps `name` as well (a link)."""
    try:
        os.link(name, destination, src_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return True
    # An empty file of our own holds the name against other writers; only that is replaced.
    os.close(os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        os.rename(name, destination, src_dir_fd=folder)
    except OSError:
        os.unlink(destination)
        raise
    return False


def _write_copy(origin: int, status: os.stat_result, part: bytes) -> None:
    copy = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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


def _unlink_if_there(path: bytes) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _sync_folder(path: bytes) -> None:
    """Puts the name `path` on disk, where the file system can."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(folder)
