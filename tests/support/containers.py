"""Makes small audio files of the kinds that are named or measured beside WAV and MP3, as bytes, and their parts."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass

OPUS_PACKET = b"\x08" + bytes(9)  # 20 ms of SILK, one frame
SAMPLES = 960


@dataclass(frozen=True)
class OggPage:
    """One page. `flags`: 1 goes on from the page before, 2 begins a stream, 4 ends it."""

    packets: tuple[bytes, ...]
    granule: int = 0
    flags: int = 0
    serial: int = 7
    sequence: int = 0

    def encoded(self) -> bytes:
        """Its bytes; the checksum is left out."""
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in self.packets)
        head = struct.pack(
            "<4sBBqIIIB", b"OggS", 0, self.flags, self.granule, self.serial, self.sequence, 0, len(lacing)
        )
        return head + lacing + b"".join(self.packets)


def pages(*those: OggPage) -> bytes:
    return b"".join(page.encoded() for page in those)


def opus_head(channels: int = 1, skipped: int = 312, version: int = 1) -> bytes:
    return b"OpusHead" + struct.pack("<BBHIhB", version, channels, skipped, 16_000, 0, 0)


def opus_tags() -> bytes:
    return b"OpusTags" + struct.pack("<I", 4) + b"test" + bytes(4)


def opus_stream(seconds: int = 3, serial: int = 7, channels: int = 1, start: int = 0, skipped: int = 312) -> bytes:
    """A whole stream of one page a second, whose granules begin at `start`; at 50 packets a second."""
    heads = [
        OggPage((opus_head(channels, skipped),), 0, 2, serial, 0),
        OggPage((opus_tags(),), 0, 0, serial, 1),
    ]
    last = start + 48_000 * seconds
    audio = [
        OggPage((OPUS_PACKET,) * 50, start + 48_000 * second, 4 * (second == seconds), serial, second + 1)
        for second in range(1, seconds + 1)
    ]
    assert audio[-1].granule == last
    return pages(*heads, *audio)


def ogg_of(first_packet: bytes, granule: int, serial: int = 9) -> bytes:
    """A whole stream of one page of audio after its first packet."""
    return pages(
        OggPage((first_packet,), 0, 2, serial, 0),
        OggPage((bytes(40),) * 4, granule, 4, serial, 1),
    )


def vorbis_head(channels: int = 1, rate: int = 16_000) -> bytes:
    return b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, channels, rate, 0, 0, 0, 0xB8, 1)


def speex_head(channels: int = 1, rate: int = 8_000) -> bytes:
    return b"Speex   " + bytes(20) + struct.pack("<IIIIIIIIIIIII", 1, 80, rate, 0, 4, channels, *[0] * 7)


def stream_info(channels: int = 1, rate: int = 16_000, samples: int = 32_000, bits: int = 16) -> bytes:
    packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | samples
    return struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


def flac(channels: int = 1, rate: int = 16_000, samples: int = 32_000) -> bytes:
    return b"fLaC\x80\x00\x00\x22" + stream_info(channels, rate, samples) + bytes(200)


def ogg_flac(channels: int = 1, rate: int = 16_000, samples: int = 32_000) -> bytes:
    packet = b"\x7fFLAC\x01\x00\x00\x01fLaC\x00\x00\x00\x22" + stream_info(channels, rate, samples)
    return ogg_of(packet, samples)


def box(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(contents), name) + contents


def large_box(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, name, 16 + len(contents)) + contents


def descriptor(tag: int, contents: bytes) -> bytes:
    return bytes([tag, 0x80, 0x80, 0x80, len(contents)]) + contents


def esds(object_type: int = 0x40, configured_channels: int = 1) -> bytes:
    configuration = struct.pack(">H", 2 << 11 | 8 << 7 | configured_channels << 3)
    told = descriptor(4, bytes([object_type, 0x15]) + bytes(11) + descriptor(5, configuration))
    return box(b"esds", bytes(4) + descriptor(3, b"\x00\x01\x00" + told))


def sample_entry(name: bytes = b"mp4a", inside: bytes = b"", channels: int = 2) -> bytes:
    return box(name, bytes(6) + struct.pack(">HHHIHHHHI", 1, 0, 0, 0, channels, 16, 0, 0, 16_000 << 16) + inside)


def track(entry: bytes) -> bytes:
    descriptions = box(b"stsd", struct.pack(">II", 0, 1) + entry)
    return box(b"trak", box(b"tkhd", bytes(84)) + box(b"mdia", box(b"minf", box(b"stbl", descriptions))))


def mp4(*tracks: bytes, moov_first: bool = False) -> bytes:
    moov = box(b"moov", box(b"mvhd", bytes(100)) + b"".join(tracks or (track(sample_entry(inside=esds())),)))
    mdat = large_box(b"mdat", bytes(3000))
    return box(b"ftyp", b"M4A \0\0\2\0M4A isom") + (moov + mdat if moov_first else mdat + moov)


def element(name: str, contents: bytes, *, open_size: bool = False) -> bytes:
    size = b"\x01" + b"\xff" * 7 if open_size else (1 << 56 | len(contents)).to_bytes(8, "big")
    return bytes.fromhex(name) + size + contents


def webm(
    codec: bytes = b"A_OPUS", channels: int = 1, document: bytes = b"webm", before: bytes = b"", *, live: bool = False
) -> bytes:
    """`live`: the sizes of what encloses the audio are not known, as browsers record."""
    audio = element("e1", element("b5", struct.pack(">d", 8000.0)) + element("9f", bytes([channels])))
    entry = element("ae", element("d7", b"\x01") + element("86", codec) + element("63a2", bytes(19)) + audio)
    cluster = element("1f43b675", element("e7", b"\0") + bytes(1000), open_size=live)
    segment = element("1549a966", element("2ad7b1", b"\x0f\x42\x40")) + before + element("1654ae6b", entry) + cluster
    return element("1a45dfa3", element("4282", document)) + element("18538067", segment, open_size=live)


def adts(frames: int = 5, channels: int = 1, length: int = 200) -> bytes:
    packed = 0xFFF << 44 | 1 << 40 | 1 << 38 | 8 << 34 | channels << 30 | length << 13 | 0x7FF << 2
    header = packed.to_bytes(7, "big")
    return (header + b"\x11" * (length - 7)) * frames


def layer_1_or_2(header: str, length: int, frames: int = 5) -> bytes:
    return (bytes.fromhex(header) + b"\x11" * (length - 4)) * frames


def noise(length: int, seed: int = 0) -> bytes:
    return random.Random(f"noise {seed}").randbytes(length)
