"""Which file system a path lies on, from the kernel's own table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNT_TABLE: Final = Path("/proc/self/mountinfo")
"""The kernel's list of what is mounted where: proc(5)."""

# Other hosts write to these unseen by this kernel: no events, and no locks to build a database on.
_REMOTE_PREFIXES: Final = (
    *("nfs", "cifs", "smb", "fuse", "9p", "ceph", "glusterfs", "afs", "lustre", "ncpfs", "virtiofs"),
    *("vboxsf", "gfs2", "ocfs2", "gpfs", "beegfs"),
)
_REMOTE_TYPES: Final = tuple(prefix.encode() for prefix in _REMOTE_PREFIXES)


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system: where it is mounted and the kernel's name of its type (`ext4`, `cifs`, …)."""

    point: bytes
    type: str

    @property
    def remote(self) -> bool:
        """Whether other hosts may write to it without this kernel knowing (SMB, NFS, FUSE and their like)."""
        return self.type.startswith(_REMOTE_PREFIXES)


def remote_anywhere(table: Path = MOUNT_TABLE) -> bool:
    """Whether anything is mounted that a server answers for, wherever; touches none of it. Unreadable counts as yes."""
    try:
        lines = table.read_bytes().split(b"\n")
    except OSError:
        return True
    return any(line.rpartition(b" - ")[2].startswith(_REMOTE_TYPES) for line in lines)


def mount_of(path: bytes, table: Path = MOUNT_TABLE) -> Mount:
    """The file system that `path` (made absolute, links followed) lies on; an unreadable table counts as local."""
    real = os.path.realpath(path)
    best = Mount(b"/", "unknown")
    try:
        lines = table.read_bytes().split(b"\n")
    except OSError:
        return best
    for line in lines:
        before, separator, after = line.partition(b" - ")
        words = before.split(b" ")
        if not separator or len(words) < 5:
            continue
        point = words[4].decode("unicode_escape").encode("latin-1")
        inside = real == point or real.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= len(best.point):
            best = Mount(point, after.split(b" ", 1)[0].decode("ascii", "replace"))
    return best
