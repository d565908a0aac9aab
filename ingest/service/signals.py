"""Tells when the process is asked to stop, at once and whatever the main thread is doing."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_stop_signals(act: Callable[[], None]) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT call `act`, in a thread of its own. Only in the main thread.

    A Python handler runs in the main thread alone: one that sets an event waits for ever where it has interrupted that
    event's own lock, and one whose signal another thread took, or that came just before a wait, runs only after it.
    The wakeup descriptor (signal.set_wakeup_fd) is written to by whichever thread takes the signal.
    """
    reader, writer = socket.socketpair()

    def listen() -> None:
        while reader.recv(1):
            act()

    listener = threading.Thread(target=listen, name="signals", daemon=True)
    with reader, writer:
        writer.setblocking(False)
        descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in _STOPPING}
        listener.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(descriptor)
            writer.shutdown(socket.SHUT_WR)
            listener.join()
