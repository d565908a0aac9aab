"""Bytes as an open file that lies in memory, and what of them was read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(content: bytes) -> Iterator[int]:
    """A real file descriptor of a file with this content and no name."""
    descriptor = os.memfd_create("audio")
    try:
        os.pwrite(descriptor, content, 0)
        yield descriptor
    finally:
        os.close(descriptor)


def read_so_far() -> int:
    """How many bytes this thread has read, by the kernel's account (which counts this reading too)."""
    return int(Path("/proc/thread-self/io").read_text().split("rchar: ")[1].split()[0])
