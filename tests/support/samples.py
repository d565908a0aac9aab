"""The recording that most tests use: a tenth of a second of noise, and the metadata that a source asks for."""

from __future__ import annotations

from tests.support.audio import wav

GIVEN = {
    "operator_name": "Operator One",
    "operator_id": "operator-0001",
    "client_name": "Client One",
    "client_id": "client-0001",
    "date": "2026-03-01T09:30:00Z",
}
SOUND = wav(seconds=0.1)
