"""Whatever stands in the configuration file, it gives settings or a fault with a place, never anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.config import ConfigurationFault, load
from ingest.settings import Settings


def outcome(folder: Path, content: bytes) -> None:
    file = folder / "any.yaml"
    file.write_bytes(content)
    try:
        made: Settings | ConfigurationFault = load(file, {"A": "1", "B": "\udcff"})
    except ConfigurationFault as fault:
        made = fault
    if isinstance(made, ConfigurationFault):
        assert made.problems
        assert all(problem.sentence and problem.line >= 1 and problem.column >= 1 for problem in made.problems)
        assert len(str(made).splitlines()) == len(made.problems)
    else:
        assert isinstance(made, Settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


CHARACTERS = "\n:-[]{},&*!|>%@`\"'#?~$\\ \t\x00\x85\u2028\ufeff\ud800"
PIECES = ["  ", "\n  ", ": ", "- ", "? ", "---\n", "...\n", "<<: ", "!!int ", "%YAML 9", "\\x", '"\\U00110000"']
VARIABLES = ["${A}", "${B}", "${C}", "${C:-yes}", "$${", "${"]
SCALARS = ["null", "true", "yes", "0", "007", "1e9", "1:30", "9" * 5000, "2026-01-31", "/a", "talk"]
KEYS = [
    "name",
    "path",
    "connection_id",
    "metadata",
    "sidecar",
    "ca_file",
    "move_to",
    "credentials",
    "api_key_env",
    "tls",
    "keys",
    "type",
    "allowed",
    "date",
]
SECTIONS = ["speechsense", "state", "url", "sources", "defaults", "upload"]
TOKENS = st.sampled_from([*CHARACTERS, *PIECES, *VARIABLES, *SCALARS, *KEYS, *SECTIONS])

ANY_BYTES = st.binary(max_size=200)
ANY_TEXT = st.text(max_size=200).map(str.encode)
ANY_TOKENS = st.lists(TOKENS, max_size=40).map(lambda words: "".join(words).encode("utf-8", "surrogatepass"))


@settings(max_examples=400, deadline=None)
@given(ANY_BYTES | ANY_TEXT | ANY_TOKENS)
def test_any_file_gives_settings_or_a_fault(folder: Path, content: bytes) -> None:
    outcome(folder, content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_a_sound_file_gives_settings_or_a_fault(folder: Path, data: st.DataObject) -> None:
    sound = (Path(__file__).parents[2] / "config.example.yaml").read_text()
    begin = data.draw(st.integers(0, len(sound)))
    end = data.draw(st.integers(begin, min(len(sound), begin + 30)))
    inserted = "".join(data.draw(st.lists(TOKENS, max_size=3)))

    outcome(folder, (sound[:begin] + inserted + sound[end:]).encode("utf-8", "surrogatepass"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 10**20) | st.floats() | st.text(max_size=8) | st.just("${A}"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "bool", "Tls"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES, VALUES, VALUES)
def test_any_value_at_any_key_gives_settings_or_a_fault(
    folder: Path, first: object, second: object, third: object, fourth: object
) -> None:
    metadata = {"sidecar": third, "defaults": first, "keys": second, "values": third, "computed": fourth}
    source = {"name": "a", "path": "/a", "connection_id": "c", "metadata": metadata, "after_upload": fourth}
    tree = {
        "speechsense": {"credentials": {"api_key_file": "/k"}, "tls": first, "endpoint": second},
        "sources": [source, second],
        "connections": {"c": {"keys": first, "other_keys": third}, "d": fourth},
        "state": {"url": third},
        "upload": fourth,
    }
    outcome(folder, json.dumps(tree).encode())
