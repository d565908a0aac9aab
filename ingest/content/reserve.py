"""Tells whether a file has its final size already, but not its end: space reserved by whoever writes it."""

from __future__ import annotations

import errno
import os


def ends_reserved(descriptor: int, size: int) -> bool:
    """Whether nothing was ever written to the last block of the open file of `size` bytes.

    Programs that set the size first (Windows Explorer on a share, download managers) leave a hole or an unwritten
    extent there. A whole file can have one too: a sparse copy of a recording that ends in digital silence. Where the
    file system cannot tell (lseek(2), SEEK_DATA), the answer is False; so it is for an unwritten extent
    whose end somebody has read, which is then in the page cache. Moves the descriptor's offset.
    """
    if size == 0:
        return False
    try:
        os.lseek(descriptor, size - 1, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    return False
