"""Looks into one broken file and holds what comes out to the rules of the audio room."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from ingest.content.audio import AudioFacts, Extent, HeaderMend, inspect, payload_kind
from ingest.failures import AttemptFailure, Failure, RecordingFailure, RecordingIncomplete
from ingest.method import FACTS, Method
from ingest.recording import Codec, PayloadKind
from ingest.settings import AudioSettings

MOST_SECONDS = 0.05
MOST_DAYS = 31
_HUNG_SECONDS = 3.0
_MORE_BYTES = 128 * 1024  # than the file has: its head and its end may be read twice
_MOST_BYTES_OF_WAV = 64 * 1024
_WAV_MARKS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000"))
_TAKES = FACTS[Method.BADGE]
_RULES = AudioSettings()
_REFUSALS = (RecordingFailure, RecordingIncomplete, AttemptFailure)


class BreachError(Exception):
    """A rule that was broken, in a sentence."""


class HungError(BaseException):
    """It took so long that it was ended; no `except Exception` keeps it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one file, at once and once it is given up: `pending …`, `incomplete …`, `failed …`."""

    at_once: str
    given_up: str
    seconds: float
    read_bytes: int
    breach: str | None = None


class Bench:
    """A file in memory that is written over for each mutant, and the clocks and counters around it."""

    def __enter__(self) -> Self:
        self._descriptor = os.memfd_create("mutant")
        self._account = os.open("/proc/thread-self/io", os.O_RDONLY)
        self._before = signal.signal(signal.SIGVTALRM, _hung)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, self._before)
        os.close(self._account)
        os.close(self._descriptor)

    def outcome(self, content: bytes) -> Outcome:
        """What comes of a file with this content."""
        return next(self.outcomes(content, [len(content)]))[1]

    def outcomes(self, content: bytes, lengths: Iterable[int]) -> Iterator[tuple[int, Outcome]]:
        """What comes of the file when it has each of these lengths."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, content, 0)
        for length in lengths:
            yield length, self._measured(content, length)

    def _measured(self, content: bytes, size: int) -> Outcome:
        """Slowness is measured three times before it counts."""
        tried = self._once(content, size)
        for _ in range(2):
            if tried.breach is None and tried.seconds > MOST_SECONDS:
                tried = min(tried, self._once(content, size), key=lambda outcome: outcome.seconds)
        if tried.breach is None and tried.seconds > MOST_SECONDS:
            return replace(tried, breach=f"it took {tried.seconds * 1000:.0f} ms")
        return tried

    def _once(self, content: bytes, size: int) -> Outcome:
        read, began = self._read_so_far(), time.thread_time()
        at_once = given_up = "breach"
        breach = None
        facts: AudioFacts | Failure | None = None
        signal.setitimer(signal.ITIMER_VIRTUAL, _HUNG_SECONDS)
        try:
            facts = _looked_into(self._descriptor, size)
            at_once, given_up = _judged(facts, given_up=False), _judged(facts, given_up=True)
        except HungError:
            breach = f"it was ended after {_HUNG_SECONDS:g} s"
        except BreachError as error:
            breach = str(error)
        except Exception as error:  # noqa: BLE001 - that nothing else comes out is what is tried here
            breach = f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        seconds, read = time.thread_time() - began, self._read_so_far() - read
        if breach is None:
            try:
                _require_few_bytes(content, size, read)
                if isinstance(facts, AudioFacts):
                    _require_sane(facts, size)
                    _require_mendable(facts, content[:size])
                _require_agreement(at_once, given_up)
            except BreachError as error:
                breach = str(error)
        return Outcome(at_once, given_up, seconds, read, breach)

    def _read_so_far(self) -> int:
        return int(os.pread(self._account, 100, 0).split(b"rchar: ")[1].split()[0])


def _hung(_number: int, _frame: object) -> None:
    raise HungError


def _looked_into(descriptor: int, size: int) -> AudioFacts | Failure:
    try:
        return inspect(descriptor, size)
    except Failure as failure:
        return failure


