"""A cheap sign that two recordings may be the same: samples of the audio, and all that goes with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Final

from ingest.content.audio import HeaderMend
from ingest.content.opening import read_failed

_SAMPLE_BYTES: Final = 4096


def sample(descriptor: int, size: int, mend: HeaderMend | None = None) -> bytes:
    """A digest of the size in bytes and of three samples: beginning, middle, end. Raises AttemptFailure.

    With `mend` it is that of what goes out, so that a file whose writer fills its header in later has the same.

    Recorders write the same head into every file, so the head alone would tell nothing.
    """
    size = size if mend is None else mend.size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    try:
        for offset in sorted({0, max(0, size // 2 - _SAMPLE_BYTES // 2), max(0, size - _SAMPLE_BYTES)}):
            block = os.pread(descriptor, min(_SAMPLE_BYTES, size - offset), offset)
            digest.update(block if mend is None else mend.applied(block, offset))
    except OSError as error:
        raise read_failed(error) from None
    return digest.digest()


def fingerprint(audio: bytes, connection_id: str, method: str, fields: Mapping[str, str]) -> str:
    """The sign (hex) of audio with this `sample`, sent to this connection with this metadata.

    Equal signs prove nothing: whole hashes are compared then.
    """
    digest = hashlib.blake2b(audio, digest_size=16)
    digest.update(json.dumps([connection_id, method, sorted(fields.items())]).encode())
    return digest.hexdigest()
