"""The configuration file: what it becomes, how its problems are told, and what they never tell."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path

import pytest

from ingest.config import ConfigurationFault, find, load, load_with_positions
from ingest.method import Method
from ingest.settings import AfterUpload, MoveTo, Tls, Watch
from tests.unit.configuration import credentials, marks, problems_of, settings_of, whole


def test_a_problem_reads_as_file_line_column_key_sentence_mend(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, whole(source="    wach: poll\n"))

    place = f"{tmp_path / 'config.yaml'}:7:5"
    assert str(problem) == f"{place}: sources.0.wach: is not a known key. Did you mean `watch`?"


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "speechsense:\n"
        "  endpoint: §speechsense.test\n"
        "  §data_loging: false\n"
        "  credentials:\n"
        "    api_key_file: §key\n"
        "    iam_token_file: §/token\n"
        "§bogus: 1\n"
        "sources:\n"
        "  - §path: /srv/a\n"
        "    connection_id: §17\n"
        "    §path: /srv/b\n"
        "    watch: §${WATCH}\n"
        '    settle_seconds: §"30"\n'
        "    metadata: {sidecar: [§x.json], required: [date, §5]}\n"
        "    after_upload: {move_to: §/srv/a/sent}\n"
        "upload:\n"
        "  concurrency: §0\n"
        "  retry_max_seconds: §1\n"
        "state: {url: §state.db}\n"
    )

    problems = problems_of(tmp_path, text)

    assert [(problem.line, problem.column) for problem in problems] == marks(text), "\n".join(map(str, problems))


def test_the_fault_is_one_line_for_each_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault) as caught:
        settings_of(tmp_path, "speechsense: {}\n")

    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 2


def test_a_value_has_one_problem_even_where_several_rules_look_at_it(tmp_path: Path) -> None:
    assert len(problems_of(tmp_path, whole("  endpoint: nowhere\n  operations_endpoint: null\n  tls: false\n"))) == 1
    assert len(problems_of(tmp_path, credentials("    api_key_fil: /a\n"))) == 1
    assert len(problems_of(tmp_path, whole(source="    metadata: {required: [5]}\n"))) == 1


@pytest.mark.parametrize(
    ("content", "position"),
    [(b"\xff\xfea", (1, 1)), (b"speechsense:\n  endpoint: \xd0\xbf\xe9x\n", (2, 14)), (b"\xef\xbb\xbfa: \xff", (1, 4))],
)
def test_bytes_that_are_not_utf8(tmp_path: Path, content: bytes, position: tuple[int, int]) -> None:
    (problem,) = problems_of(tmp_path, content)

    assert (problem.line, problem.column) == position
    assert "UTF-8" in problem.sentence
    assert "Save the file as UTF-8" in problem.mend


def test_a_character_that_yaml_does_not_allow(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "speechsense:\n  a\x07: b\n")

    assert (problem.line, problem.column) == (2, 4)


def test_a_file_of_more_than_a_mebibyte(tmp_path: Path) -> None:
    sound = whole()
    padding = "#" * (1_048_576 - len(sound))
    (problem,) = problems_of(tmp_path, sound + padding + "#")

    assert (problem.line, problem.column) == (1, 1)
    assert "larger than 1,048,576 bytes" in problem.sentence


def test_a_file_of_just_a_mebibyte(tmp_path: Path) -> None:
    sound = whole()

    assert settings_of(tmp_path, sound + "#" * (1_048_576 - len(sound))).sources[0].name == "floor"


def test_a_bomb_of_brackets_ends_soon(tmp_path: Path) -> None:
    begin = time.monotonic()
    problems_of(tmp_path, "a: " + "[" * 1_000_000)

    assert time.monotonic() - begin < 5


def test_a_missing_file_names_the_example_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault) as caught:
        load(tmp_path / "absent.yaml", {})

    assert str(caught.value).startswith(f"{tmp_path / 'absent.yaml'}: There is no configuration file")
    assert "config.example.yaml" in str(caught.value)
    assert "--config" in str(caught.value)


def test_a_folder_a_fifo_a_loop_of_links_and_a_zero_byte(tmp_path: Path) -> None:
    fifo, loop = tmp_path / "fifo", tmp_path / "loop"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    for path in (tmp_path, fifo, loop, Path("a\0b")):
        with pytest.raises(ConfigurationFault, match="--config"):
            load(path, {})


def test_a_file_without_the_right_to_read_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(whole())
    file.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigurationFault, match=r"may not read the configuration\. Give its group that right"):
            load(file, {})
    finally:
        os.seteuid(user)


def test_the_environment_fills_in_values_of_the_right_type(tmp_path: Path) -> None:
    text = whole(
        "  endpoint: ${HOST}:${PORT:-443}\n  operations_endpoint: ${OPERATIONS:-null}\n  data_logging: ${LOGGING}\n",
        "    settle_seconds: ${SETTLE:-5}\n"
        "    metadata:\n"
        "      defaults:\n"
        '        a: "${NUMBER}"\n'
        "        b: $${HOST}\n"
        "        c: x$${${HOST}}\n"
        "        d: ${NUMBER}-\n"
        "        e: $5 $HOST\n",
    )
    made = settings_of(tmp_path, text, HOST="a.test", LOGGING="yes", NUMBER="17", PORT="")

    assert made.speechsense.endpoint == "a.test:443"
    assert made.speechsense.operations_endpoint is None
    assert made.speechsense.data_logging is True
    assert made.sources[0].settle_seconds == 5
    assert made.sources[0].metadata.defaults == {
        "a": "17", "b": "${HOST}", "c": "x${a.test}", "d": "17-", "e": "$5 $HOST",
    }  # fmt: skip


def test_a_value_from_the_environment_is_neither_yaml_nor_filled_in_again(tmp_path: Path) -> None:
    made = settings_of(tmp_path, whole(source="    metadata: {defaults: {a: '${A}'}}\n"), A="${B} {x: 1} # *a", B="no")

    assert made.sources[0].metadata.defaults == {"a": "${B} {x: 1} # *a"}


@pytest.mark.parametrize(
    "text",
    [
        whole("  endpoint: ${SECRET}\n"),
        whole("  tls: ${SECRET}\n"),
        whole("  tls: {ca_file: '${SECRET}'}\n"),
        whole(source="    watch: ${SECRET}\n    start_from: ${SECRET}\n    settle_seconds: ${SECRET}\n"),
        whole(source="    audio: ${SECRET}\n    method: ${SECRET}\n    path: ${SECRET}\n"),
        whole(source="    metadata: {sidecar: ['${SECRET}']}\n    after_upload: ${SECRET}\n"),
        whole(rest="state: {url: '${SECRET}'}\nupload: ${SECRET}\n"),
        whole(source="  - {name: '${SECRET}', path: /a, connection_id: x}\n" * 2),
        credentials("    api_key_env: ${SECRET}\n"),
    ],
)
@pytest.mark.parametrize("secret", ["AQVN-invented-secret", "98765432101234.5", "9876543210\n1234", "98765\udcff43210"])
def test_no_value_of_the_environment_is_shown(tmp_path: Path, text: str, secret: str) -> None:
    shown = "\n".join(map(str, problems_of(tmp_path, text, SECRET=secret)))

    assert not any(part in shown for part in ("AQVN", "98765", "43210", "9,876"))


def test_yes_and_no_are_booleans_only_where_one_is_wanted(tmp_path: Path) -> None:
    made = settings_of(
        tmp_path,
        whole("  data_logging: On\n", "    metadata: {defaults: {language: no, yes: off, t: 12:30, d: 2026-01-31}}\n"),
    )

    assert made.speechsense.data_logging is True
    assert made.sources[0].metadata.defaults == {"language": "no", "yes": "off", "t": "12:30", "d": "2026-01-31"}


def test_values_take_the_types_of_the_settings(tmp_path: Path) -> None:
    made = settings_of(
        tmp_path,
        whole(
            "  tls: {ca_file: /etc/ca.pem}\n",
            "    start_from: 2026-01-31\n    watch: poll\n    settle_seconds: 0\n"
            "    after_upload: {move_to: /srv/sent}\n  - {name: b, path: /b, connection_id: x, after_upload: delete}\n",
            "upload: {stall_seconds: 1.5, chunk_bytes: 65_536}\n",
        ),
    )

    assert made.speechsense.tls == Tls(ca_file=Path("/etc/ca.pem"))
    first, second = made.sources
    assert first.path == Path("/srv/floor")
    assert first.method is Method.BADGE
    assert first.watch is Watch.POLL
    assert first.start_from == date(2026, 1, 31)
    assert first.after_upload == MoveTo(move_to=Path("/srv/sent"))
    assert first.audio == ("**/*.wav", "**/*.mp3")
    assert second.after_upload is AfterUpload.DELETE
    assert (made.upload.stall_seconds, made.upload.chunk_bytes) == (1.5, 65536)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "[::1]", "[0:0::1]"])
def test_plaintext_goes_to_loopback(tmp_path: Path, host: str) -> None:
    text = whole(f'  endpoint: "{host}:50051"\n  operations_endpoint: "{host}:50051"\n  tls: false\n')

    assert settings_of(tmp_path, text).speechsense.tls is False


@pytest.mark.parametrize("host", ["126.0.0.1", "localhost.test", "127.0.0.1.test", "[::2]", "0.0.0.0"])
def test_plaintext_goes_nowhere_else(tmp_path: Path, host: str) -> None:
    problems = problems_of(tmp_path, whole(f'  endpoint: "{host}:50051"\n  operations_endpoint: null\n  tls: false\n'))

    assert [problem.key for problem in problems] == ["speechsense.tls"]


@pytest.mark.parametrize(
    "pattern", ["sent", "**/sent", "sent/**", "sent/*", "s?nt", "**/deep", "sent/deep/**", "**", "SENT", "[a-s]ent"]
)
def test_a_folder_inside_the_source_that_is_ignored_may_be_moved_to(tmp_path: Path, pattern: str) -> None:
    settings_of(
        tmp_path, whole(source=f"    ignore: ['{pattern}']\n    after_upload: {{move_to: /srv/floor/sent/deep}}\n")
    )


@pytest.mark.parametrize("pattern", ["*.wav", "sent/deep/*.wav", "deep", "**/se", "sent/other", "*/*/*/*/*"])
def test_a_folder_inside_the_source_that_is_scanned_may_not(tmp_path: Path, pattern: str) -> None:
    text = whole(source=f"    ignore: ['{pattern}']\n    after_upload: {{move_to: /srv/floor/sent/deep}}\n")

    assert [problem.key for problem in problems_of(tmp_path, text)] == ["sources.0.after_upload.move_to"]


def test_positions_are_those_of_values_else_of_the_nearest_parent(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(whole())

    made, positions = load_with_positions(file, {})

    assert made == load(file, {})
    assert positions.of("sources.0.path") == (5, 11)
    assert positions.of("sources.0.metadata.defaults.language") == (4, 5)
    assert positions.of("speechsense.credentials.api_key_file") == (2, 31)
    assert positions.of("upload.concurrency") == (1, 1)
    problem = positions.problem("sources.0.path", "is not there.", "Mount it.")
    assert str(problem) == f"{file}:5:11: sources.0.path: is not there. Mount it."


def test_the_file_is_the_option_else_the_variable_else_the_one_in_etc() -> None:
    assert find(Path("a.yaml"), {"INGEST_CONFIG": "/b.yaml"}) == Path("a.yaml")
    assert find(None, {"INGEST_CONFIG": "/b.yaml"}) == Path("/b.yaml")
    assert find(None, {"INGEST_CONFIG": ""}) == Path("/etc/speechsense-ingest/config.yaml")
    assert find(None, {}) == Path("/etc/speechsense-ingest/config.yaml")
