"""What SpeechSense does not take is named, and Ogg is measured: held to what libsndfile writes and to the corpus."""

from __future__ import annotations

import csv
import io
import struct
from pathlib import Path

import pytest

from ingest.content.audio import AudioFacts, Extent, inspect
from ingest.failures import RecordingFailure
from ingest.recording import Codec, Container, Reason
from tests.support.audio import mp3, wav
from tests.support.containers import (
    OPUS_PACKET,
    OggPage,
    adts,
    box,
    element,
    esds,
    flac,
    layer_1_or_2,
    mp4,
    noise,
    ogg_flac,
    ogg_of,
    opus_head,
    opus_stream,
    opus_tags,
    pages,
    sample_entry,
    speex_head,
    track,
    vorbis_head,
    webm,
)
from tests.support.descriptors import opened, read_so_far
from tests.support.oracle import sound, soundfile

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
KINDS = {"ogg", "mp4", "flac", "webm"}


def look(content: bytes) -> AudioFacts:
    with opened(content) as descriptor:
        return inspect(descriptor, len(content))


def damage(content: bytes) -> str:
    with pytest.raises(RecordingFailure) as caught:
        look(content)
    assert caught.value.reason is Reason.AUDIO_DAMAGED
    assert caught.value.mend
    return caught.value.sentence


def rows() -> list[dict[str, str]]:
    if not CORPUS.is_dir():
        return []
    with (CORPUS / "manifest.tsv").open(newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["container"] in KINDS]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of recordings is not beside the checkout")
@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"])
def test_p6_the_corpus_is_told_as_its_manifest_says(row: dict[str, str]) -> None:
    facts = look((CORPUS / row["file"]).read_bytes())
    assert (facts.container, facts.codec) == (row["container"], row["codec"])
    assert facts.channels == int(row["channels"])
    if row["rate"]:
        assert facts.rate == int(row["rate"])
    if row["seconds"]:
        # of the file that is cut off, the manifest means about the middle of its last page
        assert facts.duration_seconds == pytest.approx(
            float(row["seconds"]), abs=0.5 if "truncated" in row["file"] else 0.1
        )
    assert facts.extent is (Extent.SHORT if "truncated" in row["file"] else Extent.WHOLE)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize(
    ("kind", "subtype", "codec", "name"),
    [
        ("OGG", "OPUS", Codec.OPUS, "Ogg Opus"),
        ("OGG", "VORBIS", Codec.VORBIS, "Ogg Vorbis"),
        ("FLAC", "PCM_16", Codec.FLAC, "FLAC"),
    ],
)
def test_p6_what_libsndfile_writes_is_measured(
    kind: str, subtype: str, codec: Codec, name: str, rate: int, channels: int
) -> None:
    content = sound(kind, subtype, seconds=2.37, rate=rate, channels=channels)
    facts = look(content)
    assert (facts.container, facts.codec, facts.name) == (kind.lower(), codec, name)
    assert facts.channels == channels
    assert facts.rate == (48_000 if codec is Codec.OPUS else rate)
    length = soundfile().info(io.BytesIO(content))
    assert facts.duration_seconds == pytest.approx(length.frames / length.samplerate, abs=0.001)
    assert facts.extent is Extent.WHOLE


@pytest.mark.parametrize(
    ("kind", "subtype", "name"),
    [
        ("AIFF", "PCM_16", "AIFF"),
        ("AIFF", "FLOAT", "AIFF"),
        ("AU", "ULAW", "Sun audio (AU)"),
        ("CAF", "ALAC_16", "Core Audio (CAF)"),
        ("VOC", "PCM_U8", "Creative Voice (VOC)"),
        ("NIST", "PCM_16", "NIST Sphere"),
        ("AVR", "PCM_16", "AVR audio"),
        ("IRCAM", "PCM_16", "IRCAM audio"),
        ("SVX", "PCM_16", "an IFF file, not AIFF"),
    ],
)
def test_p6_what_is_only_named_is_named(kind: str, subtype: str, name: str) -> None:
    facts = look(sound(kind, subtype, seconds=1.0, rate=8_000))
    assert facts.name == name
    assert facts.container is Container.OTHER


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"#!AMR\n", "AMR"),
        (b"#!AMR-WB\n", "AMR-WB"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "WMA (ASF)"),
        (b"\x02#!SILK_V3", "SILK"),
        (b"MAC \x96\x0f", "Monkey's Audio"),
        (b"wvpk", "WavPack"),
        (b"\x03ds2", "DS2 dictation"),
    ],
)
def test_p6_what_recorders_and_telephones_write_is_named(start: bytes, name: str) -> None:
    assert look(start + noise(500)).name == name


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\x7fELF", "a program (ELF)"),
        (b"\xd4\xc3\xb2\xa1", "a network capture (pcap)"),
    ],
)
def test_p6_what_is_no_audio_is_damaged_and_named(start: bytes, words: str) -> None:
    assert damage(start + noise(500)) == f"This is {words}, not audio."


