"""The whole way of metadata against a second opinion: real files with any name, encoding and value, judged.

The suite makes some hundred recordings; `METADATA_EXAMPLES=5000 pytest tests/property/test_metadata_whole.py` makes
others.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings

from ingest.intake.judge import judge
from ingest.intake.look import look
from ingest.recording import Reason, Status
from ingest.settings import AudioSettings, SourceSettings
from tests.support.metadata_model import Refused, expected
from tests.support.metadata_samples import Made, made
from tests.support.samples import SOUND

EXAMPLES = int(os.environ.get("METADATA_EXAMPLES", "250"))
PLAYED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="METADATA_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
REFUSALS = {
    Reason.METADATA_INVALID,
    Reason.METADATA_KEY_MISSING,
    Reason.METADATA_VALUE_INVALID,
    Reason.METADATA_AMBIGUOUS,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drop")


@PLAYED
@given(recording=made())
def test_p1_p7_exactly_the_fields_of_the_model_or_a_refusal(place: Path, recording: Made) -> None:
    with _laid(place, recording) as source:
        found = look(source, recording.audio)
        arrival = judge(source, AudioSettings(), found, None)
    told = f"{arrival.status} {arrival.reason} {arrival.detail}"
    if recording.lacks:
        assert (arrival.status, arrival.reason) == (Status.INCOMPLETE, Reason.METADATA_MISSING), told
        return
    try:
        wanted = None if recording.unreadable else expected(recording.said, recording.metadata)
    except Refused:
        wanted = None
    event("refused" if wanted is None else "pending")
    if wanted is None:
        assert (arrival.status, arrival.reason in REFUSALS) == (Status.FAILED, True), f"{told} {arrival.fields}"
        return
    assert arrival.status is Status.PENDING, told
    assert dict(arrival.fields) == {key: value for key, (value, _) in wanted.items()}
    assert dict(arrival.origins) == {key: origin for key, (_, origin) in wanted.items()}


class _laid:  # noqa: N801 - reads as a verb
    """The files of a recording in a folder of their own, for a while."""

    def __init__(self, place: Path, recording: Made) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=place))
        self._recording = recording

    def __enter__(self) -> SourceSettings:
        for path, content in {**self._recording.files, self._recording.audio: SOUND}.items():
            whole = os.path.join(os.fsencode(self._folder), path)
            os.makedirs(os.path.dirname(whole), exist_ok=True)
            with open(whole, "wb") as file:
                file.write(content)
        return SourceSettings(
            name="sales-floor",
            path=self._folder,
            connection_id="connection-0001",
            ignore=(),
            metadata=self._recording.metadata,
        )

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(os.fsencode(self._folder))
