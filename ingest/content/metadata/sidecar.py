"""What the file beside a recording says of it."""

from __future__ import annotations

from ingest.content.metadata.faults import Broken, Fault, failure
from ingest.content.metadata.fields import Given
from ingest.content.metadata.json_sidecar import parse, read
from ingest.recording import Origin, Reason


def read_sidecar(sidecar: int | bytes) -> Given:
    """What the sidecar says; it is an open descriptor, or the bytes themselves.

    Raises RecordingFailure (METADATA_INVALID), in whose sentence is none of its data; AttemptFailure where it cannot
    be read now.
    """
    try:
        return Given(Origin.SIDECAR, parse(read(sidecar) if isinstance(sidecar, int) else sidecar))
    except Broken as broken:
        raise failure([Fault(Reason.METADATA_INVALID, str(broken))], [Origin.SIDECAR]) from None