@pytest.mark.parametrize("start", [b"MAC ", b"FORM", b"caff", b"OFR "])
def test_p6_text_that_begins_like_audio_is_text(start: bytes) -> None:
    assert "text" in damage(start + b"addresses of the second floor\n" * 20)


class TestOpus:
    def test_p6_its_length_is_that_of_its_granules_less_what_is_skipped(self) -> None:
        facts = look(opus_stream(seconds=3))
        assert (facts.codec, facts.channels, facts.rate, facts.extent) == (Codec.OPUS, 1, 48_000, Extent.WHOLE)
        assert facts.duration_seconds == (3 * 48_000 - 312) / 48_000

    def test_p6_a_long_one_is_measured_by_its_end(self) -> None:
        facts = look(opus_stream(seconds=900))
        assert facts.duration_seconds == pytest.approx(900, abs=0.01)
        assert facts.extent is Extent.WHOLE

    def test_p3_without_its_last_page_it_is_short(self) -> None:
        whole = opus_stream(seconds=3)
        facts = look(whole[: whole.rindex(b"OggS")])
        assert facts.extent is Extent.SHORT
        assert facts.shortfall == "The Ogg file has no page that ends its audio"
        assert facts.duration_seconds == (2 * 48_000 - 312) / 48_000

    def test_p3_cut_off_in_a_page_it_is_short_by_what_is_missing(self) -> None:
        facts = look(opus_stream(seconds=3)[:-255])  # of 50 packets of 10 bytes, the last 25 and a half
        assert facts.extent is Extent.SHORT
        assert facts.shortfall == "The Ogg file ends in the middle of a page"
        assert facts.duration_seconds == (2 * 48_000 + 24 * 960 - 312) / 48_000

    def test_p3_no_truncation_is_whole(self) -> None:
        whole = opus_stream(seconds=2)
        extents = {look(whole[:length]).extent for length in range(len(whole))}
        assert extents == {Extent.SHORT, Extent.EMPTY}

    def test_p3_headers_alone_are_empty(self) -> None:
        heads = pages(OggPage((opus_head(),), 0, 2), OggPage((opus_tags(),), 0, 0))
        assert (look(heads).extent, look(heads).duration_seconds) == (Extent.EMPTY, 0.0)

    def test_p3_what_was_allotted_and_not_written_is_short(self) -> None:
        whole = opus_stream(seconds=3)
        assert look(whole[: whole.rindex(b"OggS")] + bytes(100_000)).extent is Extent.SHORT

    def test_p6_what_follows_its_end_does_not_count(self) -> None:
        facts = look(opus_stream(seconds=3) + b"TAG" + bytes(125))
        assert facts.extent is Extent.WHOLE
        assert facts.duration_seconds == pytest.approx(3, abs=0.01)

    def test_p6_pages_on_which_no_packet_ends_have_no_granule(self) -> None:
        heads = pages(OggPage((opus_head(),), 0, 2), OggPage((opus_tags(),), 0, 0))
        audio = pages(OggPage((OPUS_PACKET,) * 50, 48_000), OggPage((b"\x08" * 255 * 200,), -1), OggPage((), -1, 4))
        assert look(heads + audio).duration_seconds == (48_000 - 312) / 48_000

    def test_p6_a_recorder_may_join_a_stream_under_way(self) -> None:
        facts = look(opus_stream(seconds=3, start=7_200 * 48_000))
        assert facts.duration_seconds == pytest.approx(3, abs=0.01)

    @pytest.mark.parametrize("granule", [-2, -(2**63), 2**63 - 1, 40 * 86_400 * 48_000])
    def test_p7_a_hostile_granule_gives_no_duration(self, granule: int) -> None:
        heads = pages(OggPage((opus_head(),), 0, 2), OggPage((opus_tags(),), 0, 0))
        facts = look(heads + pages(OggPage((OPUS_PACKET,), 960), OggPage((OPUS_PACKET,), granule, 4)))
        assert facts.duration_seconds in {None, (960 - 312) / 48_000}
        assert facts.duration_seconds is None or granule < 0

    def test_p6_recordings_one_after_another_add_up(self) -> None:
        facts = look(opus_stream(3, serial=1) + opus_stream(4, serial=2) + opus_stream(5, serial=3))
        assert (facts.codec, facts.extent) == (Codec.OPUS, Extent.WHOLE)
        assert facts.duration_seconds == pytest.approx(12 - 3 * 312 / 48_000)

    def test_p6_the_same_serial_number_twice_adds_up_where_the_end_shows_it(self) -> None:
        assert look(opus_stream(3) * 2).duration_seconds == pytest.approx(6, abs=0.02)

    def test_p3_recordings_one_after_another_are_short_where_the_last_is(self) -> None:
        both = opus_stream(3, serial=1) + opus_stream(4, serial=2)
        assert look(both[: both.rindex(b"OggS")]).extent is Extent.SHORT
        assert look(both[:-1]).extent is Extent.SHORT

    def test_p8_too_many_pages_are_not_walked(self) -> None:
        facts = look(opus_stream(3_000, serial=1) + opus_stream(2, serial=2))
        assert (facts.codec, facts.duration_seconds, facts.extent) == (Codec.OPUS, None, Extent.WHOLE)

    def test_p6_another_kind_after_the_first_is_told(self) -> None:
        facts = look(opus_stream(3, serial=1) + opus_stream(3, serial=2, channels=2))
        assert facts.codec is Codec.OTHER
        assert facts.name == "Ogg with Opus and Opus in it"

    def test_p6_streams_at_once_are_told(self) -> None:
        heads = pages(OggPage((opus_head(),), 0, 2, serial=1), OggPage((b"\x80theora" + bytes(35),), 0, 2, serial=2))
        facts = look(heads + opus_stream(3, serial=1))
        assert (facts.codec, facts.name, facts.channels) == (Codec.OTHER, "Ogg with Opus and Theora in it", None)

    def test_p6_a_description_of_the_streams_is_none_of_them(self) -> None:
        skeleton = pages(OggPage((b"fishead\0" + bytes(56),), 0, 2, serial=5))
        rest = opus_stream(3, serial=1)
        first = rest.index(b"OggS", 1)
        facts = look(skeleton + rest[:first] + pages(OggPage((), 0, 4, serial=5)) + rest[first:])
        assert (facts.name, facts.extent) == ("Ogg Opus", Extent.WHOLE)
        assert facts.duration_seconds == pytest.approx(3, abs=0.01)

    @pytest.mark.parametrize("packet", [opus_head(channels=0), opus_head()[:18], b"OpusHead"])
    def test_p6_a_head_that_cannot_be_is_damaged(self, packet: bytes) -> None:
        assert "Ogg" in damage(ogg_of(packet, 960))

    def test_p6_without_its_beginning_it_is_damaged(self) -> None:
        whole = opus_stream(3)
        assert damage(whole[whole.index(b"OggS", 1) :]) == "The beginning of the Ogg file is missing."

    def test_p6_another_version_is_none_of_ours(self) -> None:
        assert look(ogg_of(opus_head(version=0x20), 960)).codec is Codec.OTHER
        assert "version" in damage(b"OggS\x01" + opus_stream(1)[5:])

    def test_p7_marks_without_pages_cost_little(self) -> None:
        facts = look(opus_stream(1)[:-1] + b"OggS\0" * 14_000)
        assert facts.extent is Extent.SHORT


