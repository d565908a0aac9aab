"""Where the two halves of a recording lie: beside each other, or in two trees of folders that are built alike."""

from __future__ import annotations

import posixpath

from ingest.settings import Mirror


class Trees:
    """The tree of the audio and that of the sidecars; the whole source is both where there is no mirror.

    Paths are bytes relative to the source, those within a tree relative to its folder. Of two trees that lie in each
    other, a path in both belongs to the inner one.
    """

    def __init__(self, mirror: Mirror | None) -> None:
        self.is_one = mirror is None
        self._audio = _prefix(mirror.audio) if mirror else b""
        self._sidecars = _prefix(mirror.sidecar) if mirror else b""

    def within_audio(self, path: bytes) -> bytes | None:
        """`path` within the tree of the audio, or None where it lies elsewhere."""
        return path if self.is_one else _within(self._audio, self._sidecars, path)

    def within_sidecars(self, path: bytes) -> bytes | None:
        """`path` within the tree of the sidecars, or None where it lies elsewhere."""
        return path if self.is_one else _within(self._sidecars, self._audio, path)

    def audio(self, within: bytes) -> bytes:
        """The path of what lies `within` the tree of the audio."""
        return self._audio + within

    def sidecar(self, within: bytes) -> bytes:
        """The path of what lies `within` the tree of the sidecars."""
        return self._sidecars + within


def _within(tree: bytes, other: bytes, path: bytes) -> bytes | None:
    is_in_inner = len(other) > len(tree) and other.startswith(tree) and path.startswith(other)
    return path[len(tree) :] if path.startswith(tree) and not is_in_inner else None


def _prefix(folder: str) -> bytes:
    """What the paths in a folder begin with."""
    written = posixpath.normpath(folder)
    return b"" if written == "." else written.encode() + b"/"
