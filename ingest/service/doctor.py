"""Looks whether the environment is as the settings say: every finding at once, each with its mend."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ingest.failures import IngestError
from ingest.settings import AfterUpload, Credentials, MoveTo, Settings, SourceSettings, Tls
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
    fault = _no_folder(path, "Mount it or make it, or correct the path.", "Name the folder that recordings land in.")
    if fault is not None:
        yield Found(f"{key}.path", *fault)
    elif not os.access(path, os.R_OK | os.X_OK):
        mend = "Give the user of the service the right to read and enter it."
        yield Found(f"{key}.path", f"The folder {path} cannot be read by this user.", mend)
    elif source.after_upload is not AfterUpload.KEEP and not os.access(path, os.W_OK):
        mend = "Give it, and name the folder in ReadWritePaths= of the unit, or set after_upload: keep."
        yield Found(f"{key}.after_upload", f"Files in {path} cannot be removed: no right to change the folder.", mend)
    if isinstance(source.after_upload, MoveTo):
        yield from _target(f"{key}.after_upload.move_to", source.after_upload.move_to)


def _target(key: str, folder: Path) -> Iterator[Found]:
    mend = "Make it, owned by the user of the service."
    fault = _no_folder(folder, mend, mend)
    if fault is not None:
        yield Found(key, *fault)
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Found(
            key, f"Nothing can be put into {folder} by this user.", "Give the user of the service the right to."
        )


def _no_folder(path: Path, mend_absent: str, mend_other: str) -> tuple[str, str] | None:
    """Sentence and mend where `path` is no folder, or none that this user can get at."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"The folder {path} is not there.", mend_absent
    except PermissionError:
        mend = "Give the user of the service the right to enter the folders above it."
        return f"The folder {path} cannot be reached by this user.", mend
    except OSError as error:
        return f"The folder {path} cannot be looked at: {error.strerror}.", "Check the disk or the share, and the path."
    return None if stat.S_ISDIR(status.st_mode) else (f"{path} is not a folder.", mend_other)