def test_p6_other_streams_in_ogg() -> None:
    vorbis = look(ogg_of(vorbis_head(2, 44_100), 88_200))
    assert (vorbis.codec, vorbis.channels, vorbis.rate, vorbis.duration_seconds) == (Codec.VORBIS, 2, 44_100, 2.0)
    speex = look(ogg_of(speex_head(), 24_000))
    assert (speex.name, speex.codec, speex.channels, speex.rate) == ("Ogg Speex", Codec.SPEEX, 1, 8_000)
    assert speex.duration_seconds == 3.0
    of_flac = look(ogg_flac())
    assert (of_flac.name, of_flac.codec, of_flac.duration_seconds) == ("Ogg FLAC", Codec.FLAC, 2.0)
    assert look(ogg_of(b"PCM     " + bytes(20), 5)).name == "Ogg with PCM"
    assert damage(ogg_of(vorbis_head(rate=0), 5))


def test_p6_flac_by_its_stream_info() -> None:
    facts = look(flac(channels=2, rate=44_100, samples=441_000))
    assert (facts.channels, facts.rate, facts.duration_seconds) == (2, 44_100, 10.0)
    assert look(flac(rate=192_000, samples=2**33)).duration_seconds == 2**33 / 192_000
    assert look(flac(samples=0)).duration_seconds is None
    assert look(flac(rate=1, samples=2**36 - 1)).duration_seconds is None
    assert look(flac()[:20]).extent is Extent.SHORT
    assert damage(b"fLaC\x04" + flac()[5:])
    assert damage(flac(rate=0))


