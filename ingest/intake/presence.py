"""Tells a source without recordings from one whose share is away: an empty mount point looks like an empty folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from ingest.content.opening import root_identity
from ingest.failures import SourceUnavailable
from ingest.intake.scanner import Tally, walk
from ingest.settings import SourceSettings

_MEND: Final = "Mount the share; it is waited for."


class Presence:
    """What the last walk showed of the disk under one source. `confirm` is the walk's, `require` may come from any
    thread."""

    def __init__(self, source: SourceSettings) -> None:
        self._source = source
        self._root = os.fsencode(source.path)
        self._device: int | None = None

    def confirm(self, device: int, tally: Tally, expects: Callable[[], bool]) -> None:
        """Decides after a walk whether the folder on `device` is the source; `expects` tells of files not yet sent.

        After a start no device is known: then the files that the state waits for speak, unless something is mounted.
        Raises SourceUnavailable.
        """
        if tally.recordings == 0:
            if self._device is None and not os.path.ismount(os.path.realpath(self._root)) and expects():
                raise SourceUnavailable(
                    "The source's folder is empty, though recordings in it were still to be sent.",
                    f"{_MEND} If somebody removed them, `ingest skip` them.",
                )
            if self._device not in {None, device}:
                raise SourceUnavailable("The source's folder is empty and no longer on the disk it was on.", _MEND)
        self._device = device

    def require(self) -> None:
        """Raises SourceUnavailable where a file is not found because its share is away."""
        device, _ = root_identity(self._root)
        if self._device not in {None, device}:
            raise SourceUnavailable("The source's folder is no longer on the disk it was on.", _MEND)
        if self._device is None and not any(walk(self._source, Tally())):
            raise SourceUnavailable("The source's folder is empty.", _MEND)
