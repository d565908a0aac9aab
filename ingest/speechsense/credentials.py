"""Tells the `authorization` of a call: an API key or an IAM token, read again whenever its file changes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.failures import ServiceFailure
from ingest.recording import Reason
from ingest.settings import Credentials

API_KEY: Final = "Api-Key"
BEARER: Final = "Bearer"
LARGEST_SECRET_BYTES: Final = 65_536


class Authorization:
    """Where the secret comes from, and the last one read. Neither `str` nor `repr` shows it. Safe between threads."""

    def __init__(self, credentials: Credentials, environment: Mapping[str, str]) -> None:
        self._credentials = credentials
        self._environment = environment
        self._lock = threading.Lock()
        self._read: _Read | None = None

    def header(self) -> str:
        """The value of `authorization`. Raises ServiceFailure (KEY_REFUSED) when there is no usable secret.

        Source of the two forms: SpeechSense documentation, "Authentication" (2026-07).
        """
        chosen = self._credentials
        if chosen.api_key_env is not None:
            place = f"The environment variable {chosen.api_key_env}"
            return f"{API_KEY} {_checked(self._environment.get(chosen.api_key_env, ''), place)}"
        if chosen.api_key_file is not None:
            return f"{API_KEY} {self._of_file(chosen.api_key_file, 'API key')}"
        if chosen.iam_token_file is not None:
            return f"{BEARER} {self._of_file(chosen.iam_token_file, 'IAM token')}"
        raise ServiceFailure(
            Reason.KEY_REFUSED,
            "The configuration names no credentials.",
            "Set speechsense.credentials.api_key_file.",
        )

    def _of_file(self, path: Path, what: str) -> str:
        place = f"The {what} file {path}"
        with self._lock:
            try:
                if self._read is None or self._read.version != _version(os.stat(path)):
                    self._read = None
                    self._read = _read(path)
            except OSError as error:
                raise ServiceFailure(
                    Reason.KEY_REFUSED,
                    f"{place} cannot be read: {error.strerror or type(error).__name__}.",
                    "Put it there and let the service's user read it; it is looked for again by itself.",
                ) from None
            return _checked(self._read.text, place)


@dataclass(frozen=True, slots=True, repr=False)
class _Read:
    """What a file held when it had this version."""

    version: tuple[int, int, int]
    text: str


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> _Read:
    """Raises OSError. A FIFO or a device is refused instead of waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        return _Read(_version(status), os.read(descriptor, LARGEST_SECRET_BYTES + 1).decode("utf-8", "replace"))
    finally:
        os.close(descriptor)


def _checked(text: str, place: str) -> str:
    """The secret itself. What is wrong with it is said without showing any of it."""
    secret = text.strip()
    if not secret:
        fault = "is empty"
    elif len(secret.splitlines()) > 1:
        fault = "holds several lines"
    elif len(secret) > LARGEST_SECRET_BYTES:
        fault = "is longer than any key"
    elif not (secret.isascii() and secret.isprintable()):
        fault = "holds characters that no key has"
    elif " " in secret:
        fault = "holds a space"
    else:
        return secret
    raise ServiceFailure(
        Reason.KEY_REFUSED,
        f"{place} {fault}.",
        "It must hold the secret alone on one line; it is read again by itself.",
    )