@pytest.mark.parametrize("moov_first", [True, False])
@pytest.mark.parametrize(
    ("entry", "codec", "name", "channels"),
    [
        (sample_entry(inside=esds(configured_channels=1)), Codec.AAC, "MP4 (M4A, AAC)", 1),
        (sample_entry(inside=esds(configured_channels=7)), Codec.AAC, "MP4 (M4A, AAC)", 8),
        (sample_entry(inside=esds(configured_channels=0)), Codec.AAC, "MP4 (M4A, AAC)", 2),
        (sample_entry(inside=box(b"wave", esds())), Codec.AAC, "MP4 (M4A, AAC)", 1),
        (sample_entry(), Codec.AAC, "MP4 (M4A, AAC)", 2),
        (sample_entry(inside=esds(0x6B)), Codec.MP3, "MP4 with MP3", 2),
        (sample_entry(inside=esds(0xDD)), Codec.OTHER, "MP4 with codec 0xDD", 2),
        (sample_entry(b"samr", channels=1), Codec.OTHER, "MP4 with AMR", 1),
        (sample_entry(b"Opus", channels=1), Codec.OPUS, "MP4 with Opus", 1),
        (sample_entry(b"avc1"), Codec.OTHER, "MP4", None),
    ],
)
def test_p6_mp4_by_its_first_track_of_audio(
    entry: bytes, codec: Codec, name: str, channels: int | None, moov_first: bool
) -> None:
    facts = look(mp4(track(sample_entry(b"avc1")), track(entry), moov_first=moov_first))
    assert (facts.container, facts.codec, facts.name, facts.channels) == (Container.MP4, codec, name, channels)


def test_p6_mp4_without_its_list_of_tracks() -> None:
    assert look(mp4()[:2000]).name == "MP4"
    assert look(box(b"ftyp", b"M4A ") + b"\0\0\0\0mdat" + bytes(300)).name == "MP4"
    inside = struct.pack(">I4s", 0, b"mdat") + track(sample_entry())  # audio to the end of the file, whatever it holds
    assert look(box(b"ftyp", b"M4A ") + inside).name == "MP4"


@pytest.mark.parametrize("size", [2**63 - 30, 2**63, 2**64 - 1])
def test_p7_a_box_that_ends_behind_every_file_ends_the_look(size: int) -> None:
    assert look(box(b"ftyp", b"M4A ") + struct.pack(">I4sQ", 1, b"mdat", size) + bytes(99)).name == "MP4"


@pytest.mark.parametrize("live", [True, False])
def test_p6_webm_by_its_first_track_of_audio(live: bool) -> None:
    facts = look(webm(live=live))
    assert (facts.container, facts.codec, facts.name) == (Container.WEBM, Codec.OPUS, "WebM with Opus")
    assert facts.channels == 1
    far = webm(b"A_AAC/MPEG4/LC", 2, b"matroska", before=element("ec", bytes(9000)), live=live)
    assert (look(far).codec, look(far).name, look(far).channels) == (Codec.AAC, "Matroska with AAC", 2)
    assert look(webm(b"A_TRUEHD", live=live)).name == "WebM with TRUEHD"
    assert look(webm(b"A_\xff\x00\n", live=live)).name == "WebM"
    assert look(webm(b"V_VP9", live=live)).name == "WebM"
    assert look(bytes.fromhex("1a45dfa3")).codec is Codec.OTHER


def test_p6_frames_without_a_container_need_three_in_a_row() -> None:
    facts = look(adts(channels=2))
    assert (facts.codec, facts.name, facts.channels, facts.rate) == (Codec.AAC, "AAC (ADTS)", 2, 16_000)
    assert look(layer_1_or_2("fffd84c0", 384)).name == "MPEG audio layer II"
    assert look(layer_1_or_2("ffff44c0", 128)).name == "MPEG audio layer I"
    for other in (adts(frames=2) + noise(300), adts(frames=2), layer_1_or_2("fffd84c0", 385), b"\xff\xf1" + noise(600)):
        assert "not audio" in damage(other)


def test_p8_few_bytes_are_read() -> None:
    boxes = box(b"ftyp", b"M4A ") + box(b"free", b"") * 100_000
    for content in (opus_stream(900), mp4(), boxes, webm(), flac(), adts(), ogg_of(vorbis_head(), 5) + noise(10**6)):
        with opened(content) as descriptor:
            before = read_so_far()
            inspect(descriptor, len(content))
            assert read_so_far() - before < 80 * 1024


def test_p6_wav_and_mp3_are_none_of_these() -> None:
    assert look(wav()).container is Container.WAV
    assert look(mp3()).container is Container.MP3
