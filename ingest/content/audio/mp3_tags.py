"""Knows the tags that stand before, between and after the frames of an MP3 file.

Sources: id3.org, ID3v2.4 structure (3.1, 3.4), ID3v1, Lyrics3 and Lyrics3v2; the APEv2 specification of hydrogenaudio.
"""

from __future__ import annotations

from typing import Final

from ingest.content.audio.reading import AudioFile

_ID3_BYTES: Final = 10
_ID3V1_BYTES: Final = 128
_ID3V1_LONG_BYTES: Final = 227  # TAG+, before an ID3v1
_APE_BYTES: Final = 32
_APE_HAS_HEADER: Final = 1 << 31
_APE_IS_HEADER: Final = 1 << 29
_LYRICS_BYTES: Final = 5120  # the most that Lyrics3 (v1) allows, with its marks
_MOST_IN_A_ROW: Final = 6


def is_id3(head: bytes) -> bool:
    """Whether an ID3v2 tag, or what there is of one, begins here. A text that begins with "ID3" is none."""
    if head.startswith(b"ID3"):
        return all(version < 0x20 for version in head[3:5])
    return bool(head) and b"ID3".startswith(head)


def after_tags(file: AudioFile, position: int) -> int:
    """Where the tags end that begin at `position`; where one begins that `is_cut_tag`. Raises as `AudioFile.at`."""
    for _ in range(_MOST_IN_A_ROW):
        head = file.at(position, _APE_BYTES)
        length = _length(file, position, head)
        if not length or (position + length > file.size and head.startswith(b"ID3")):
            break
        position = min(position + length, file.size)
    return position


def is_cut_tag(file: AudioFile, position: int) -> bool:
    """Whether an ID3v2 tag begins at `position` that the file ends in. Raises as `AudioFile.at`."""
    head = file.at(position, _ID3_BYTES)
    return is_id3(head) and position + (_id3_length(head) or _ID3_BYTES) > file.size


def before_tags(file: AudioFile) -> int:
    """Where the tags at the end of the file begin: its size, where there are none. Raises as `AudioFile.at`."""
    end = file.size
    for _ in range(_MOST_IN_A_ROW):
        length = _length_before(file, end)
        if not length or length > end:
            break
        end -= length
    return end


def _length(file: AudioFile, position: int, head: bytes) -> int:
    """The length of the tag that begins at `position` with `head`, 0 where none does."""
    if head.startswith(b"ID3"):
        return _id3_length(head)
    if head.startswith(b"APETAGEX") and len(head) == _APE_BYTES:
        is_header = int.from_bytes(head[20:24], "little") & _APE_IS_HEADER
        return _APE_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head.startswith(b"TAG"):
        return _ID3V1_LONG_BYTES if head.startswith(b"TAG+") else _ID3V1_BYTES
    if head.startswith(b"LYRICSBEGIN"):
        block = file.at(position, _LYRICS_BYTES)
        return max(block.find(mark) + len(mark) if mark in block else 0 for mark in (b"LYRICS200", b"LYRICSEND"))
    return 0


def _id3_length(head: bytes) -> int:
    if len(head) < _ID3_BYTES or not is_id3(head) or any(byte & 0x80 for byte in head[6:10]):
        return 0
    footer = _ID3_BYTES if head[5] & 0x10 else 0
    return _ID3_BYTES + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + footer


def _length_before(file: AudioFile, end: int) -> int:
    """The length of the tag that ends at `end`, 0 where none does."""
    foot = file.at(max(0, end - _ID3V1_BYTES), min(_ID3V1_BYTES, end))
    if len(foot) == _ID3V1_BYTES and foot.startswith(b"TAG"):
        whole = _ID3V1_BYTES + _ID3V1_LONG_BYTES
        return whole if end >= whole and file.at(end - whole, 4) == b"TAG+" else _ID3V1_BYTES
    if foot[-32:-24] == b"APETAGEX":
        has_header = int.from_bytes(foot[-12:-8], "little") & _APE_HAS_HEADER
        return max(_APE_BYTES, int.from_bytes(foot[-20:-16], "little")) + (_APE_BYTES if has_header else 0)
    if foot[-10:-7] == b"3DI":
        return _confirmed(file, end, _id3_length(b"ID3" + foot[-7:]), b"ID3")
    if foot.endswith(b"LYRICS200") and foot[-15:-9].isdigit():
        return _confirmed(file, end, int(foot[-15:-9]) + 15, b"LYRICSBEGIN")
    if foot.endswith(b"LYRICSEND"):
        block = file.at(max(0, end - _LYRICS_BYTES), min(_LYRICS_BYTES, end))
        begin = block.rfind(b"LYRICSBEGIN")
        return len(block) - begin if begin >= 0 else 0
    return 0


def _confirmed(file: AudioFile, end: int, length: int, mark: bytes) -> int:
    """`length`, if a tag that ends at `end` and is so long begins with `mark`."""
    return length if 0 < length <= end and file.at(end - length, len(mark)) == mark else 0
