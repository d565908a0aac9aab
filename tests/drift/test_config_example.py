"""Holds config.example.yaml to the settings dataclasses: every key, its default, a line of why, and that it loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import takewhile
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import yaml

from ingest.config import load
from ingest.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
KEY = re.compile(r"^(?P<indent> *(?:- )?)(?:(?P<off># )(?P<below> *))?(?P<key>[a-z_]+):(?P<value>.*)$")
BELOW = re.compile(r"^ *#  +\S")  # a further line of a choice behind `#` that has several

# Keys that the example can only name behind `#`, because another stands there.
ONE_OF_SEVERAL = {"api_key_env", "iam_token_file", "ca_file", "move_to"}
ONE_OF_SEVERAL |= {"organization_id", "space_id", "project_id", "key"}

# (keys from the top with list entries left out, the dataclass's field)
Place = tuple[tuple[str, ...], Field[Any]]


def sections(kind: Any) -> Iterator[type]:
    """The dataclasses within an annotation."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
    elif get_origin(kind) in {tuple, dict, Union, UnionType}:
        for argument in get_args(kind):
            yield from sections(argument)


def places(section: type, above: tuple[str, ...] = ()) -> Iterator[Place]:
    """Every key that a section and those below it can have; names that people give are left out as list entries are."""
    hints = get_type_hints(section)
    for field in fields(section):
        here = (*above, field.name)
        yield here, field
        for below in sections(hints[field.name]):
            yield from places(below, here)


def named(text: str) -> set[tuple[str, ...]]:
    """Every key that the text names, as a value or as another choice behind `#`, by the indentation it stands at."""
    found: set[tuple[str, ...]] = set()
    around: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = KEY.match(line)
        if match is None:
            continue
        depth = len(match["indent"]) + len(match["below"] or "")
        around = [(indent, key) for indent, key in around if indent < depth]
        value = match["value"].partition(" #")[0]
        path = (*(key for _, key in around), match["key"])
        found.add(path)
        section = path[:-1] if path[-2:-1] == ("keys",) else path
        found |= {(*section, inner) for inner in re.findall(r"(?:\{|, )([a-z_]+):", value)}
        if match["off"] is None or not value.strip():
            around.append((depth, match["key"]))
    return found


def missing(text: str) -> set[tuple[str, ...]]:
    return {path for path, _ in places(Settings)} - named(text)


def value(text: str, path: tuple[str, ...]) -> object:
    found = yaml.safe_load(text)
    for key in path:
        found = found[0] if isinstance(found, list) else found
        found = found[key] if isinstance(found, dict) and key in found else MISSING
    return found


def other_choices(text: str) -> Iterator[str]:
    """The text once for each line behind `#`, put in the place of the line that it is an alternative to."""
    lines = text.splitlines(keepends=True)
    active = 0
    for number, line in enumerate(lines):
        match = KEY.match(line)
        if match is not None and match["off"] is None:
            active = number
        elif match is not None and not match["below"]:
            changed = lines.copy()
            more = takewhile(BELOW.match, lines[number + 1 :])
            changed[active] = "".join(each.replace("# ", "", 1) for each in (line, *more))
            yield "".join(changed)


def test_the_example_names_every_key() -> None:
    assert missing(EXAMPLE.read_text()) == set()


@pytest.mark.parametrize("path", [path for path, _ in places(Settings)], ids=".".join)
def test_a_key_that_the_example_lacks_is_noticed(path: tuple[str, ...]) -> None:
    kept = []
    for line in EXAMPLE.read_text().splitlines():
        inner = re.sub(rf"(\{{|, ){path[-1]}:", r"\1gone:", line)
        kept.append(re.sub(rf"^( *(?:- )?(?:# +)?){path[-1]}:", r"\1gone:", inner))

    assert path in missing("\n".join(kept))


def test_the_example_names_no_key_that_there_is_not() -> None:
    free = {("sources", "metadata", name) for name in ("defaults", "folders", "rename", "values", "computed", "keys")}
    free.add(("connections", "keys"))
    known = {path for path, _ in places(Settings)}

    assert {path for path in named(EXAMPLE.read_text()) - known if path[:-1] not in free} == set()


@pytest.mark.parametrize("place", list(places(Settings)), ids=lambda place: ".".join(place[0]))
def test_the_example_shows_the_default(place: Place) -> None:
    path, field = place
    shown = value(EXAMPLE.read_text(), path)
    default = field.default if field.default_factory is MISSING else field.default_factory()
    if shown is MISSING:
        assert path[-1] in ONE_OF_SEVERAL or set(path[:-1]) & {"connections", "keys", "manifest", "mirror"}
        assert path in named(EXAMPLE.read_text())
    elif default is not MISSING and not is_dataclass(default) and path[-1] != "api_key_file":
        assert shown == (list(default) if isinstance(default, tuple) else default)


def test_the_example_says_why_in_a_line_for_every_key() -> None:
    settings = {path[-1] for path, _ in places(Settings)}
    lines = [match for match in map(KEY.match, EXAMPLE.read_text().splitlines()) if match]

    assert {match["key"] for match in lines if match["key"] in settings and " # " not in match["value"]} == {
        "speechsense",
        "state",
        "upload",
        "metadata",
        "audio",
    }


def test_the_example_loads_as_it_stands() -> None:
    made = load(EXAMPLE, {})

    assert [source.name for source in made.sources] == ["sales-floor"]


def test_every_other_choice_of_the_example_loads_in_its_place(tmp_path: Path) -> None:
    choices = list(other_choices(EXAMPLE.read_text()))
    for choice in choices:
        file = tmp_path / "config.yaml"
        plaintext = "\n  tls: false" in choice
        file.write_text(re.sub(r"endpoint: \S+:443", "endpoint: localhost:1", choice) if plaintext else choice)
        load(file, {})

    assert len(choices) > 20
