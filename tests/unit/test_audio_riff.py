"""The WAV family, held to what libsndfile writes and to what it reads of a header that was mended."""

from __future__ import annotations

import io
import struct
from itertools import pairwise

import pytest

from ingest.content.audio import AudioFacts, Extent, HeaderMend, inspect
from ingest.failures import RecordingFailure
from ingest.recording import Codec, Container, Reason
from tests.support.audio import wav
from tests.support.descriptors import opened, read_so_far
from tests.support.oracle import sound, soundfile

PLAIN = {
    "PCM_U8": (Codec.PCM8, "8-bit PCM"),
    "PCM_16": (Codec.PCM16, "16-bit PCM"),
    "PCM_24": (Codec.PCM24, "24-bit PCM"),
    "PCM_32": (Codec.PCM32, "32-bit PCM"),
    "FLOAT": (Codec.FLOAT32, "32-bit floating point"),
    "DOUBLE": (Codec.FLOAT64, "64-bit floating point"),
    "ULAW": (Codec.MULAW, "G.711 µ-law"),
    "ALAW": (Codec.ALAW, "G.711 A-law"),
}
COMPRESSED = {
    "IMA_ADPCM": (Codec.ADPCM, "ADPCM (IMA)"),
    "MS_ADPCM": (Codec.ADPCM, "ADPCM (Microsoft)"),
    "GSM610": (Codec.GSM, "GSM 6.10"),
}
MONO = {
    "G721_32": (Codec.ADPCM, "G.721 ADPCM"),
    "NMS_ADPCM_16": (Codec.ADPCM, "ADPCM (NMS)"),
    "NMS_ADPCM_32": (Codec.ADPCM, "ADPCM (NMS)"),
}
OPEN_SIZES = [0xFFFFFFFF, 0x7FFFF000, 0x7FFFF024, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF - 44]
WHOLE = wav(seconds=1.5, rate=16_000)  # 44 bytes of header, 48,000 of audio


def look(content: bytes, size: int | None = None) -> AudioFacts:
    with opened(content) as descriptor:
        return inspect(descriptor, len(content) if size is None else size)


def mended(content: bytes, mend: HeaderMend | None) -> bytes:
    assert mend is not None
    out = bytearray(content[: mend.size])
    for patch in mend.patches:
        out[patch.offset : patch.offset + len(patch.content)] = patch.content
    return bytes(out)


def part(name: bytes, contents: bytes, *, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(contents)) + contents + b"\0" * (len(contents) % 2 and padded)


FORM = part(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
DATA = part(b"data", WHOLE[44:])


def riff(*parts: bytes) -> bytes:
    body = b"WAVE" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_sizes(riff_size: int | None, data_size: int | None, content: bytes = WHOLE) -> bytes:
    out = bytearray(content)
    if riff_size is not None:
        out[4:8] = struct.pack("<I", riff_size)
    if data_size is not None:
        at = content.index(b"data") + 4
        out[at : at + 4] = struct.pack("<I", data_size)
    return bytes(out)


def everything_libsndfile_writes() -> list[tuple[str, str, str, str, Codec, str, int]]:
    kinds = [
        ("WAV", "FILE", Container.WAV, "WAV", {**PLAIN, **COMPRESSED, **MONO}),
        ("WAV", "BIG", Container.RIFX, "RIFX (big-endian WAV)", {**PLAIN, **COMPRESSED, **MONO}),
        ("WAVEX", "FILE", Container.WAV, "WAV", PLAIN),
        ("RF64", "FILE", Container.RF64, "RF64", PLAIN),
        ("W64", "FILE", Container.W64, "Wave64", {**PLAIN, **COMPRESSED}),
    ]
    return [
        (kind, subtype, endian, container, codec, f"{family} with {name}", channels)
        for kind, endian, container, family, codecs in kinds
        for subtype, (codec, name) in codecs.items()
        for channels in ([1] if subtype in MONO or subtype == "GSM610" else [1, 2])
    ]


@pytest.mark.parametrize("row", everything_libsndfile_writes(), ids=lambda row: "-".join(map(str, (*row[:3], row[-1]))))
def test_p6_what_libsndfile_writes_is_told_as_libsndfile_does(
    row: tuple[str, str, str, str, Codec, str, int],
) -> None:
    kind, subtype, endian, container, codec, name, channels = row
    content = sound(kind, subtype, seconds=1.37, rate=8_000, channels=channels, endian=endian)
    facts, theirs = look(content), soundfile().info(io.BytesIO(content))
    expected = Codec.PCM16_BIG_ENDIAN if endian == "BIG" and codec is Codec.PCM16 else codec
    assert (facts.container, facts.codec, facts.name) == (container, expected, name)
    assert (facts.channels, facts.rate) == (theirs.channels, theirs.samplerate)
    # a compressed block may be rounded up, and its header says whole bytes a second
    exact = subtype in PLAIN
    assert facts.duration_seconds == pytest.approx(theirs.frames / theirs.samplerate, abs=1e-9 if exact else 0.045)
    assert (facts.extent, facts.mend) == (Extent.WHOLE, None)


@pytest.mark.parametrize("name", [b"LIST", b"bext", b"JUNK", b"PAD ", b"iXML", b"afsp"])
@pytest.mark.parametrize("length", [0, 1, 602, 5_001, 70_000])
def test_p6_other_parts_may_stand_anywhere(name: bytes, length: int) -> None:
    other = part(name, bytes(length))
    for content in (riff(other, FORM, DATA), riff(FORM, other, DATA), riff(FORM, DATA, other)):
        facts = look(content)
        assert (facts.codec, facts.rate, facts.duration_seconds) == (Codec.PCM16, 16_000, 1.5)
        assert (facts.extent, facts.mend) == (Extent.WHOLE, None)


def test_p6_many_parts_may_stand_before_the_audio() -> None:
    parts = [part(b"LIST", bytes(length)) for length in range(40)]
    assert look(riff(FORM, *parts, DATA)).duration_seconds == 1.5


@pytest.mark.parametrize("name", [b"LIST", b"bext"])
def test_p6_an_odd_part_may_lack_what_fills_it_up(name: bytes) -> None:
    odd = part(name, b"\x01" * 27, padded=False)
    for content in (riff(odd, FORM, DATA), riff(FORM, odd, DATA), riff(FORM, DATA, odd)):
        assert (look(content).codec, look(content).duration_seconds) == (Codec.PCM16, 1.5)


def test_p6_audio_of_odd_length_is_filled_up() -> None:
    form = part(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 1, 8))
    facts = look(riff(form, part(b"data", bytes(8_001)), part(b"LIST", bytes(10))))
    assert (facts.duration_seconds, facts.extent) == (8_001 / 8_000, Extent.WHOLE)
    unfilled = look(riff(form, part(b"data", bytes(8_001), padded=False)))
    assert (unfilled.duration_seconds, unfilled.extent) == (8_001 / 8_000, Extent.WHOLE)


