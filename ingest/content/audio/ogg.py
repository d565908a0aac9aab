"""Tells what an Ogg file holds, for how long, and whether it is all there.

The end is looked for in the last 64 kB. Only a file of several recordings one after another is walked from page to
page, and one of them under the same serial number as the first shows only where the end shows its beginning.
Sources: RFC 3533 (Ogg), RFC 7845 (Ogg Opus).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from ingest.content.audio.facts import AudioFacts, Extent, believable, damaged, unfinished
from ingest.content.audio.ogg_pages import Page, Tail, page_at, pages_from, read_tail
from ingest.content.audio.ogg_streams import FIRST_PACKET_BYTES, OggStream, opus_samples, read_stream
from ingest.content.audio.reading import AudioFile
from ingest.recording import Codec, Container

_MOST_STREAMS: Final = 16
_MOST_HEADER_PAGES: Final = 64
_MOST_PAGES: Final = 2_000  # of a file that is walked; one second each, as encoders write them, that is half an hour
_MARK: Final = b"OggS"


@dataclass(slots=True)
class _Link:
    """One recording of a file: its audio stream, and how far that has been followed."""

    serial: int
    stream: OggStream
    first: int | None = None
    last: int | None = None

    def take(self, file: AudioFile, page: Page) -> None:
        """Follows the stream to `page`, which is one of its own and not its first."""
        if page.granule is None or (page.granule == 0 and self.first is None):
            return
        if self.first is None:
            self.first = _beginning_of(file, page, self.stream)
        self.last = page.granule

    def take_rest(self, file: AudioFile, page: Page) -> None:
        """Follows the stream to the last packet that is there of a `page` that is cut off."""
        if self.last is not None and self.stream.codec is Codec.OPUS:
            self.last += _samples_of(file, page)

    @property
    def seconds(self) -> float | None:
        """How long it lasts; None where its granules do not tell."""
        if self.last is None or self.stream.rate is None:
            return None
        return believable(max(0, self.last - (self.first or 0) - self.stream.skipped) / self.stream.rate)


def is_ogg(head: bytes) -> bool:
    """Whether a file that begins so is Ogg, or may become one."""
    return head.startswith(_MARK) or _MARK.startswith(head)


def inspect_ogg(file: AudioFile) -> AudioFacts:
    """What the file is. Raises RecordingFailure (AUDIO_DAMAGED) and as `AudioFile.at`."""
    streams: dict[int, OggStream] = {}
    after = 0
    for page in pages_from(file, 0, _MOST_STREAMS):
        if not page.begins:
            break
        streams[page.serial] = read_stream(file.at(page.body_at, min(page.body_bytes, FIRST_PACKET_BYTES)))
        after = page.end
    if not streams:
        return _without_beginning(file)
    audible = {serial: stream for serial, stream in streams.items() if stream.codec is not None}
    if len(audible) != 1:
        return _mixed(list(audible.values()))
    ((serial, stream),) = audible.items()
    tail = read_tail(file, after)
    if any(page.begins or page.serial not in streams for page in tail.pages):
        return _chained(file, stream, tail)
    return _single(file, _Link(serial, stream), after, tail)


def _described(stream: OggStream) -> AudioFacts:
    return AudioFacts(
        container=Container.OGG,
        codec=stream.codec,
        name=f"Ogg {stream.name}" if stream.codec is not Codec.OTHER else f"Ogg with {stream.name}",
        channels=stream.channels,
        rate=stream.rate,
    )


def _without_beginning(file: AudioFile) -> AudioFacts:
    if file.size >= 5 and file.head[4]:
        raise damaged("The Ogg file has a version that is not known")
    if page_at(file, 0) is None:
        return unfinished("Ogg", Container.OGG, "The Ogg file ends in its first page")
    raise damaged("The beginning of the Ogg file is missing")


def _mixed(streams: list[OggStream]) -> AudioFacts:
    names = " and ".join(stream.name for stream in streams) or "no audio"
    return AudioFacts(container=Container.OGG, codec=Codec.OTHER, name=f"Ogg with {names} in it")


def _single(file: AudioFile, link: _Link, after: int, tail: Tail) -> AudioFacts:
    for page in _of(link, pages_from(file, after, _MOST_HEADER_PAGES)):
        link.take(file, page)
        if link.first is not None:
            break
    own = list(_of(link, tail.pages))
    for page in own:
        link.take(file, page)
    if tail.rest is not None and tail.rest.serial == link.serial:
        link.take_rest(file, tail.rest)
    facts = replace(_described(link.stream), duration_seconds=link.seconds)
    return _measured(facts, own[-1] if own else None, tail, begun=link.first is not None)


def _measured(facts: AudioFacts, last: Page | None, tail: Tail, *, begun: bool) -> AudioFacts:
    """The facts with how much is there, `last` being the audio's last whole page."""
    if not begun and not tail.cut and (last is None or last.ends or last.granule == 0):
        shortfall = "The Ogg file has a header and no audio yet"
        return replace(facts, duration_seconds=0.0, extent=Extent.EMPTY, shortfall=shortfall)
    if tail.cut:
        return replace(facts, extent=Extent.SHORT, shortfall="The Ogg file ends in the middle of a page")
    if last is None or not last.ends:
        return replace(facts, extent=Extent.SHORT, shortfall="The Ogg file has no page that ends its audio")
    return facts


def _chained(file: AudioFile, first: OggStream, tail: Tail) -> AudioFacts:
    """The facts of several recordings one after another; their duration only where all pages can be walked."""
    links: list[_Link] = []
    current: _Link | None = None
    end = 0
    for page in pages_from(file, 0, _MOST_PAGES):
        end = page.end
        if page.begins:
            stream = read_stream(file.at(page.body_at, min(page.body_bytes, FIRST_PACKET_BYTES)))
            if stream.codec is not None:
                current = _Link(page.serial, stream)
                links.append(current)
        elif current is not None and page.serial == current.serial:
            current.take(file, page)
    kinds = {(link.stream.codec, link.stream.channels, link.stream.rate) for link in links}
    if len(kinds) > 1:
        return _mixed([link.stream for link in links[:2]])
    last = tail.pages[-1]
    lengths = [link.seconds for link in links]
    known = [seconds for seconds in lengths if seconds is not None]
    walked = end >= last.end and len(known) == len(lengths)
    facts = replace(_described(first), duration_seconds=believable(sum(known)) if walked else None)
    return _measured(facts, last, tail, begun=True)


def _of(link: _Link, pages: Iterator[Page] | tuple[Page, ...]) -> Iterator[Page]:
    return (page for page in pages if page.serial == link.serial)


def _beginning_of(file: AudioFile, page: Page, stream: OggStream) -> int:
    """The granule at which the audio begins: not 0 where a recorder joined a stream that was under way."""
    if stream.codec is not Codec.OPUS or page.granule is None or page.ends:
        return 0
    return max(0, page.granule - _samples_of(file, page))


def _samples_of(file: AudioFile, page: Page) -> int:
    """How long the Opus packets last that end on the page and are there."""
    return sum(opus_samples(file.at(at, 2)) for at in page.packets(file.size))
