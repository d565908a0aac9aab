"""Looks whether the environment is as the settings say: every finding at once, each with its mend."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ingest.failures import IngestError
from ingest.settings import Credentials, MoveTo, Settings, SourceSettings, Tls
from ingest.speechsense.client import Client
from ingest.state.engine import database_file, require_file
from ingest.state.store import open_store


@dataclass(frozen=True, slots=True)
class Found:
    """One fault of the environment; `key` is the setting that names the thing (`sources.0.path`)."""

    key: str
    sentence: str
    mend: str


def examine(settings: Settings, environment: Mapping[str, str]) -> Iterator[Found]:
    """Every fault that can be seen from here without calling SpeechSense."""
    yield from _credentials(settings, environment)
    yield from _state(settings)
    for number, source in enumerate(settings.sources):
        yield from _source(f"sources.{number}", source)


def _credentials(settings: Settings, environment: Mapping[str, str]) -> Iterator[Found]:
    speechsense = settings.speechsense
    key = "speechsense.tls.ca_file" if isinstance(speechsense.tls, Tls) else "speechsense.endpoint"
    try:
        with Client.connect(speechsense, environment) as client:
            key = f"speechsense.credentials.{_given(speechsense.credentials)}"
            client.metadata("check")
    except IngestError as error:
        yield Found(key, error.sentence, error.mend)


def _given(credentials: Credentials) -> str:
    """The name of the one that is set."""
    return next(field.name for field in fields(credentials) if getattr(credentials, field.name) is not None)


def _state(settings: Settings) -> Iterator[Found]:
    try:
        file = database_file(settings.state.url)
        require_file(file)
        with open_store(file):
            pass
    except IngestError as error:
        yield Found("state.url", error.sentence, error.mend)


def _source(key: str, source: SourceSettings) -> Iterator[Found]:
    path = source.path
    if not path.exists():
        yield Found(f"{key}.path", f"The folder {path} is not there.", "Mount it or make it, or correct the path.")
    elif not path.is_dir():
        yield Found(f"{key}.path", f"{path} is not a folder.", "Name the folder that recordings land in.")
    elif not os.access(path, os.R_OK | os.X_OK):
        mend = "Give the user of the service the right to read and enter it."
        yield Found(f"{key}.path", f"The folder {path} cannot be read by this user.", mend)
    elif source.after_upload != "keep" and not os.access(path, os.W_OK):
        mend = "Give it, and name the folder in ReadWritePaths= of the unit, or set after_upload: keep."
        yield Found(f"{key}.after_upload", f"Files in {path} cannot be removed: no right to change the folder.", mend)
    if isinstance(source.after_upload, MoveTo):
        yield from _target(f"{key}.after_upload.move_to", source.after_upload.move_to)


def _target(key: str, folder: Path) -> Iterator[Found]:
    if not folder.is_dir():
        yield Found(key, f"The folder {folder} is not there.", "Make it, owned by the user of the service.")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Found(
            key, f"Nothing can be put into {folder} by this user.", "Give the user of the service the right to."
        )
