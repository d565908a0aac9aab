"""Opens and looks at files in folders that are not trusted: component by component, never through a link."""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, NoReturn, Self

from ingest.content.memo import Memos
from ingest.failures import AttemptFailure, RecordingFailure, RecordingIncomplete, SourceUnavailable
from ingest.recording import Reason

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PASSING: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_GONE: Final = frozenset({errno.ENOENT, errno.ENAMETOOLONG})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM})
_NOT_A_FILE: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR})
_NO_NAMES: Final = frozenset({b"", b".", b".."})
_SLASH: Final = ord("/")
_UNSAFE_MEND: Final = "Put the recording itself there, as an ordinary file."


@dataclass(slots=True)
class Listing:
    """The sorted names of the folder that was listed last."""

    folder: bytes | None = None
    names: Sequence[bytes] = ()
    folded: frozenset[str] | None = None
    matching: dict[str, Sequence[bytes]] = field(default_factory=dict)

    def another_case(self, name: bytes) -> bool:
        """Whether a name is there that differs from `name` in capitals only, and `name` is not."""
        position = bisect_left(self.names, name)
        if position < len(self.names) and self.names[position] == name:
            return False
        if self.folded is None:
            self.folded = frozenset(map(_folded, self.names))
        return _folded(name) in self.folded


