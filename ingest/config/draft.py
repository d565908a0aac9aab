"""YAML nodes to plain values, with variables filled in and every position kept; problems are gathered on the way."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ingest.config import schema
from ingest.config.problems import Location, Position, Positions, Problem, dotted
from ingest.config.reading import place

MAX_CHARACTERS: Final = 4096

_VARIABLE: Final = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?"
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE: Final = re.compile(r"[-+]?[0-9][0-9_]{0,999}")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9_]")
_CONSTANTS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_SWITCHES: Final = {"yes": True, "on": True, "no": False, "off": False}


@dataclass(slots=True)
class Draft:
    """A configuration on its way to being `Settings`: plain values, where they stand, what is wrong so far."""

    positions: Positions
    values: dict[str, object]
    problems: list[Problem] = field(default_factory=list)
    faulty: set[Location] = field(default_factory=set)

    def note(self, location: Location, sentence: str, mend: str, position: Position | None = None) -> None:
        """Adds a problem with the value at `location` (or at `position`) that leaves the value fit to be judged."""
        line, column = position or self.positions.of(dotted(location))
        self.problems.append(Problem(self.positions.file, line, column, dotted(location), sentence, mend))

    def report(self, location: Location, sentence: str, mend: str) -> None:
        """Adds a problem with the value at `location`; later looks at that value find nothing."""
        self.note(location, sentence, mend)
        self.faulty.add(location)

    def report_key(self, location: Location, sentence: str, mend: str) -> None:
        """Adds a problem with a key rather than with its value."""
        self.note(location, sentence, mend, self.positions.of_key(dotted(location)))
        self.faulty.add(location)

    def is_faulty(self, location: Location) -> bool:
        """Whether a problem with this value or something around it was noted."""
        return any(location[:length] in self.faulty for length in range(len(location) + 1))

    def given(self, location: Location) -> object:
        """The value in the file, None where there is none."""
        value: object = self.values
        for part in location:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def effective(self, location: Location) -> object:
        """The value in force: the file's or the default; None for one with a problem of its own."""
        if self.is_faulty(location):
            return None
        parent = self.given(location[:-1])
        if isinstance(parent, list) or (isinstance(parent, dict) and location[-1] in parent):
            return self.given(location)
        return schema.default(location)

    def text(self, location: Location) -> str | None:
        """The value in force where it is text, else None."""
        value = self.effective(location)
        return value if isinstance(value, str) else None

    def length(self, location: Location) -> int:
        """How many entries the list at `location` has; 0 where there is no list."""
        value = self.given(location)
        return len(value) if isinstance(value, list) else 0

    def leaves(self) -> Iterator[tuple[Location, object]]:
        """Every scalar in the file without a problem of its own."""
        pending: list[tuple[Location, object]] = [((), self.values)]
        while pending:
            location, value = pending.pop()
            if isinstance(value, dict):
                pending += [((*location, key), below) for key, below in value.items()]
            elif isinstance(value, list):
                pending += [((*location, index), below) for index, below in enumerate(value)]
            elif not self.is_faulty(location):
                yield location, value


def make(file: Path, root: MappingNode, environment: Mapping[str, str]) -> Draft:
    """The draft of a composed file. Values of `environment` end in the draft, never in a problem."""
    return _Walk(file, environment).draft(root)


class _Walk:
    """One pass over the nodes of a file, writing into its draft."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._values: dict[str, Position] = {}
        self._keys: dict[str, Position] = {}
        self._draft = Draft(Positions(file, self._values, self._keys), {})

    def draft(self, root: MappingNode) -> Draft:
        self._values[""] = place(root.start_mark)
        self._draft.values = self._mapping(root, ())
        return self._draft

    def _value(self, node: Node, location: Location) -> object:
        self._values[dotted(location)] = place(node.start_mark)
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            return [self._value(entry, (*location, index)) for index, entry in enumerate(node.value)]
        return self._scalar(node, location) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, location)
            if key is None:
                continue
            here, position = (*location, key), place(key_node.start_mark)
            if key in values:
                first = self._keys[dotted(here)][0]
                self._draft.note(here, f"is given twice, first in line {first}.", "Keep one.", position)
                continue
            self._keys[dotted(here)] = position
            values[key] = self._value(value_node, here)
        return values

    def _key(self, node: Node, location: Location) -> str | None:
        if isinstance(node, ScalarNode) and (node.style is not None or isinstance(_typed(node.value), str)):
            if not _UNPRINTABLE.search(node.value) and len(node.value) <= MAX_CHARACTERS:
                return str(node.value)
            sentence, mend = "has a key that is too long or holds control characters.", "Write it on one short line."
        else:
            sentence, mend = "has a key that is not text.", "Put the key in quotes."
        self._draft.note((*location, "?"), sentence, mend, place(node.start_mark))
        return None

    def _scalar(self, node: ScalarNode, location: Location) -> object:
        text = self._substituted(node.value, location)
        if text is None or not self._is_sound(text, location):
            return None
        variable = _VARIABLE.fullmatch(node.value)
        is_whole = variable is not None and not variable["escaped"]
        if node.style is not None or (text != node.value and not is_whole):
            return text
        if bool in schema.wanted(location) and text.lower() in _SWITCHES:
            return _SWITCHES[text.lower()]
        value = _typed(text)
        if isinstance(value, int | float) and _LEADING_ZERO.match(text):
            sentence = "begins with a zero, which some readers of YAML take for an octal number."
            self._draft.report(location, sentence, "Leave the zero out, or put the value in quotes if it is text.")
            return None
        return value

    def _is_sound(self, text: str, location: Location) -> bool:
        if len(text) > MAX_CHARACTERS:
            self._draft.report(location, f"is longer than {MAX_CHARACTERS:,} characters.", "Shorten it.")
            return False
        if _UNPRINTABLE.search(text):
            sentence = "holds a line break, a control character or broken UTF-8."
            self._draft.report(location, sentence, "Write it on one line without them.")
            return False
        return True

    def _substituted(self, text: str, location: Location) -> str | None:
        complete = True

        def replacement(match: re.Match[str]) -> str:
            nonlocal complete
            name, default = match["name"], match["default"]
            if match["escaped"]:
                return "${"
            if name is None:
                sentence = "has a `${` that does not begin a `${NAME}` or `${NAME:-default}`."
                self._draft.report(location, sentence, "Complete it, or write `$${` for the characters themselves.")
            else:
                value = self._environment.get(name)
                if value is not None and (value or default is None):
                    return value
                if default is not None:
                    return default
                sentence = f"needs the environment variable {name}, which is not set."
                self._draft.report(location, sentence, f"Set it, or write ${{{name}:-default}}.")
            complete = False
            return ""

        result = _VARIABLE.sub(replacement, text)
        return result if complete else None


def _typed(text: str) -> str | int | float | bool | None:
    """A plain scalar by the core rules of YAML 1.2: `no`, `12:30` and `0x10` are text, as they look."""
    constant = text if text in {text.lower(), text.upper(), text.capitalize()} else "text"
    if constant.lower() in _CONSTANTS:
        return _CONSTANTS[constant.lower()]
    if _WHOLE.fullmatch(text):
        return int(text.replace("_", ""))
    if _DECIMAL.fullmatch(text):
        number = float(text.replace("_", ""))
        return number if math.isfinite(number) else text
    return text
