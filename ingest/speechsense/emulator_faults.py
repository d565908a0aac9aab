"""Faults that the emulator makes on purpose, so that failures can be tried out without touching its code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import grpc

from ingest.failures import Moment, UsageFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    `code` is the name of a gRPC status, None hangs until the client leaves. `times`: for that many uploads, None for
    every one. `after_seconds`: waits so long first. `match`: only uploads one of whose metadata values contains it.
    `makes_badge`: (after the last byte) the badge is made all the same. `retry_after_seconds` travels as RetryInfo.
    `operation_error`: (after the last byte) nothing goes wrong now, but the operation ends with this error.
    `search`: it is no upload but a Search that goes wrong, whatever the moment; `match` then looks at its four ids.
    """

    moment: Moment
    code: str | None = None
    times: int | None = None
    after_seconds: float = 0.0
    match: str | None = None
    makes_badge: bool = False
    retry_after_seconds: float | None = None
    message: str = ""
    operation_error: str = ""
    search: bool = False

    @property
    def status(self) -> grpc.StatusCode | None:
        """The gRPC status; None hangs."""
        return None if self.code is None else grpc.StatusCode[self.code]


class FaultPlan:
    """Hands out faults to uploads and counts how often. Safe between threads."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._lock = threading.Lock()
        self._left = [(fault, [fault.times]) for fault in faults]

    def next(self, moment: Moment | None, values: Iterable[str]) -> Fault | None:
        """The fault for an upload with these metadata values at this moment, or for a search, if there is one left."""
        if not self._left:
            return None
        values = tuple(values)
        with self._lock:
            for fault, left in self._left:
                fits = (None if fault.search else fault.moment) is moment and left[0] != 0
                if fits and (fault.match is None or any(fault.match in value for value in values)):
                    if left[0] is not None:
                        left[0] -= 1
                    return fault
        return None


_KEYS: Final = {field.name for field in fields(Fault)}


def faults_from_json(text: str) -> tuple[Fault, ...]:
    """Reads a list of objects with the keys of `Fault`; `moment` by name, such as "MID_STREAM". Raises UsageFault."""
    try:
        return tuple(_fault(item) for item in json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageFault(
            f"The faults cannot be read: {error}.",
            f"Give a JSON list of objects with moment ({', '.join(m.name for m in Moment)}), code and the like.",
        ) from None


def faults_to_json(faults: Iterable[Fault]) -> str:
    """What `faults_from_json` reads."""
    return json.dumps([{key: _plain(getattr(fault, key)) for key in sorted(_KEYS)} for fault in faults])


def _fault(item: dict[str, Any]) -> Fault:
    fault = Fault(**{**item, "moment": Moment[item["moment"]]})
    if fault.status is grpc.StatusCode.OK:
        raise ValueError("OK is no fault")
    return fault


def _plain(value: object) -> object:
    return value.name if isinstance(value, Moment) else value
