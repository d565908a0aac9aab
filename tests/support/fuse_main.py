"""The server behind `fuse.Share`: the kernel's FUSE protocol (include/uapi/linux/fuse.h, 7.23 and newer), as far as
reading needs it. Nothing is cached, so that a fault is there at once."""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import stat
import struct
import sys
from pathlib import Path
from typing import Final

LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 4, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = (
    *(25, 26, 27, 28, 29, 34, 36, 38, 42),
)
NO_ANSWER: Final = frozenset({FORGET, INTERRUPT, BATCH_FORGET})
DIRECT_IO: Final = 1
ROOT: Final = 1
REQUEST: Final = struct.Struct("<IIQQIIIHH")
FIXED: Final = {
    INIT: struct.pack("<IIIIHHIIHHIIH22x", 7, 31, 65536, 0, 12, 9, 4096, 1, 32, 0, 0, 0, 0),
    STATFS: struct.pack("<QQQQQIII24x", 1000, 500, 500, 1000, 500, 4096, 255, 4096),
    **dict.fromkeys((FLUSH, RELEASE, RELEASEDIR, ACCESS, DESTROY), b""),
}
MOST_READ: Final = 1 << 17


class Server:
    """Answers requests about `folder`; inode numbers are those of its files, so that a name in any case is one file."""

    def __init__(self, folder: Path, faults: Path, *, any_case: bool, tick_seconds: int) -> None:
        self._folder = folder
        self._faults = faults
        self._any_case = any_case
        self._tick = tick_seconds * 10**9
        self._paths: dict[int, Path] = {ROOT: folder}

    def answer(self, operation: int, node: int, body: bytes) -> bytes:
        """The body of the answer. Raises OSError for an error."""
        path = self._paths.get(node, self._folder)
        if operation == LOOKUP:
            return self._lookup(path, body.rstrip(b"\0"))
        if operation == READ:
            return self._read(path, body)
        if operation == READDIR:
            return self._list(path, body)
        if operation in {GETATTR, SETATTR}:
            self._fail(path, "lookup")
            return struct.pack("<QII", 0, 0, 0) + self._attributes(path)
        if operation in {OPEN, OPENDIR}:
            self._fail(path, "open" if operation == OPEN else "list")
            return struct.pack("<QII", 0, DIRECT_IO if operation == OPEN else 0, 0)
        if operation in FIXED:
            return FIXED[operation]
        raise OSError(errno.ENOSYS, "not served")

    def _lookup(self, parent: Path, name: bytes) -> bytes:
        path = parent / os.fsdecode(name)
        if self._any_case and not os.path.lexists(path):
            for other in os.listdir(parent):
                if other.lower() == os.fsdecode(name).lower():
                    path = parent / other
        self._fail(path, "lookup")
        node = os.lstat(path).st_ino
        self._paths[node] = path
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self._attributes(path)

    def _attributes(self, path: Path) -> bytes:
        found = os.lstat(path)
        times = [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]
        times = [each - each % self._tick if self._tick else each for each in times]
        seconds, rest = [each // 10**9 for each in times], [each % 10**9 for each in times]
        mode = found.st_mode | (0o777 if stat.S_ISDIR(found.st_mode) else 0o666)
        numbers = (mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0)
        return struct.pack("<QQQQQQIIIIIIIIII", found.st_ino, found.st_size, 8, *seconds, *rest, *numbers)

    def _read(self, path: Path, body: bytes) -> bytes:
        self._fail(path, "read")
        _, offset, size = struct.unpack_from("<QQI", body)
        with path.open("rb") as file:
            return os.pread(file.fileno(), size, offset)

    def _list(self, path: Path, body: bytes) -> bytes:
        self._fail(path, "entries")
        _, offset, size = struct.unpack_from("<QQI", body)
        found = b""
        for position, name in enumerate(sorted(os.listdir(path)), start=1):
            if position <= offset:
                continue
            status = os.lstat(path / name)
            raw = os.fsencode(name)
            entry = struct.pack("<QQII", status.st_ino, position, len(raw), status.st_mode >> 12) + raw
            entry += bytes(-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found

    def _fail(self, path: Path, operation: str) -> None:
        name = "" if path == self._folder else path.name
        for wanted, when, code in json.loads(self._faults.read_text()):
            if (wanted, when) == (name, operation):
                raise OSError(getattr(errno, code), code)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("point", type=Path)
    parser.add_argument("faults", type=Path)
    parser.add_argument("--any-case", action="store_true")
    parser.add_argument("--tick-seconds", type=int, default=0)
    given = parser.parse_args()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"share", os.fsencode(given.point), b"fuse", 0, options.encode()) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    server = Server(given.folder, given.faults, any_case=given.any_case, tick_seconds=given.tick_seconds)
    while True:
        try:
            request = os.read(device, MOST_READ + 65536)
        except OSError:
            return  # unmounted
        _, operation, unique, node, *_ = REQUEST.unpack_from(request)
        try:
            code, body = 0, server.answer(operation, node, request[REQUEST.size :])
        except OSError as error:
            code, body = -(error.errno or errno.EIO), b""
        if operation not in NO_ANSWER:
            os.write(device, struct.pack("<IiQ", 16 + len(body), code, unique) + body)


if __name__ == "__main__":
    main()
