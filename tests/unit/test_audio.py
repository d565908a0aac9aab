from __future__ import annotations

import csv
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.content.audio import AudioFacts, inspect
from ingest.failures import Failure, RecordingFailure, RecordingIncomplete
from ingest.recording import Container, Reason
from tests.support.audio import mp3, wav, wav_header

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
REASONS = {
    "channels": Reason.AUDIO_CHANNELS,
    "unsupported": Reason.AUDIO_UNSUPPORTED,
    "unfinished": Reason.AUDIO_UNFINISHED,
    "open_sizes": Reason.AUDIO_UNFINISHED,
    "damaged": Reason.AUDIO_DAMAGED,
}


def judged(path: Path) -> AudioFacts:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return inspect(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


@pytest.fixture
def facts_of(tmp_path: Path) -> Callable[[bytes], AudioFacts]:
    def facts(content: bytes) -> AudioFacts:
        (tmp_path / "audio").write_bytes(content)
        return judged(tmp_path / "audio")

    return facts


@pytest.fixture
def reason_of(facts_of: Callable[[bytes], AudioFacts]) -> Callable[[bytes], tuple[Reason, str]]:
    def reason(content: bytes) -> tuple[Reason, str]:
        with pytest.raises((RecordingFailure, RecordingIncomplete)) as caught:
            facts_of(content)
        assert isinstance(caught.value, RecordingIncomplete) == (caught.value.reason is Reason.AUDIO_UNFINISHED)
        assert caught.value.mend
        return caught.value.reason, caught.value.sentence

    return reason


def rows() -> list[dict[str, str]]:
    if not CORPUS.is_dir():
        return []
    with open(CORPUS / "manifest.tsv", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of recordings is not beside the checkout")
@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_the_corpus(row: dict[str, str]) -> None:
    if row["badge"] != "send":
        with pytest.raises(Failure) as caught:
            judged(CORPUS / row["file"])
        assert caught.value.reason is REASONS[row["badge"]]
        return
    facts = judged(CORPUS / row["file"])
    assert facts.container == row["container"]
    assert (facts.channels, facts.rate) == (int(row["channels"]), int(row["rate"]))
    if facts.duration_seconds is not None:
        assert facts.duration_seconds == pytest.approx(float(row["seconds"]), abs=0.1)


def test_a_wav(facts_of: Callable[[bytes], AudioFacts]) -> None:
    assert facts_of(wav(seconds=1.5, rate=16_000)) == AudioFacts(Container.WAV, "PCM 16-bit", 1, 16_000, 1.5)


def test_every_truncation_of_a_wav_is_unfinished(reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    whole = wav(seconds=0.01)
    assert {reason_of(whole[:length])[0] for length in range(len(whole))} == {Reason.AUDIO_UNFINISHED}


def test_one_missing_byte_is_told_with_the_sizes(reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    assert "promises 16000 bytes of audio and 15999 are there" in reason_of(wav()[:-1])[1]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_sizes_that_were_never_filled_in(size: int, reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    whole = bytearray(wav())
    whole[40:44] = struct.pack("<I", size)
    assert reason_of(bytes(whole))[0] is Reason.AUDIO_UNFINISHED


def test_preallocated_zeros_are_unfinished(reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    assert reason_of(bytes(50_000))[0] is Reason.AUDIO_UNFINISHED
    assert reason_of(b"")[0] is Reason.AUDIO_UNFINISHED


def extensible(codec: int, bits: int) -> bytes:
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 8000 * bits // 8, bits // 8, bits, 22, bits, 4)
    form += struct.pack("<H", codec) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 800) + bytes(800)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_extensible_is_what_its_codec_is(
    facts_of: Callable[[bytes], AudioFacts], reason_of: Callable[[bytes], tuple[Reason, str]]
) -> None:
    assert facts_of(extensible(1, 16)).codec == "PCM 16-bit"
    assert reason_of(extensible(1, 24)) == (Reason.AUDIO_UNSUPPORTED, "The file is WAV with 24-bit PCM.")
    assert reason_of(extensible(3, 32)) == (Reason.AUDIO_UNSUPPORTED, "The file is WAV with 32-bit floating point.")


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (20, struct.pack("<H", 6), Reason.AUDIO_UNSUPPORTED),
        (20, struct.pack("<H", 0x31), Reason.AUDIO_UNSUPPORTED),
        (20, struct.pack("<H", 0x4242), Reason.AUDIO_UNSUPPORTED),
        (34, struct.pack("<H", 8), Reason.AUDIO_UNSUPPORTED),
        (22, struct.pack("<H", 0), Reason.AUDIO_DAMAGED),
        (24, struct.pack("<I", 0), Reason.AUDIO_DAMAGED),
        (24, struct.pack("<I", 96_000), Reason.AUDIO_UNSUPPORTED),
        (16, struct.pack("<I", 8), Reason.AUDIO_DAMAGED),
        (16, struct.pack("<I", 0x7FFFFFFF), Reason.AUDIO_DAMAGED),
        (12, b"junk", Reason.AUDIO_DAMAGED),
        (8, b"AVI ", Reason.AUDIO_UNSUPPORTED),
        (0, b"RIFX", Reason.AUDIO_UNSUPPORTED),
        (0, b"RF64", Reason.AUDIO_UNSUPPORTED),
    ],
)
def test_headers(offset: int, value: bytes, reason: Reason, reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    content = bytearray(wav())
    content[offset : offset + len(value)] = value
    assert reason_of(bytes(content))[0] is reason


def test_two_channels_are_named(reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    reason, sentence = reason_of(wav(channels=2))
    assert reason is Reason.AUDIO_CHANNELS
    assert "2 channels" in sentence


def test_the_audio_may_come_after_long_parts(facts_of: Callable[[bytes], AudioFacts]) -> None:
    part = b"LIST" + struct.pack("<I", 100_001) + bytes(100_002)
    plain = wav()
    body = plain[8:36] + part + plain[36:]
    assert facts_of(b"RIFF" + struct.pack("<I", len(body)) + body).duration_seconds == 1.0


def test_a_million_empty_parts_are_not_walked(reason_of: Callable[[bytes], tuple[Reason, str]]) -> None:
    body = b"WAVE" + (b"junk" + bytes(4)) * 100_000
    assert reason_of(b"RIFF" + struct.pack("<I", len(body)) + body)[0] is Reason.AUDIO_DAMAGED


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (b"OggS" + bytes(24) + b"OpusHead" + bytes(60), Reason.AUDIO_UNSUPPORTED, "Ogg Opus"),
        (b"fLaC" + bytes(60), Reason.AUDIO_UNSUPPORTED, "FLAC"),
        (bytes.fromhex("0000001c") + b"ftypM4A " + bytes(60), Reason.AUDIO_UNSUPPORTED, "MP4"),
        (bytes.fromhex("1a45dfa3") + bytes(60), Reason.AUDIO_UNSUPPORTED, "WebM"),
        (bytes.fromhex("fff15080") + b"\x13" * 60, Reason.AUDIO_UNSUPPORTED, "AAC"),
        (b"\n<html><body>502</body></html>", Reason.AUDIO_DAMAGED, "HTML"),
        ("Запись разговора\n".encode() * 400, Reason.AUDIO_DAMAGED, "text"),
        ("text".encode("utf-16"), Reason.AUDIO_DAMAGED, "text"),
        (b"\x01\x02\x03\x04" * 50, Reason.AUDIO_DAMAGED, "not audio"),
    ],
)
def test_what_is_neither_wav_nor_mp3_is_named(
    content: bytes, reason: Reason, words: str, reason_of: Callable[[bytes], tuple[Reason, str]]
) -> None:
    found, sentence = reason_of(content)
    assert found is reason
    assert words in sentence


MONO = b"\xff\xfb\x90\xc4" + b"\x11" * 413


def tagged(size: int) -> bytes:
    return b"ID3\x03\x00\x00" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])


def test_mp3_needs_two_frames_in_a_row(
    facts_of: Callable[[bytes], AudioFacts], reason_of: Callable[[bytes], tuple[Reason, str]]
) -> None:
    assert facts_of(MONO * 3) == AudioFacts(Container.MP3, "MP3", 1, 44_100, None)
    assert facts_of(MONO).channels == 1
    assert facts_of(tagged(300) + bytes(300) + MONO * 2).container is Container.MP3
    assert facts_of(tagged(300) + bytes(350) + MONO * 2).container is Container.MP3
    assert facts_of(MONO + b"TAG" + bytes(125)).container is Container.MP3
    assert reason_of(MONO + b"\x22" * 417)[0] is Reason.AUDIO_DAMAGED
    assert reason_of(tagged(20) + bytes(20) + b"\x22" * 417)[0] is Reason.AUDIO_DAMAGED
    assert reason_of(MONO[:300])[0] is Reason.AUDIO_UNFINISHED
    assert reason_of(tagged(9000) + MONO * 3)[0] is Reason.AUDIO_UNFINISHED
    assert reason_of(tagged(20) + bytes(20))[0] is Reason.AUDIO_UNFINISHED
    assert reason_of(b"ID3\x03\x00\x00\xff\xff\xff\xff" + MONO)[0] is Reason.AUDIO_DAMAGED


def test_the_noise_of_the_helpers_is_stereo_or_mono_mp3(facts_of: Callable[[bytes], AudioFacts]) -> None:
    header_channels = 1 if mp3()[3] >> 6 == 3 else 2
    if header_channels == 1:
        assert facts_of(mp3()).channels == 1
    else:
        with pytest.raises(RecordingFailure, match="2 channels"):
            facts_of(mp3())


def test_a_xing_frame_tells_the_duration(facts_of: Callable[[bytes], AudioFacts]) -> None:
    xing = bytearray(MONO)
    xing[4 + 17 : 4 + 17 + 12] = b"Xing" + struct.pack(">II", 1, 441)
    assert facts_of(bytes(xing) + MONO).duration_seconds == pytest.approx(441 * 1152 / 44_100)


def test_few_bytes_are_read_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(wav_header(100_000_000))
    os.truncate(path, 100_000_044)
    before = int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
    judged(path)
    after = int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
    assert after - before < 64 * 1024
