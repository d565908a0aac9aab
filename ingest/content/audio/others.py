"""Names what is neither WAV nor MP3, so that its refusal can say what it is."""

from __future__ import annotations

from typing import Final

from ingest.content.audio.facts import AudioFacts, damaged
from ingest.content.audio.reading import AudioFile
from ingest.failures import RecordingFailure
from ingest.recording import Codec, Container

_MAGIC: Final = {
    b"\x1a\x45\xdf\xa3": (Container.WEBM, Codec.OTHER, "WebM or Matroska"),
    b"FORM": (Container.OTHER, Codec.OTHER, "AIFF"),
    b"#!AMR": (Container.OTHER, Codec.OTHER, "AMR"),
    b".snd": (Container.OTHER, Codec.OTHER, "Sun audio (AU)"),
    b"\x30\x26\xb2\x75": (Container.OTHER, Codec.OTHER, "WMA (ASF)"),
    b"caff": (Container.OTHER, Codec.OTHER, "Core Audio (CAF)"),
    b"#!SILK": (Container.OTHER, Codec.OTHER, "SILK"),
    b"MAC ": (Container.OTHER, Codec.OTHER, "Monkey's Audio"),
    b"wvpk": (Container.OTHER, Codec.OTHER, "WavPack"),
    b"PK\x03\x04": (Container.OTHER, Codec.OTHER, "a ZIP archive"),
    b"OggS": (Container.OGG, Codec.OTHER, "Ogg"),
    b"fLaC": (Container.FLAC, Codec.FLAC, "FLAC"),
}


def inspect_other(file: AudioFile) -> AudioFacts | None:
    """What the file is by its first bytes, or None where they are no known sign. Raises as `AudioFile.at`."""
    head = file.head
    for magic, (container, codec, name) in _MAGIC.items():
        if head.startswith(magic):
            return AudioFacts(container=container, codec=codec, name=name)
    if head[4:8] == b"ftyp":
        return AudioFacts(container=Container.MP4, codec=Codec.OTHER, name="MP4 (M4A, AAC)")
    if head[0] == 0xFF and len(head) > 1 and head[1] != 0xFE:
        if head[1] & 0xF6 == 0xF0:
            return AudioFacts(container=Container.OTHER, codec=Codec.AAC, name="AAC (ADTS)")
        if head[1] & 0xE0 == 0xE0 and head[1] & 0x18 != 0x08 and head[1] & 0x06 in {0x04, 0x06}:
            return AudioFacts(container=Container.OTHER, codec=Codec.OTHER, name="MPEG audio layer I or II")
    return None


def not_audio(head: bytes) -> RecordingFailure:
    """The failure of a file that begins with `head` and is nothing known."""
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
