"""Which source a path on the command line belongs to, and what it is called there."""

from __future__ import annotations

import os
from pathlib import Path

from ingest.settings import Settings, SourceSettings


def place(settings: Settings, path: str) -> tuple[SourceSettings, bytes] | None:
    """The source that `path` (relative to the current directory, or absolute) lies in, and its path there."""
    asked = os.path.abspath(path)
    # Only the folder is resolved: a link in a drop folder is looked at, never followed.
    real = os.path.join(os.path.realpath(os.path.dirname(asked)), os.path.basename(asked))
    for source in settings.sources:
        for root in (os.path.abspath(source.path), os.path.realpath(source.path)):
            for candidate in (asked, real):
                if candidate.startswith(root.rstrip("/") + "/"):
                    return source, os.fsencode(os.path.relpath(candidate, root))
    return None


def outside(path: Path) -> bytes:
    """The path of a file in no source: absolute, its folder resolved."""
    absolute = path.absolute()
    return os.fsencode(absolute.parent.resolve() / absolute.name)
