from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.content.reserve import ends_reserved

SIZE = 100_044


@pytest.fixture
def reserved(tmp_path: Path) -> Callable[[Callable[[int], object]], bool]:
    def asked(write: Callable[[int], object]) -> bool:
        with (tmp_path / "file").open("wb+", buffering=0) as file:
            write(file.fileno())
            return ends_reserved(file.fileno(), os.fstat(file.fileno()).st_size)

    return asked


@pytest.mark.parametrize("reserve", [os.ftruncate, lambda file, size: os.posix_fallocate(file, 0, size)])
def test_p3_an_end_that_was_never_written(
    reserved: Callable[[Callable[[int], object]], bool], reserve: Callable[[int, int], object]
) -> None:
    assert reserved(lambda file: reserve(file, SIZE))
    assert reserved(lambda file: (reserve(file, SIZE), os.pwrite(file, b"x" * 50_000, 0)))
    assert not reserved(lambda file: (reserve(file, SIZE), os.pwrite(file, b"x" * SIZE, 0)))


def test_what_was_written_is_not_reserved(reserved: Callable[[Callable[[int], object]], bool]) -> None:
    assert not reserved(lambda file: os.pwrite(file, bytes(SIZE), 0))
    assert not reserved(lambda file: os.pwrite(file, b"x", SIZE))
    assert not reserved(lambda file: None)


def test_a_pipe_cannot_tell() -> None:
    reader, writer = os.pipe()
    try:
        assert not ends_reserved(reader, SIZE)
    finally:
        os.close(reader)
        os.close(writer)
