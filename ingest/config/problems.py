"""What is wrong with a configuration and where: problems, the positions of keys and values, the fault they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.failures import UsageFault

Location = tuple[str | int, ...]
Position = tuple[int, int]


def dotted(location: Location) -> str:
    """A location as people read it: `sources.0.path`; one printable line whatever the keys hold."""
    text = ".".join(str(part) for part in location)
    return text if text.isprintable() else ascii(text)[1:-1]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` and `column` count from 1; 0 where the file as a whole could not be read."""

    file: Path
    line: int
    column: int
    key: str
    sentence: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        key = f" {self.key}:" if self.key else ""
        return f"{place}:{key} {self.sentence} {self.mend}".rstrip()


class ConfigurationFault(UsageFault):
    """The configuration cannot be used. `problems` holds at least one, in the order of the file; `str()` one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Positions:
    """Where each key and value of one configuration file stands."""

    def __init__(self, file: Path, values: Mapping[str, Position], keys: Mapping[str, Position]) -> None:
        self.file = file
        self._values = values
        self._keys = keys

    def of(self, key: str) -> Position:
        """Line and column (from 1) of the value at a dotted key, else of the nearest parent that the file has."""
        while key and key not in self._values:
            key = key.rpartition(".")[0]
        return self._values.get(key, (1, 1))

    def of_key(self, key: str) -> Position:
        """Line and column (from 1) of the key itself rather than of its value."""
        return self._keys.get(key) or self.of(key)

    def problem(self, key: str, sentence: str, mend: str = "") -> Problem:
        """A problem with the value at `key`, for findings that only another room can make."""
        return Problem(self.file, *self.of(key), key, sentence, mend)
