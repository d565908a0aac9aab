"""Which file system a path lies on, read from tables as the kernel writes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.mounts import Mount, mount_of, remote_anywhere

TABLE = (
    rb"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /dev/shm rw,nosuid - tmpfs tmpfs rw
41 22 0:40 / /srv/share rw,relatime shared:20 master:3 - cifs //server/share rw,vers=3.0
42 41 0:41 / /srv/share/local rw - xfs /dev/sdb1 rw
43 22 0:42 / /srv/with\040blank\134and\011tab rw - nfs4 server:/export rw
44 22 0:43 /sub /srv/over rw - ext4 /dev/sdc1 rw
45 22 0:44 / /srv/over rw - fuse.sshfs host: rw
46 22 0:45 / /srv/"""
    + "запись".encode()
    + b"""\xff rw - 9p tag rw
a broken line
"""
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_bytes(TABLE)
    return file


@pytest.mark.parametrize(
    ("path", "point", "kind", "remote"),
    [
        (b"/", b"/", "ext4", False),
        (b"/srv/other/file", b"/", "ext4", False),
        (b"/srv/share", b"/srv/share", "cifs", True),
        (b"/srv/share/2026/03", b"/srv/share", "cifs", True),
        (b"/srv/shared", b"/", "ext4", False),
        (b"/srv/share/local/x", b"/srv/share/local", "xfs", False),
        (b"/srv/share/localx", b"/srv/share", "cifs", True),
        (b"/srv/share/../other", b"/", "ext4", False),
        (b"/srv/with blank\\and\ttab/x", b"/srv/with blank\\and\ttab", "nfs4", True),
        (b"/srv/over/x", b"/srv/over", "fuse.sshfs", True),
        ("/srv/запись".encode() + b"\xff/x", "/srv/запись".encode() + b"\xff", "9p", True),
        (b"/dev/shm/x", b"/dev/shm", "tmpfs", False),
    ],
)
def test_the_innermost_mount(table: Path, path: bytes, point: bytes, kind: str, remote: bool) -> None:
    mount = mount_of(path, table)
    assert mount == Mount(point, kind)
    assert mount.remote is remote


def test_links_are_followed(table: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/srv/share/2026")
    assert mount_of(bytes(tmp_path / "link" / "03"), table).type == "cifs"


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse", "fuse.rclone", "ceph", "virtiofs", "vboxsf"])
def test_what_other_hosts_write_to(kind: str) -> None:
    assert Mount(b"/", kind).remote


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "ntfs3", "vfat", "unknown"])
def test_what_only_this_kernel_writes_to(kind: str) -> None:
    assert not Mount(b"/", kind).remote


def test_without_a_table_it_counts_as_local(tmp_path: Path) -> None:
    assert mount_of(b"/srv", tmp_path / "none") == Mount(b"/", "unknown")
    (tmp_path / "empty").touch()
    assert not mount_of(b"/srv", tmp_path / "empty").remote


def test_the_table_of_this_machine(tmp_path: Path) -> None:
    mount = mount_of(bytes(tmp_path))
    assert mount.type != "unknown"
    assert bytes(tmp_path).startswith(mount.point)


def test_whether_a_share_is_mounted_anywhere(table: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    kept = [line for line in table.read_bytes().split(b"\n") if not re.search(b"- (cifs|nfs4|fuse|9p)", line)]
    local.write_bytes(b"\n".join(kept))

    assert remote_anywhere(table)
    assert not remote_anywhere(local)
    assert remote_anywhere(tmp_path / "missing")
