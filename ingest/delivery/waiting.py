"""Opening what may hang with its share: that waits in a thread of its own, and whoever asked waits only so long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from ingest.failures import SourceUnavailable
from ingest.mounts import remote_anywhere

_T = TypeVar("_T")


@contextmanager
def entered_within(seconds: float, opening: AbstractContextManager[_T]) -> Iterator[_T]:
    """`opening`, entered in another thread. Raises what that raises, and SourceUnavailable after `seconds`.

    What is opened later than that is closed at once by the thread that waited for it. Where no share is mounted nothing
    can hang, and no thread is made: beside busy senders it costs more than the opening itself.
    """
    if not remote_anywhere():
        with opening as value:
            yield value
        return
    future: Future[_T] = Future()
    threading.Thread(target=_enter, args=(opening, future), name="opening", daemon=True).start()
    wait([future], seconds)
    if future.cancel():
        raise SourceUnavailable("The source's folder does not answer.", "Check the share and its server.")
    value = future.result()
    with ExitStack() as opened:
        opened.push(opening)
        yield value


def _enter(opening: AbstractContextManager[_T], future: Future[_T]) -> None:
    try:
        value = opening.__enter__()
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
        return
    if future.set_running_or_notify_cancel():
        future.set_result(value)
    else:
        opening.__exit__(None, None, None)