class Tree:
    """The files below one root. Paths are bytes relative to it, or absolute for files outside.

    The root itself may be a link; nothing below it is followed through one. Keeps the descriptor of the folder that
    was used last, so that files of one folder cost one walk; use it as a context manager, for one batch.
    `listing` may be shared by the batches of one walk, `memos` by all that one thread looks at.
    """

    def __init__(self, root: bytes, listing: Listing | None = None, memos: Memos | None = None) -> None:
        self.memos = memos or Memos()
        self._root = root
        self._listing = listing or Listing()
        self._folder: bytes | None = None
        self._descriptor = -1
        self._takes_any_case: tuple[bytes, bool] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the kept descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._folder, self._descriptor = None, -1

    def open_regular(self, path: bytes) -> int:
        """A descriptor, open for reading, of the regular file at `path`; the caller closes it.

        Raises RecordingFailure(FILE_UNSAFE), RecordingIncomplete(MISSING or UNREADABLE), SourceUnavailable,
        AttemptFailure(READ_FAILED).
        """
        folder, name = _split(path)
        parent = self._parent(folder)
        try:
            descriptor = os.open(name, _FILE, dir_fd=parent)
        except OSError as error:
            self._raise(error, parent)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            self._raise(error, parent)
        os.close(descriptor)
        raise RecordingFailure(Reason.FILE_UNSAFE, "This is not an ordinary file.", _UNSAFE_MEND)

    def open_folder(self, path: bytes) -> int:
        """A descriptor of the folder at `path` (b"" is the root) for listing; raises as `open_regular` does."""
        if not path:
            return _open_root(self._root, _FOLDER)
        folder, name = _split(path)
        parent = self._parent(folder)
        try:
            return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            self._raise(error, parent, name)

    def lstat(self, path: bytes) -> os.stat_result:
        """What lies at `path`, a link itself and not its target; raises as `open_regular` does."""
        folder, name = _split(path)
        parent = self._parent(folder)
        try:
            return os.lstat(name, dir_fd=parent)
        except OSError as error:
            self._raise(error, parent)

    def find(self, path: bytes) -> os.stat_result | None:
        """What `lstat` says, or None where nothing is called just so: SMB and vfat find a name in any case."""
        try:
            folder, _, name = path.rpartition(b"/")
            if folder == self._folder and name not in _NO_NAMES and path[0] != _SLASH and b"\0" not in name:
                parent = self._descriptor  # most are siblings of the last: the folder has been checked and is open
            else:
                folder, name = _split(path)
                parent = self._parent(folder)
            try:
                found = os.lstat(name, dir_fd=parent)
                return found if self._is_called(name, folder, parent) else None
            except FileNotFoundError:
                return None  # by far the most frequent answer, and translating it costs three times the call
            except OSError as error:
                self._raise(error, parent)
        except RecordingIncomplete as incomplete:
            if incomplete.reason is Reason.MISSING:
                return None
            raise

    def names(self, folder: bytes) -> Sequence[bytes]:
        """The sorted names in the folder at `folder` (b"" is the root), listed once and remembered for the last folder.

        Empty for a folder that is gone, is a link or may not be listed. Raises SourceUnavailable, AttemptFailure.
        """
        if self._listing.folder != folder:
            self._listing.names, self._listing.folded = self._listed(folder), None
            self._listing.matching = {}
            self._listing.folder = folder
        return self._listing.names

    def matching(self, folder: bytes, pattern: str, is_one: Callable[[bytes], bool]) -> Sequence[bytes]:
        """Those of `names` for which `is_one` holds, asked once for each `pattern`. Raises as `names`."""
        names = self.names(folder)
        if pattern not in self._listing.matching:
            self._listing.matching[pattern] = [name for name in names if is_one(name)]
        return self._listing.matching[pattern]

    def _is_called(self, name: bytes, folder: bytes, parent: int) -> bool:
        """Whether the file that was found as `name` has that name; only in folders that take any case it is asked."""
        if self._takes_any_case is None or self._takes_any_case[0] != folder:
            other = name.swapcase()
            if other == name:
                return True
            self._takes_any_case = folder, _exists(other, parent)
        if not self._takes_any_case[1]:
            return True
        self.names(folder)
        return not self._listing.another_case(name)

    def _listed(self, folder: bytes) -> list[bytes]:
        try:
            descriptor = self.open_folder(folder)
        except (RecordingIncomplete, RecordingFailure):
            return []
        try:
            return sorted(map(os.fsencode, os.listdir(descriptor)))
        except OSError as error:
            raise read_failed(error) from None
        finally:
            os.close(descriptor)

    def _parent(self, folder: bytes) -> int:
        if folder == self._folder:
            return self._descriptor
        self.close()
        absolute = folder.startswith(b"/")
        descriptor = _open_root(b"/" if absolute else self._root, _PASSING & ~os.O_NOFOLLOW)
        for name in folder.strip(b"/").split(b"/") if folder.strip(b"/") else ():
            try:
                below = os.open(name, _PASSING, dir_fd=descriptor)
            except OSError as error:
                try:
                    self._raise(error, descriptor, name)
                finally:
                    os.close(descriptor)
            os.close(descriptor)
            descriptor = below
        self._folder, self._descriptor = folder, descriptor
        return descriptor

    def _raise(self, error: OSError, parent: int, folder: bytes | None = None) -> NoReturn:
        """Translates at the border; `folder` is the name in `parent` that was meant to be a folder."""
        code = error.errno
        if code == errno.ENOTDIR and folder is not None and not _is_link(folder, parent):
            code = errno.ENOENT
        if code in _GONE:
            raise RecordingIncomplete(
                Reason.MISSING, "The file is no longer there.", "It is judged again if it comes back."
            ) from None
        if code in _REFUSED:
            self._check_root()
            raise RecordingIncomplete(
                Reason.UNREADABLE,
                "The service may not read this file.",
                "Give the service's user the right to read it and to enter its folders.",
            ) from None
        if code in _NOT_A_FILE or code == errno.ENOTDIR:
            raise RecordingFailure(
                Reason.FILE_UNSAFE, "This is a link, or lies behind one, or is not an ordinary file.", _UNSAFE_MEND
            ) from None
        raise AttemptFailure(Reason.READ_FAILED, f"The file could not be read ({_name(code)}).") from None

    def _check_root(self) -> None:
        """Where the root itself may not be entered, it is the source that is unreadable and not one file."""
        if not os.access(self._root, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise SourceUnavailable(
                "The source's folder may not be entered.", "Give the service's user the right to read and enter it."
            ) from None


def open_regular(root: bytes, path: bytes) -> int:
    """As `Tree.open_regular`, for one file."""
    with Tree(root) as tree:
        return tree.open_regular(path)


def lstat(root: bytes, path: bytes) -> os.stat_result:
    """As `Tree.lstat`, for one file."""
    with Tree(root) as tree:
        return tree.lstat(path)


def root_identity(root: bytes) -> tuple[int, int]:
    """Device and inode of the folder at `root`: another pair is another folder, as after a mount or unmount.

    Raises SourceUnavailable.
    """
    descriptor = _open_root(root, _FOLDER)
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return status.st_dev, status.st_ino


def read_failed(error: OSError) -> AttemptFailure:
    """What a failing read of an open file means: this attempt only."""
    return AttemptFailure(Reason.READ_FAILED, f"The file could not be read ({_name(error.errno)}).")


def _split(path: bytes) -> tuple[bytes, bytes]:
    folder, _, name = path.rpartition(b"/")
    if not folder and path.startswith(b"/"):
        folder = b"/"
    parts = path.removeprefix(b"/").split(b"/")
    if b"\0" in path or b"" in parts or b"." in parts or b".." in parts:
        raise RecordingFailure(Reason.FILE_UNSAFE, "This is not a path below the source's folder.", _UNSAFE_MEND)
    return folder, name


def _open_root(root: bytes, flags: int) -> int:
    try:
        return os.open(root, flags)
    except OSError as error:
        if error.errno in _REFUSED:
            sentence, mend = "The source's folder may not be read.", "Give the service's user the right to do so."
        elif error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            sentence, mend = "The source's folder is not there.", "Mount or make it; it is waited for."
        else:
            sentence, mend = f"The source's folder cannot be opened ({_name(error.errno)}).", "It is waited for."
        raise SourceUnavailable(sentence, mend) from None


def _is_link(name: bytes, parent: int) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=parent).st_mode)
    except OSError:
        return False


def _exists(name: bytes, parent: int) -> bool:
    try:
        os.lstat(name, dir_fd=parent)
    except OSError:
        return False
    return True


def _folded(name: bytes) -> str:
    return os.fsdecode(name).casefold()


def _name(code: int | None) -> str:
    return errno.errorcode.get(code or 0, "unknown error")
