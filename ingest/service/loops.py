"""The service's threads: started together, and when one cannot go on, all are told to stop."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable
from typing import Final

from ingest.failures import IngestError, StateBusy

_BUSY_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Loops:
    """Runs functions of one argument, the event that tells them to stop, each in a thread of its own."""

    def __init__(self, stop: threading.Event, on_fatal: Callable[[], None]) -> None:
        self._stop = stop
        self._on_fatal = on_fatal
        self._threads: list[threading.Thread] = []
        self.fatal: BaseException | None = None

    def start(self, name: str, loop: Callable[[threading.Event], None]) -> threading.Thread:
        """Starts `loop` in a thread called `name`."""
        thread = threading.Thread(target=self._guard, args=(name, loop), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def join(self, seconds: float) -> bool:
        """Waits at most `seconds` for all to end; False when one has not."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _guard(self, name: str, loop: Callable[[threading.Event], None]) -> None:
        while True:
            try:
                loop(self._stop)
            except StateBusy as error:
                if self._stop.wait(_BUSY_SECONDS):
                    return
                _log.warning("state_busy: %s loop=%s", error, name)
            except BaseException as error:  # noqa: BLE001 - handed to the main thread, which ends the service
                if not isinstance(error, IngestError):
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    place = f"{type(error).__name__} at {os.path.basename(where.filename)}:{where.lineno}"
                    _log.error("loop_ended: %s loop=%s; please report this", place, name)
                self.fatal = self.fatal or error
                self._on_fatal()
                return
            else:
                return
