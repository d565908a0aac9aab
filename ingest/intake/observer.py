"""Hints from the kernel about a source, through watchdog: what they miss, the scan finds."""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Callable
from typing import Final

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

CAPACITY: Final = 10_000
# neither opens nor reads (our own would come back), nor every write of a growing file: the window looks by itself
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


class Hints:
    """Paths that something happened to, each once, at most `capacity`; more than that means "scan now"."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._paths: dict[bytes, None] = {}
        self._overflowed = False
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def put(self, path: bytes) -> None:
        """Notes a path relative to the source; never waits for the reader and never raises."""
        with self._lock:
            if path in self._paths or len(self._paths) < self._capacity:
                self._paths[path] = None
            else:
                self._overflowed = True
        self._woken.set()

    def overflow(self) -> None:
        """Notes that something was lost, or that a whole folder came: only a scan can tell."""
        with self._lock:
            self._overflowed = True
        self._woken.set()

    def wake(self) -> None:
        """Ends a `wait`."""
        self._woken.set()

    def wait(self, seconds: float) -> None:
        """Waits for a hint or `wake`, at most `seconds`."""
        if self._woken.wait(max(0.0, seconds)):
            self._woken.clear()

    def take(self) -> tuple[list[bytes], bool]:
        """The paths so far, and whether a scan is wanted; both are taken out."""
        with self._lock:
            paths, self._paths = list(self._paths), {}
            overflowed, self._overflowed = self._overflowed, False
        return paths, overflowed


class Observer:
    """Watches one folder and everything below; nothing is started before `start`."""

    def __init__(self, root: bytes, hints: Hints) -> None:
        self._root = root
        self._hints = hints
        self._descriptor: _Descriptor | None = None
        self._observer: BaseObserver | None = None

    def start(self) -> str | None:
        """Begins to watch. Returns why it could not, as a sentence with the mend, or None."""
        self.stop()
        # a folder that comes with a folder is reported twice now and then; the warning would hold its path
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        try:
            self._descriptor = _Descriptor(self._hints.overflow)
            self._descriptor.start()
            observer = BaseObserver(InotifyEmitter, inotify_fd=self._descriptor)
            # watchdog takes bytes (and then answers in bytes), its annotation does not say so
            # a root that is a link would be watched itself, not its target
            root = os.path.realpath(self._root)
            observer.schedule(_Handler(root, self._hints), root, recursive=True, event_filter=_EVENTS)  # type: ignore[arg-type]
            observer.start()
            self._observer = observer
        except (OSError, RuntimeError) as error:
            self.stop()
            return _why(error)
        return None

    def alive(self) -> bool:
        """Whether every thread of the watch lives and nothing that it watched was unmounted."""
        return (
            self._observer is not None
            and self._descriptor is not None
            and not self._descriptor.unmounted
            and self._observer.is_alive()
            and self._descriptor.is_alive()
            and bool(self._observer.emitters)
            and all(emitter.is_alive() for emitter in self._observer.emitters)
        )

    def shortfall(self) -> str | None:
        """What the running watch misses, as a sentence with the mend, or None."""
        if self._descriptor is None:
            return None
        if self._descriptor.refused is not None:
            return _why(self._descriptor.refused)
        if self._descriptor.overflowed:
            return "The kernel dropped events (fs.inotify.max_queued_events); the folder is looked through instead."
        return None

    def stop(self) -> None:
        """Ends the watch and its threads."""
        observer, self._observer = self._observer, None
        descriptor, self._descriptor = self._descriptor, None
        if observer is not None:
            observer.stop()
            observer.join()
        if descriptor is not None:
            descriptor.stop()
            descriptor.join()

    def restart(self) -> str | None:
        """As `start`, after ending what still runs: for a folder that was away and is another one now."""
        return self.start()


class _Descriptor(InotifyFD):
    """An inotify descriptor that tells what watchdog keeps to itself: a lost event, a folder that is not watched.

    After an unmount the kernel takes its watches back; mounted again, the same numbers would look like the old folder.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost
        self.overflowed = False
        self.unmounted = False
        self.refused: OSError | None = None

    def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        try:
            return super().add_callback(path, mask, callback, id_)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.refused = error
            raise

    def handle_event(self, event: InotifyEvent) -> None:
        if event.is_queue_overflow:
            self.overflowed = True
            self._lost()
        if event.mask & InotifyConstants.IN_UNMOUNT:
            self.unmounted = True
            self._lost()
        super().handle_event(event)


class _Handler(FileSystemEventHandler):
    """Puts paths on the hints; a handler that raises would end watchdog's thread."""

    def __init__(self, root: bytes, hints: Hints) -> None:
        self._prefix = root.rstrip(b"/") + b"/"
        self._hints = hints

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            self._take(event)
        except Exception:  # noqa: BLE001 -- see the class
            self._hints.overflow()

    def _take(self, event: FileSystemEvent) -> None:
        if event.is_directory:
            self._hints.overflow()
            return
        path = os.fsencode(event.dest_path or event.src_path)
        if path.startswith(self._prefix):
            self._hints.put(path.removeprefix(self._prefix))


def _why(error: OSError | RuntimeError) -> str:
    code = error.errno if isinstance(error, OSError) else None
    mend = {
        errno.ENOSPC: "Raise fs.inotify.max_user_watches with sysctl.",
        errno.EMFILE: "Raise fs.inotify.max_user_instances with sysctl.",
        errno.ENOENT: "It is watched once the folder is there.",
    }.get(code or 0, "")
    name = errno.errorcode.get(code or 0, type(error).__name__)
    return f"The folder cannot be watched ({name}); it is scanned every scan_seconds. {mend}".strip()
