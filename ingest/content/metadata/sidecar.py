"""What the file beside a recording says of it."""

from __future__ import annotations

from typing import Final

from ingest.content.metadata import json_sidecar, xml_sidecar
from ingest.content.metadata.faults import Broken, failure
from ingest.content.metadata.fields import Given
from ingest.recording import Origin

# byte order marks, the zeros of UTF-16, white space
_BEFORE_TEXT: Final = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


def read_sidecar(sidecar: int | bytes, name: bytes = b"") -> Given:
    """What the sidecar says; it is an open descriptor, or the bytes themselves. Its `name` tells how it is written.

    Raises RecordingFailure (METADATA_INVALID), in whose sentence is none of its data; AttemptFailure where it cannot
    be read now.
    """
    try:
        return Given(Origin.SIDECAR, parsed(name, json_sidecar.read(sidecar) if isinstance(sidecar, int) else sidecar))
    except Broken as broken:
        raise failure([broken.fault], [Origin.SIDECAR]) from None


def parsed(name: bytes, content: bytes) -> dict[str, object]:
    """The keys and values in it, nested ones as `Object` and list. Raises Broken.

    A `name` in `.xml` is XML, one in `.json` JSON, in capitals, too; any other is XML where `content` begins with `<`.
    """
    ending = name.lower()
    if ending.endswith(b".xml"):
        return xml_sidecar.parse(content)
    if not ending.endswith(b".json") and content.lstrip(_BEFORE_TEXT).startswith(b"<"):
        return xml_sidecar.parse(content)
    return json_sidecar.parse(content)
