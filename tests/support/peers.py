"""Peers that some tests need: where one is missing the test skips and says why; with REQUIRE_PEERS=1 it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

# an ordinary user's PATH lacks where Debian puts servers; sftp-server is in no PATH at all
_PLACES = (*os.environ.get("PATH", os.defpath).split(":"), "/usr/sbin", "/sbin", "/usr/lib/openssh", "/usr/libexec")
_PACKAGES = {
    "smbd": "samba",
    "sftp": "openssh-client",
    "sftp-server": "openssh-sftp-server",
    "unshare": "util-linux",
    "mount": "mount",
}


def require_program(name: str) -> str:
    """The path of the program `name`."""
    path = shutil.which(name, path=":".join(_PLACES))
    if path is None:
        lacking(f"{name} is not installed (Debian: apt install {_PACKAGES.get(name, name)})")
    return path


def require_root(why: str) -> None:
    """Returns where the tests run as root, which `why` says the need for."""
    if os.geteuid() != 0:
        lacking(f"these tests do not run as root: {why}")


def require_root_mounts() -> None:
    """Returns where mount namespaces can be made, and file systems mounted in them."""
    require_program("unshare")
    why = _why_no_mounts()
    if why is not None:
        lacking(f"mount namespaces cannot be made here, which takes root: {why}")


def require_other_file_system(than: Path) -> Path:
    """A folder for files of ours on a file system other than that of `than`."""
    places = [Path(place) for place in ("/dev/shm", "/run", "/var/tmp") if os.access(place, os.W_OK | os.X_OK)]
    other = next((place for place in places if place.stat().st_dev != than.stat().st_dev), None)
    if other is None:
        lacking("there is no second file system that may be written to, such as /dev/shm")
    return other


@cache
def _why_no_mounts() -> str | None:
    tried = subprocess.run(
        ["unshare", "--mount", "--", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return (tried.stderr.strip() or f"unshare ended with {tried.returncode}") if tried.returncode else None


def lacking(what: str) -> NoReturn:
    """Ends a test that needs `what` says is missing: skipped, or failed where REQUIRE_PEERS is set."""
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(f"REQUIRE_PEERS=1, but {what}", pytrace=False)
    pytest.skip(what)