@pytest.mark.parametrize("after", [b"\0" * 5000, b"TAG" + bytes(125), b"\xff" * 7, b"data"])
def test_p6_what_follows_the_audio_is_none_of_it(after: bytes) -> None:
    facts = look(WHOLE + after)
    assert (facts.duration_seconds, facts.extent, facts.mend) == (1.5, Extent.WHOLE, None)


@pytest.mark.parametrize("size", OPEN_SIZES)
@pytest.mark.parametrize("lost", [0, 1, 2, 31])
def test_p3_open_sizes_are_mended_to_what_is_there(size: int, lost: int) -> None:
    content = with_sizes(min(size + 36, 0xFFFFFFFF), size)[: len(WHOLE) - lost]
    facts = look(content)
    assert facts.extent is Extent.STREAMED
    samples = (48_000 - lost) // 2
    assert facts.duration_seconds == pytest.approx(samples / 16_000, abs=1e-4)
    whole = mended(content, facts.mend)
    assert len(whole) == 44 + 2 * samples
    read, rate = soundfile().read(io.BytesIO(whole), dtype="int16")
    assert (len(read), rate) == (samples, 16_000)
    assert read.tobytes() == content[44 : 44 + 2 * samples]
    again = look(whole)
    assert (again.extent, again.mend, again.duration_seconds) == (Extent.WHOLE, None, samples / 16_000)
    strict = struct.unpack_from("<I", whole, 4)[0], struct.unpack_from("<I", whole, 40)[0]
    assert strict == (len(whole) - 8, 2 * samples)


@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF])
def test_p3_sizes_of_0_are_unfilled_and_can_be_mended(riff_size: int) -> None:
    content = with_sizes(riff_size, 0)
    facts = look(content)
    assert (facts.extent, facts.duration_seconds) == (Extent.UNFILLED, 1.5)
    read, _ = soundfile().read(io.BytesIO(mended(content, facts.mend)), dtype="int16")
    assert read.tobytes() == WHOLE[44:]


@pytest.mark.parametrize("riff_size", [0, *OPEN_SIZES])
def test_p3_only_the_size_of_the_whole_may_be_open(riff_size: int) -> None:
    for content in (
        with_sizes(riff_size, None),
        with_sizes(riff_size, None, riff(FORM, DATA, part(b"LIST", bytes(9)))),
    ):
        facts = look(content)
        assert (facts.extent, facts.duration_seconds) == (Extent.WHOLE, 1.5)
        whole = mended(content, facts.mend)
        assert len(whole) == len(content)
        assert struct.unpack_from("<I", whole, 4)[0] == len(whole) - 8
        assert len(soundfile().read(io.BytesIO(whole), dtype="int16")[0]) == 24_000
        assert look(whole).mend is None


