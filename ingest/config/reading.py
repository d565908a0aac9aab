"""Reads a configuration file into YAML nodes that know their line and column; refuses what YAML has beyond that."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from yaml.composer import Composer
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from ingest.config.problems import ConfigurationFault, Problem
from ingest.shipped import shipped

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 20


def read(path: Path) -> MappingNode:
    """The mapping in the file at `path`. Raises ConfigurationFault for whatever is not one YAML mapping in UTF-8."""
    text = _text(path, _content(path))
    node = _compose(path, text)
    if node is None:
        raise _fault(path, (1, 1), "The configuration is empty.", f"Copy {_example()} and edit it.")
    if not isinstance(node, MappingNode):
        sentence = "The configuration must be a mapping of sections."
        raise _fault(path, place(node.start_mark), sentence, f"{_example()} shows its form.")
    return node


def place(mark: Mark) -> tuple[int, int]:
    """Line and column of a PyYAML mark, counted from 1."""
    return mark.line + 1, mark.column + 1


def _fault(path: Path, position: tuple[int, int], sentence: str, mend: str) -> ConfigurationFault:
    return ConfigurationFault([Problem(path, *position, "", sentence, mend)])


def _example() -> str:
    try:
        return str(shipped("config.example.yaml"))
    except OSError:
        return "config.example.yaml"


def _content(path: Path) -> bytes:
    nowhere = (0, 0)
    try:
        # Without O_NONBLOCK a FIFO would hold the program here for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _fault(path, nowhere, "The configuration must be a regular file.", "Name one with --config.")
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        mend = f"Copy {_example()} there and edit it, or name another file with --config or $INGEST_CONFIG."
        raise _fault(path, nowhere, "There is no configuration file here.", mend) from None
    except PermissionError:
        mend = "Give its group that right (chgrp, chmod 640), or run as the service's user."
        raise _fault(path, nowhere, "This user may not read the configuration.", mend) from None
    except IsADirectoryError:
        raise _fault(path, nowhere, "This is a folder.", "Name the file in it with --config.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is not a path"
        sentence = f"The configuration cannot be read: {reason}."
        raise _fault(path, nowhere, sentence, "Name a readable file with --config.") from None
    if len(content) > MAX_BYTES:
        sentence = f"The configuration is larger than {MAX_BYTES:,} bytes."
        raise _fault(path, (1, 1), sentence, "Check that --config names the right file.")
    return content


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")  # `object` is without the byte order mark
        position = _position(before, len(before))
        raise _fault(path, position, "This byte is not UTF-8.", "Save the file as UTF-8.") from None


def _position(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to the nodes: no constructor, so no tag can make an object; scalars stay text for `draft` to type."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: object) -> Node | None:
        """Refuses aliases (they can grow without bound), tags and deep nesting at the event, before memory is spent."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent):
            raise MarkedYAMLError(None, None, "aliases are not used here", event.start_mark)  # type: ignore[arg-type]
        if getattr(event, "tag", None) not in {None, "!"}:
            raise MarkedYAMLError(None, None, "tags are not used here", event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise MarkedYAMLError(None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        self._depth -= 1
        return node


def _compose(path: Path, text: str) -> Node | None:
    try:
        loader = _Loader(text)
    except ReaderError as error:
        position = _position(text, error.position)
        raise _fault(path, position, "This character is not allowed in YAML.", "Take it away.") from None
    try:
        return loader.get_single_node()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = place(mark) if mark else (1, 1)
        said = ", ".join(filter(None, [error.context, error.problem]))
        raise _fault(path, position, f"This is not usable YAML: {said}.", _mend(said)) from None
    except (ValueError, OverflowError):
        # PyYAML lets these through for escapes and versions whose numbers are out of range.
        sentence = "This is not usable YAML: a number in an escape or directive is out of range."
        raise _fault(path, place(loader.get_mark()), sentence, "Correct it here.") from None


def _mend(said: str) -> str:
    if "alias" in said or "anchor" in said:
        return "Put a value that begins with * or & in quotes; to repeat a value, write it out."
    if "another document" in said:
        return "Take the line with --- away."
    if "tag" in said:
        return "Put a value that begins with ! in quotes."
    if "'\\t'" in said:
        return "Indent with spaces, not with tabs."
    return "Look here and just above for wrong indentation, a missing quote, or a colon without a space."
