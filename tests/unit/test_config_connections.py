"""What the configuration says of a connection's keys: how sources take it over, and each problem it can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.settings import Computed, KeySettings, KeyType, MetadataSettings, OtherKeys
from tests.unit.configuration import marks, problems_of, settings_of, whole

PROFILE = """connections:
  eag-invented:
    other_keys: drop
    keys:
      operator_id: {required: true}
      seconds: {type: number}
      side: {allowed: [in, out]}
      date: {required: yes}
      ingest_id: {}
"""
SECOND = "  - {name: second, path: /srv/second, connection_id: eag-invented}\n"
LOOK_UP = "look_up: {organization_id: a, space_id: b, project_id: c"


def metadata_of(folder: Path, lines: str, profile: str = PROFILE, rest: str = "") -> MetadataSettings:
    """The metadata settings of the first source, which has these lines."""
    source = f"    metadata:\n{lines}" if lines else ""
    return settings_of(folder, whole(source=source + rest, rest=profile)).sources[0].metadata


def test_every_source_of_a_connection_has_its_keys(tmp_path: Path) -> None:
    made = settings_of(tmp_path, whole(source=SECOND, rest=PROFILE))

    first, second = (source.metadata for source in made.sources)
    assert first == second
    assert first.keys["seconds"] == KeySettings(type=KeyType.NUMBER)
    assert first.keys["side"] == KeySettings(allowed=("in", "out"))
    assert (first.required, first.other_keys) == (("operator_id", "date"), OtherKeys.DROP)
    assert first.defaults == {}, "the default language, which the connection does not have"


def test_a_source_of_another_connection_is_left_alone(tmp_path: Path) -> None:
    other = SECOND.replace("eag-invented", "eag-other")

    assert settings_of(tmp_path, whole(source=other, rest=PROFILE)).sources[1].metadata == MetadataSettings()


def test_what_a_source_says_itself_counts(tmp_path: Path) -> None:
    lines = "      required: [side]\n      other_keys: send\n      defaults: {side: in}\n"
    found = metadata_of(tmp_path, lines + "      keys: {seconds: {type: decimal, required: true}}\n")

    assert found.keys["seconds"] == KeySettings(type=KeyType.DECIMAL, required=True)
    assert found.keys["side"] == KeySettings(allowed=("in", "out"))
    assert (found.required, found.other_keys) == (("side", "seconds"), OtherKeys.SEND)
    assert found.defaults == {"side": "in"}


def test_a_source_may_ask_for_less_than_its_connection(tmp_path: Path) -> None:
    assert metadata_of(tmp_path, "      keys: {operator_id: {}}\n").required == ("date",)
    assert metadata_of(tmp_path, "      required: []\n").required == ()


def test_keys_of_a_source_alone_are_added_to_what_is_required(tmp_path: Path) -> None:
    found = metadata_of(tmp_path, "      keys: {seconds: {type: number, required: true}, language: {}}\n", profile="")

    usual = MetadataSettings()
    assert found.required == (*usual.required, "seconds")
    assert (found.defaults, found.other_keys) == (usual.defaults, OtherKeys.SEND)


def test_the_default_language_stays_where_the_connection_has_it(tmp_path: Path) -> None:
    found = metadata_of(tmp_path, "", profile=PROFILE + "      language: {allowed: [ru-RU]}\n")

    assert found.defaults == {"language": "ru-RU"}


def test_what_is_computed_is_named_by_the_connections_key(tmp_path: Path) -> None:
    found = metadata_of(tmp_path, "      computed: {seconds: duration_seconds, side: file_name}\n")

    assert found.computed == {"seconds": Computed.DURATION_SECONDS, "side": Computed.FILE_NAME}


def test_two_hundred_keys_are_taken(tmp_path: Path) -> None:
    keys = "".join(f"      key-{number}: {{}}\n" for number in range(200))
    profile = f"connections:\n  eag-invented:\n    keys:\n{keys}"

    assert len(metadata_of(tmp_path, "", profile=profile).keys) == 200
    (problem,) = problems_of(tmp_path, whole(rest=f"{profile}      key-200: {{}}\n"))
    assert problem.key == "connections.eag-invented.keys"
    assert "201 keys, and SpeechSense takes 200" in problem.sentence


# Each row: the faulty piece with the place marked, the key, and words of the sentence and its mend in their order.
Row = tuple[str, str, str]
IN_KEYS: list[Row] = [
    ("a: {type: §text}", "a.type", "must be `string`, `number`, `decimal`, `boolean`, `date` or `json`."),
    ("a: {required: §1}", "a.required", "must be true or false."),
    ("a: {§requird: true}", "a.requird", "not a known key. Did you mean `required`?"),
    ("a: §number", "a", "must be a section with keys of its own"),
    ("a: §null", "a", "must be a section with keys of its own"),
    ("a: {allowed: §in}", "a.allowed", "must be a list."),
    ("a: {allowed: [x, §1]}", "a.allowed.1", "must be text. Put it in quotes."),
    ('a: {type: number, allowed: ["1", §"one"]}', "a.allowed.1", "type `number` … a whole number"),
    ('a: {type: decimal, allowed: [§"1,5"]}', "a.allowed.0", "type `decimal` … a number"),
    ('a: {type: boolean, allowed: ["true", §"yes"]}', "a.allowed.1", 'type `boolean` … "true" or "false"'),
    ('a: {type: json, allowed: [§"{"]}', "a.allowed.0", "type `json` … JSON"),
    ("date: {type: §string}", "date.type", "must be `date`"),
    ("date: {allowed: [§today]}", "date.allowed.0", "type `date`"),
    ('§"": {}', "", "is no name of a key"),
]
IN_CONNECTIONS: list[Row] = [
    ("eag-invented: {keys: §{}}", "eag-invented.keys", "must not be empty"),
    ("eag-invented: §{other_keys: drop}", "eag-invented.keys", "is required"),
    (
        "eag-invented: {keys: {date: {}}, other_keys: §no}",
        "eag-invented.other_keys",
        "must be `send`, `drop` or `fail`",
    ),
    ("eag-invented: {keys: {date: {}}, §required: [a]}", "eag-invented.required", "It belongs to"),
    ("§eag-invent: {keys: {date: {}}}", "eag-invent", "of no source. Did you mean `eag-invented`?"),
    ("§unlike: {keys: {date: {}}}", "unlike", "of no source. Correct it, or take it away."),
]
IN_METADATA: list[Row] = [
    ("required: [date, §operator]", "required.1", "eag-invented.keys does not have. Did you mean `operator_id`?"),
    ("required: [§xyz]", "required.0", "does not have. Correct it, or add the key there"),
    (
        "defaults: {§language: ru-RU}",
        "defaults.language",
        "names a key that connections.eag-invented.keys does not have",
    ),
    ("rename: {agent: §operator, call.id: side}", "rename.agent", "Did you mean `operator_id`?"),
    ("values: {§second: {a: b}}", "values.second", "Did you mean `seconds`?"),
    ("computed: {§second: duration_seconds}", "computed.second", "Did you mean `seconds`?"),
    ("keys: {§second: {type: number}}", "keys.second", "Did you mean `seconds`?"),
    ('defaults: {seconds: §"1.5"}', "defaults.seconds", "type `number`"),
    ("defaults: {side: §up}", "defaults.side", "none of those that are `allowed` for the key side. … add it"),
    ("defaults: {date: §today}", "defaults.date", "type `date`"),
    ('values: {seconds: {"a": "1", "b": §"two"}}', "values.seconds.b", "type `number`"),
    ("values: {side: {a: §up, b: in}}", "values.side.a", "none of those"),
    ("computed: {operator_id: §size}", "computed.operator_id", "must be `duration_seconds`, `file_name`, `path` or"),
    (
        "folders: {a: {operator_id: x}, b: {§operator: x}}",
        "folders.b.operator",
        "not have. Did you mean `operator_id`?",
    ),
    ("folders: {a: {§xyz: x}}", "folders.a.xyz", "not have. Correct it, or add the key there"),
    ('folders: {a: {seconds: §"1.5"}}', "folders.a.seconds", "type `number` … a whole number"),
    ("folders: {a: {side: §up}, b: {side: in}}", "folders.a.side", "none of those … key side. Give one of those, or"),
    (
        r"file_name: [mikopbx, §'(?P<operator_id>\d)(?P<operator>\d)']",
        "file_name.1",
        "has a group `operator`, … does not have. Did you mean `operator_id`?",
    ),
    (r"file_name: [§'(?P<date>\d+)(?P<xyz>\d)']", "file_name.0", "group `xyz` … (?:…)"),
    ("computed: {seconds: §path}", "computed.seconds", "key seconds, whose type is `number`"),
    ("computed: {date: §duration_seconds}", "computed.date", "whose type is `date`"),
]
WITHOUT: list[Row] = [
    ('keys: {x: {type: number}}\n      defaults: {x: §"a"}', "defaults.x", "type `number`"),
    ("keys: {x: {type: boolean}}\n      computed: {x: §duration_seconds}", "computed.x", "whose type is `boolean`"),
    ("§keys: {language: {allowed: [kk-KZ]}}", "defaults.language", "none of those … is the default: write `defaults`"),
]
SOURCE: list[Row] = [
    (f"{LOOK_UP}, key: §other}}", "look_up.key", "does not have. Name a string key"),
    (f"{LOOK_UP}, key: §seconds}}", "look_up.key", "is required, not text, or takes certain values"),
    (f"{LOOK_UP}, key: §operator_id}}", "look_up.key", "also in metadata.required"),
    (
        f"{LOOK_UP}, key: §ingest_id}}\n    metadata: {{keys: {{ingest_id: {{required: true}}}}}}",
        "look_up.key",
        "is required, not text",
    ),
    (f"{LOOK_UP}, key: §side}}", "look_up.key", "is required, not text"),
    (
        f"{LOOK_UP}, key: §ingest_id}}\n    metadata: {{computed: {{ingest_id: path}}}}",
        "look_up.key",
        "metadata.computed",
    ),
    (f"{LOOK_UP}, key: §ingest_id}}\n    metadata: {{folders: {{a: {{ingest_id: x}}}}}}", "look_up.key", "folders"),
    (f"{LOOK_UP}, key: §ingest_id}}\n    metadata: {{file_name: ['(?P<ingest_id>x)']}}", "look_up.key", "file_name"),
]


def connections(piece: str) -> str:
    return whole(rest=f"connections:\n  {piece}\n")


def in_keys(piece: str, key: str, said: str) -> Row:
    return f"eag-invented: {{keys: {{{piece}}}}}", f"eag-invented.keys.{key}", said


def metadata(piece: str, rest: str = PROFILE) -> str:
    return whole(source=f"    metadata:\n      {piece}\n", rest=rest)


CONNECTIONS = [*IN_CONNECTIONS, *(in_keys(*row) for row in IN_KEYS)]
ROWS = [
    *((connections(it), f"connections.{key}", said) for it, key, said in CONNECTIONS),
    *((metadata(it), f"sources.0.metadata.{key}", said) for it, key, said in IN_METADATA),
    *((metadata(it, rest=""), f"sources.0.metadata.{key}", said) for it, key, said in WITHOUT),
    *((whole(source=f"    {it}\n", rest=PROFILE), f"sources.0.{key}", said) for it, key, said in SOURCE),
]


@pytest.mark.parametrize(("text", "key", "said"), ROWS, ids=[f"{key}: {said}" for _, key, said in ROWS])
def test_a_problem_of_keys_stands_at_its_line_and_column(tmp_path: Path, text: str, key: str, said: str) -> None:
    (expected,) = marks(text)

    problems = problems_of(tmp_path, text)

    assert [(problem.line, problem.column, problem.key) for problem in problems] == [(*expected, key)], problems
    shown = f"{problems[0].sentence} {problems[0].mend}"
    for words in said.split(" … "):
        assert words in shown
        shown = shown.partition(words)[2]
    assert problems[0].mend


def test_a_preset_may_tell_more_than_a_connection_has(tmp_path: Path) -> None:
    assert metadata_of(tmp_path, "      file_name: [freepbx, 3cx]\n").file_name == ("freepbx", "3cx")


def test_a_problem_of_a_pattern_hides_none_of_its_own(tmp_path: Path) -> None:
    lines = "      file_name: ['(?P<operator']\n      folders: {/a: {operator: x}}\n"

    problems = problems_of(tmp_path, whole(source=f"    metadata:\n{lines}", rest=PROFILE))

    assert [problem.key for problem in problems] == ["sources.0.metadata.file_name.0", "sources.0.metadata.folders./a"]


def test_no_value_of_the_environment_is_shown(tmp_path: Path) -> None:
    lines = "      defaults: {seconds: '${SECRET}'}\n      values: {side: {a: '${SECRET}'}}\n"
    profile = PROFILE + "      more: {type: number, allowed: ['${SECRET}']}\n"
    text = whole(source=f"    metadata:\n{lines}", rest=profile)

    problems = problems_of(tmp_path, text, SECRET="invented-secret")

    assert len(problems) == 3
    assert "invented-secret" not in "\n".join(map(str, problems))


def test_a_connection_is_not_missed_where_the_id_of_a_source_is_faulty(tmp_path: Path) -> None:
    text = whole(rest=PROFILE.replace("eag-invented", "eag-17")).replace("eag-invented", "17")

    (problem,) = problems_of(tmp_path, text)

    assert problem.key == "sources.0.connection_id"