def test_p3_parts_before_open_audio_keep_their_place() -> None:
    content = with_sizes(0xFFFFFFFF, 0xFFFFFFFF, riff(part(b"JUNK", bytes(28)), FORM, part(b"LIST", bytes(26)), DATA))
    facts = look(content)
    assert facts.extent is Extent.STREAMED
    read, _ = soundfile().read(io.BytesIO(mended(content, facts.mend)), dtype="int16")
    assert read.tobytes() == WHOLE[44:]


@pytest.mark.parametrize("present", [0, 1, 2, 3, 100, 47_998, 47_999])
def test_p3_less_than_the_header_promises_is_short_or_empty(present: int) -> None:
    facts = look(WHOLE, size=44 + present)
    assert facts.extent is (Extent.SHORT if present > 1 else Extent.EMPTY)
    assert facts.duration_seconds == present // 2 * 2 / 32_000
    assert facts.mend is None


@pytest.mark.parametrize("size", [0, *OPEN_SIZES])
def test_p3_less_than_one_sample_under_open_sizes_is_no_audio(size: int) -> None:
    facts = look(with_sizes(size, size), size=45)
    assert (facts.extent, facts.duration_seconds, facts.mend) == (Extent.EMPTY, 0.0, None)


def test_p3_no_truncation_is_whole() -> None:
    content = wav(seconds=0.01)
    assert {look(content, size=length).extent for length in range(1, len(content))} == {Extent.SHORT, Extent.EMPTY}


def test_p3_a_sparse_header_waits() -> None:
    assert look(bytes(12) + WHOLE[12:]).extent in {Extent.SHORT, Extent.EMPTY}
    assert look(bytes(100_000)).extent is Extent.EMPTY


def test_p3_an_empty_file_is_of_no_kind() -> None:
    assert (look(b"").extent, look(b"").container, look(b"").codec) == (Extent.EMPTY, None, None)


def test_p3_zero_sized_audio_before_other_parts_is_none_at_all() -> None:
    content = riff(FORM, part(b"data", b""), part(b"LIST", bytes(26)))
    assert (look(content).extent, look(content).duration_seconds) == (Extent.EMPTY, 0.0)


def test_p6_rf64_may_say_its_sizes_apart() -> None:
    sizes = struct.pack("<QQQI", 28 + 60 + 48_000, 48_000, 24_000, 0)
    content = b"RF64\xff\xff\xff\xffWAVE" + part(b"ds64", sizes) + FORM + b"data\xff\xff\xff\xff" + WHOLE[44:]
    facts = look(content)
    assert (facts.container, facts.extent, facts.duration_seconds) == (Container.RF64, Extent.WHOLE, 1.5)
    assert look(content, size=len(content) - 10).extent is Extent.SHORT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (riff(DATA, FORM), "before it says in which format"),
        (riff(part(b"fmt ", bytes(10)), DATA), "too short"),
        (riff(part(b"fmt ", struct.pack("<HHIIHH", 1, 0, 8_000, 8_000, 1, 8)), DATA), "no channels"),
        (riff(part(b"fmt ", struct.pack("<HHIIHH", 1, 1, 0, 8_000, 1, 8)), DATA), "no sample rate"),
        (riff(part(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8_000, 8_000, 7, 16)), DATA), "contradicts itself"),
        (riff(*[part(b"junk", b"")] * 300, FORM, DATA), "256 parts"),
        (riff(FORM, b"LIST\x00\x00\x00\x70", DATA), "larger than the file says"),
    ],
)
def test_p6_headers_that_cannot_be_are_damaged(content: bytes, words: str) -> None:
    with pytest.raises(RecordingFailure) as caught:
        look(content)
    assert caught.value.reason is Reason.AUDIO_DAMAGED
    assert words in caught.value.sentence


def test_p7_a_duration_that_cannot_be_is_not_told() -> None:
    slow = riff(part(b"fmt ", struct.pack("<HHIIHH", 1, 1, 1, 2, 2, 16)), part(b"data", bytes(32 * 86_400 * 2)))
    assert look(slow).duration_seconds is None


def test_p8_a_long_file_costs_no_more_than_a_short_one() -> None:
    long = riff(FORM, *[part(b"LIST", bytes(5_000))] * 200, DATA)
    costs = []
    for content in (WHOLE, long):
        with opened(content) as descriptor:
            before = read_so_far()
            inspect(descriptor, len(content))
            costs.append(read_so_far() - before)
    assert costs[0] < 8_192
    assert costs[1] < 65_536


def test_p3_what_a_growing_file_is_only_ever_gains() -> None:
    content = with_sizes(0, 0)
    lengths = [look(content, size=size).duration_seconds or 0 for size in range(44, len(content), 999)]
    assert all(earlier <= later for earlier, later in pairwise(lengths))