def _judged(facts: AudioFacts | Failure, *, given_up: bool) -> str:
    if isinstance(facts, Failure):
        return _named(facts)
    try:
        kind = payload_kind(facts, _TAKES, _RULES, given_up=given_up)
    except Failure as failure:
        return _named(failure)
    if (facts.container, facts.codec) not in _TAKES.formats or facts.channels != _TAKES.channels:
        raise BreachError(f"{facts.container} with {facts.codec} and {facts.channels} channels would be sent")
    if facts.extent not in ({Extent.WHOLE, Extent.STREAMED} | ({Extent.UNFILLED} if given_up else set())):
        raise BreachError(f"what is {facts.extent} would be sent")
    if (kind is PayloadKind.MENDED_HEADER) != (facts.mend is not None):
        raise BreachError(f"{kind} would be sent, the mend is {facts.mend}")
    return f"pending {kind}"


def _named(failure: Failure) -> str:
    if not isinstance(failure, _REFUSALS):
        raise BreachError(f"{type(failure).__name__} came out")
    if not str(failure).isprintable() or len(failure.sentence) > 200 or not failure.mend:
        raise BreachError(f"its sentence is no sentence: {str(failure)!r}")
    status = {RecordingFailure: "failed", RecordingIncomplete: "incomplete", AttemptFailure: "pending"}[type(failure)]
    return f"{status} {failure.reason}"


def _require_few_bytes(content: bytes, size: int, read: int) -> None:
    most = _MOST_BYTES_OF_WAV if content.startswith(_WAV_MARKS) else size + _MORE_BYTES
    if read > most:
        raise BreachError(f"{read} bytes were read of {size}")


def _require_sane(facts: AudioFacts, size: int) -> None:
    seconds = facts.duration_seconds
    if seconds is not None and not 0 <= seconds <= MOST_DAYS * 86_400:
        raise BreachError(f"it lasts {seconds} s")
    if (facts.channels is not None and facts.channels < 1) or (facts.rate is not None and facts.rate < 1):
        raise BreachError(f"it has {facts.channels} channels at {facts.rate} Hz")
    if facts.extent not in {Extent.WHOLE, Extent.STREAMED} and not facts.shortfall:
        raise BreachError(f"it is {facts.extent} and does not say why")
    if facts.mend is not None and not 0 < facts.mend.size <= size:
        raise BreachError(f"mended it would be {facts.mend.size} bytes long instead of {size}")


def _require_mendable(facts: AudioFacts, content: bytes) -> None:
    if facts.mend is None:
        return
    whole = applied(facts.mend, content)
    descriptor = os.memfd_create("mended")
    try:
        os.pwrite(descriptor, whole, 0)
        again = inspect(descriptor, len(whole))
    except Failure as failure:
        raise BreachError(f"what was mended is refused: {failure}") from None
    finally:
        os.close(descriptor)
    if again.extent is not Extent.WHOLE or again.mend is not None:
        raise BreachError(f"what was mended is {again.extent}, to be mended by {again.mend}")
    if (again.container, again.codec, again.channels, again.rate) != (
        facts.container, facts.codec, facts.channels, facts.rate
    ):  # fmt: skip
        raise BreachError(f"what was mended is {again}")
    before, after = facts.duration_seconds, again.duration_seconds
    slack = 1 / (facts.rate or 1)
    if facts.codec is Codec.PCM16 and (before is None) != (after is None):
        raise BreachError(f"what was mended lasts {after} s instead of {before} s")
    if facts.codec is Codec.PCM16 and before is not None and after is not None and not 0 <= before - after < slack:
        raise BreachError(f"what was mended lasts {after} s instead of {before} s")


def applied(mend: HeaderMend, content: bytes) -> bytes:
    """The file as it would be sent."""
    out = bytearray(content[: mend.size])
    for patch in mend.patches:
        out[patch.offset : patch.offset + len(patch.content)] = patch.content
    if len(out) != mend.size:
        raise BreachError("a patch lies outside the file")
    return bytes(out)


def _require_agreement(at_once: str, given_up: str) -> None:
    if given_up.startswith("incomplete audio") or (at_once != given_up and not at_once.startswith("incomplete")):
        raise BreachError(f"{at_once} becomes {given_up} once it is given up")
