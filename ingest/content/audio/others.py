"""Tells what a file is that is neither WAV nor MP3, so that its refusal can say it."""

from __future__ import annotations

from typing import Final

from ingest.content.audio.bare_frames import inspect_bare_frames
from ingest.content.audio.facts import AudioFacts, damaged
from ingest.content.audio.flac import inspect_flac, is_flac
from ingest.content.audio.mp4 import inspect_mp4, is_mp4
from ingest.content.audio.ogg import inspect_ogg, is_ogg
from ingest.content.audio.reading import AudioFile
from ingest.content.audio.webm import inspect_webm, is_webm
from ingest.failures import RecordingFailure
from ingest.recording import Codec, Container

_AUDIO: Final = {
    b"FORM": "AIFF", b"#!AMR-WB": "AMR-WB", b"#!AMR": "AMR", b".snd": "Sun audio (AU)", b"caff": "Core Audio (CAF)",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMA (ASF)", b"#!SILK": "SILK", b"\x02#!SILK": "SILK",
    b"MAC ": "Monkey's Audio", b"wvpk": "WavPack", b"TTA1": "True Audio (TTA)", b"OFR ": "OptimFROG",
    b"MPCK": "Musepack", b"ajkg": "Shorten", b".RMF": "RealMedia", b".ra\xfd": "RealAudio",
    b"Creative Voice File\x1a": "Creative Voice (VOC)", b"NIST_1A": "NIST Sphere", b"FLV\x01": "Flash video",
    b"\x02dss": "DSS dictation", b"\x03dss": "DSS dictation", b"\x03ds2": "DS2 dictation",
    b"\x7f\xfe\x80\x01": "DTS", b"\x00\x00\x01\xba": "an MPEG video (program stream)", b"MThd": "MIDI",
    b"2BIT": "AVR audio", b"\x64\xa3\x01\0": "IRCAM audio", b"\x64\xa3\x02\0": "IRCAM audio",
    b"\x64\xa3\x03\0": "IRCAM audio",
}  # fmt: skip
_NO_AUDIO: Final = {
    b"PK\x03\x04": "a ZIP archive", b"PK\x05\x06": "an empty ZIP archive", b"\x1f\x8b\x08": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!\x1a\x07": "a RAR archive", b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive", b"\x28\xb5\x2f\xfd": "a Zstandard archive", b"%PDF-": "a PDF document",
    b"\xff\xd8\xff": "a JPEG image", b"\x89PNG\r\n\x1a\n": "a PNG image", b"GIF8": "a GIF image",
    b"\x7fELF": "a program (ELF)", b"MZ\x90\0": "a Windows program", b"SQLite format 3\0": "an SQLite database",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Microsoft Office document",
    b"\xd4\xc3\xb2\xa1": "a network capture (pcap)", b"\xa1\xb2\xc3\xd4": "a network capture (pcap)",
    b"\x0a\x0d\x0d\x0a": "a network capture (pcapng)", b"#!rtpplay1.0": "a capture of RTP packets (rtpdump)",
    b"!<arch>\n": "an archive (ar)", b"II*\0": "a TIFF image", b"MM\0*": "a TIFF image",
}  # fmt: skip
_READERS: Final = ((is_ogg, inspect_ogg), (is_flac, inspect_flac), (is_mp4, inspect_mp4), (is_webm, inspect_webm))


def inspect_other(file: AudioFile) -> AudioFacts | None:
    """What the file is by its first bytes, or None where they are no known sign of audio.

    Raises RecordingFailure (AUDIO_DAMAGED), and as `AudioFile.at`.
    """
    head = file.head
    for is_such, inspect_such in _READERS:
        if is_such(head):
            return inspect_such(file)
    name = next((name for mark, name in _AUDIO.items() if head.startswith(mark)), None)
    if name is None or _is_text(head):
        return inspect_bare_frames(file)
    if name == "AIFF" and head[8:12] not in {b"AIFF", b"AIFC"}:
        name = "an IFF file, not AIFF"
    return AudioFacts(container=Container.OTHER, codec=Codec.OTHER, name=name)


def not_audio(head: bytes) -> RecordingFailure:
    """The failure of a file that begins with `head` and is nothing known."""
    for mark, name in _NO_AUDIO.items():
        if head.startswith(mark):
            return damaged(f"This is {name}, not audio")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return damaged("This is text (UTF-16), not audio")
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return damaged("This is an HTML page (an error page saved as a recording?), not audio")
    return damaged("This is text, not audio" if _is_text(head) else "This is not audio that is known here")


def _is_text(head: bytes) -> bool:
    if any(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and error.start > 0  # a character that the read cut in two
    return True
