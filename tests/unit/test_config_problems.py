"""Each class of problem that a configuration can have: where it stands, what it is called, what the mend is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.configuration import SOURCES, SPEECHSENSE, credentials, marks, problems_of, settings_of, whole

# Each row: the faulty piece with the place marked, the key, and words of the sentence and its mend in their order.
Row = tuple[str, str, str]

YAML: list[Row] = [
    ("speechsense: [a, §}\n", "", "not usable YAML … a missing quote"),
    ("speechsense:\n§\tendpoint: a:1\n", "", "not usable YAML … spaces, not with tabs"),
    (whole(source="    audio: [*§*/*.wav]\n"), "", "alias … begins with * or & in quotes"),
    (whole(source="    watch: &w auto\n    method: §*w\n"), "", "aliases … write it out"),
    (whole(source="    watch: §!!str auto\n"), "", "tags are not used … in quotes"),
    (whole(source="    watch: §!!python/object/apply:os.getcwd []\n"), "", "tags are not used"),
    (whole(rest="§---\nupload: {}\n"), "", "single document … Take the line with --- away"),
    ("speechsense: " + "[" * 19 + "§[" + "]" * 20 + "\n", "", "deeper than 20"),
    ('speechsense: "\\U§ffffffff"\n', "", "out of range"),
    ("speechsense:\n  a§\x07: b\n", "", "character is not allowed"),
    ("§", "", "is empty. Copy … config.example.yaml"),
    ("§# nothing\n", "", "is empty. Copy … config.example.yaml"),
    ("§- speechsense\n", "", "mapping of sections. … config.example.yaml shows"),
]

KEYS: list[Row] = [
    (whole(source="    §wach: poll\n"), "sources.0.wach", "not a known key. Did you mean `watch`?"),
    (whole(rest="upload: {§zzz: 1}\n"), "upload.zzz", "not a known key. Known here: concurrency, chunk_bytes"),
    (whole(rest="§concurrency: 5\n"), "concurrency", "not known here. It belongs to `upload`."),
    (whole(rest="§connection_id: x\n"), "connection_id", "not known here. It belongs to `sources.*`."),
    (whole(source="    §name: other\n"), "sources.0.name", "is given twice, first in line 4. Keep one."),
    (whole(rest="§speechsense: {}\n"), "speechsense", "is given twice, first in line 1. Keep one."),
    (whole(source="    metadata: {rename: {§5: a}}\n"), "sources.0.metadata.rename.?", "not text … in quotes"),
    (whole(rest="§[a]: b\n"), "?", "not text … in quotes"),
    (whole(rest='§"a\\nb": c\n'), "?", "control characters … one short line"),
    (whole(rest='§"a\\u2028b": c\n'), "a\\u2028b", "not a known key"),
    (whole(rest="upload:\n  §<<: {concurrency: 5}\n"), "upload.<<", "not a known key"),
    (SPEECHSENSE + "sources:\n  - §name: a\n    path: /a\n", "sources.0.connection_id", "is required … Add"),
    (f"§{SOURCES}", "speechsense", "is required … Add `speechsense` here"),
    (f"§{SPEECHSENSE}", "sources", "is required … Add `sources` here"),
    (f"speechsense: §{{}}\n{SOURCES}", "speechsense.credentials", "is required … Add `credentials` here"),
    (whole("  tls: §{}\n"), "speechsense.tls.ca_file", "is required … Add `ca_file` here"),
    (
        whole("  tls: {ca_file: /a, §cafile: /b}\n"),
        "speechsense.tls.cafile",
        "not a known key. Did you mean `ca_file`?",
    ),
    (whole("  tls: {ca_file: /a, §bool: 1}\n"), "speechsense.tls.bool", "not a known key"),
]

LOOK_UP = "look_up: {organization_id: a, space_id: b, project_id: c"
SOURCE: list[Row] = [
    ("metadata: {file_name: [freepbx, §'(']}", "metadata.file_name.1", "is no pattern: … name a preset: freepbx"),
    ("metadata: {file_name: [§asterisk]}", "metadata.file_name.0", "no named group … name a preset"),
    ("metadata: {folders: {§/srv/x: {a: b}}}", "metadata.folders./srv/x", "relative to the source's own … floor-1/201"),
    ("metadata: {folders: {§x/: {a: b}}}", "metadata.folders.x/", "relative to the source's own … either end"),
    ("metadata: {folders: {x: {a: b}, §'20[9-1]': {a: b}}}", "metadata.folders.20[9-1]", "a set in [brackets]"),
    ("metadata: {folders: {x: {a: §5}}}", "metadata.folders.x.a", "must be text"),
    ("metadata: {time_zone: §Moscow}", "metadata.time_zone", "no time zone that … such as Europe/Moscow"),
    ('metadata: {time_zone: §"../UTC"}', "metadata.time_zone", "no time zone that"),
    ('metadata: {date_formats: [epoch, §"%d.%m %H:%M"]}', "metadata.date_formats.1", "no format … %d.%m.%Y"),
    ('metadata: {date_formats: [§"%d.%m.%Y %Q"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%d.%m.%Y %d"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%Y %d"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%Y %m"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%%Y-%m-%d"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%Y-%m-%d %H:%M %Z"]}', "metadata.date_formats.0", "%Z … %z for an offset"),
    ('metadata: {date_formats: [§"%Y-%m-%d %H:%M %p"]}', "metadata.date_formats.0", "no format"),
    ('metadata: {date_formats: [§"%Y-%m-%d %I:%M"]}', "metadata.date_formats.0", "no format"),
    ("metadata: {values: {a: {b: §1}}}", "metadata.values.a.b", "must be text"),
    ("metadata: {other_keys: §keep}", "metadata.other_keys", "must be `send`, `drop` or `fail`"),
    ('scan_seconds: §"30"', "scan_seconds", "must be a number. Take the quotes away."),
    ('scan_seconds: §"${S:-5}"', "scan_seconds", "must be a number. Take the quotes away."),
    ("scan_seconds: §30s", "scan_seconds", "must be a number. Write digits alone: the unit"),
    ("scan_seconds: §1:30", "scan_seconds", "must be a number. Write digits alone"),
    ("scan_seconds: §.inf", "scan_seconds", "must be a number."),
    ("scan_seconds: §1e999", "scan_seconds", "must be a number."),
    ("scan_seconds: §1e300", "scan_seconds", "must be at most 31,536,000. … range"),
    ("scan_seconds: §0", "scan_seconds", "must be more than 0. … range"),
    ("audio: §'*.wav'", "audio", "must be a list. Write it as a list"),
    ("audio: §[]", "audio", "must not be empty. Give at least one"),
    ("audio: [§/srv/floor/*.wav]", "audio.0", "relative to the source's folder … without a `/`"),
    ("audio: ['[0-9]*.wav', §'[z-a].wav']", "audio.1", "[brackets] … [0-9]"),
    ("ignore: [§'[z-a]']\n    after_upload: {move_to: /srv/sent}", "ignore.0", "[brackets] … [0-9]"),
    ("ignore: [a, §'']", "ignore.1", "relative to the source's folder"),
    ("watch: §events", "watch", "must be `auto`, `inotify` or `poll`."),
    ("watch: §on", "watch", "must be `auto`, `inotify` or `poll`."),
    ("watch: §[auto]", "watch", "must be `auto`, `inotify` or `poll`. Take the list away."),
    ("start_from: §2026-02-30", "start_from", "must be a date … YEAR-MONTH-DAY"),
    ("start_from: §2026-02-01T10:00:00", "start_from", "must be a date … YEAR-MONTH-DAY"),
    ("start_from: §'1767225600'", "start_from", "must be a date … YEAR-MONTH-DAY"),
    ("start_from: §20260131", "start_from", "must be a date … YEAR-MONTH-DAY"),
    ("method: §talk", "method", "not in this version yet. Use `badge`."),
    ("method: §chat", "method", "not in this version yet. Use `badge`."),
    ("unconfirmed: §wait", "unconfirmed", "must be `hold`, `resend` or `look_up`."),
    (
        "unconfirmed: §look_up",
        "unconfirmed",
        "needs the section `look_up` … project_id, key",
    ),
    ("unconfirmed: §look_up\n    look_up: null", "unconfirmed", "needs the section `look_up`"),
    ("look_up: §id", "look_up", "must be a section with keys of its own"),
    ("look_up: §{organization_id: a, space_id: b, project_id: c}", "look_up.key", "is required"),
    ("look_up: {organization_id: a, space_id: §'', project_id: c, key: d}", "look_up.space_id", "must not be empty"),
    ("look_up: {organization_id: a, space_id: b, project_id: §7, key: d}", "look_up.project_id", "must be text"),
    ("look_up: {organization_id: a, space_id: b, project_id: c, key: d, §id: e}", "look_up.id", "not a known key"),
    (
        f"metadata: {{folders: {{x: {{a: b}}, y: {{a: c}}}}}}\n    {LOOK_UP}, key: §a}}",
        "look_up.key",
        "in metadata.folders",
    ),
    (f"{LOOK_UP}, key: §date}}", "look_up.key", "also in metadata.required … nothing else fills"),
    (f"{LOOK_UP}, key: §language}}\n    metadata: {{required: []}}", "look_up.key", "also in metadata.defaults"),
    (f"{LOOK_UP}, key: §x}}\n    metadata: {{required: [x]}}", "look_up.key", "also in metadata.required"),
    (f"{LOOK_UP}, key: §x}}\n    metadata: {{rename: {{agent: x}}}}", "look_up.key", "also in metadata.rename"),
    (f"{LOOK_UP}, key: x}}\n    metadata: {{max_value_bytes: §31}}", "metadata.max_value_bytes", "no room … 1024"),
    ("metadata: {defaults: {a: §17}}", "metadata.defaults.a", "must be text. Put it in quotes."),
    ("metadata: {defaults: {a: §true}}", "metadata.defaults.a", "must be text. Put it in quotes."),
    ("metadata: {defaults: {a: §null}}", "metadata.defaults.a", "must be text. Give it a value"),
    ("metadata: {rename: {a: §1.5}}", "metadata.rename.a", "must be text. Put it in quotes."),
    ("metadata: {sidecar: [§meta.json]}", "metadata.sidecar.0", "must contain {stem} or {name}"),
    ("metadata: {sidecar: ['{stem}.x', §'{id}{stem}']}", "metadata.sidecar.1", "only {stem} and {name} in braces"),
    ("metadata: {sidecar: [§'meta/{stem}.json']}", "metadata.sidecar.0", "without `/`"),
    ("metadata: {sidecar: [§'{stem}-{name}']}", "metadata.sidecar.0", "must name its audio once only"),
    (
        "metadata: {sidecar: ['{stem}.x', §'{stem}']}",
        "metadata.sidecar.1",
        "audio's own names … {stem}.json … `mirror`",
    ),
    ("metadata: {sidecar: [§'{name}']}", "metadata.sidecar.0", "audio's own names"),
    ("audio: ['**/*']\n    metadata: {sidecar: [§'{stem}']}", "metadata.sidecar.0", "own names"),
    ("metadata: {sidecar: [§'{stem}.wav']}", "metadata.sidecar.0", "audio's own names"),
    ("audio: ['**/*.mp3', rec/*.WAV]\n    metadata: {sidecar: [§'{name}.wav']}", "metadata.sidecar.0", "own names"),
    ("metadata: {mirror: §metadata}", "metadata.mirror", "must be a section with keys of its own"),
    ("metadata: {mirror: §{audio: a}}", "metadata.mirror.sidecar", "is required"),
    ("metadata: {mirror: {audio: §'', sidecar: b}}", "metadata.mirror.audio", "must not be empty"),
    ("metadata: {mirror: {audio: a, sidecar: §/srv/floor/b}}", "metadata.mirror.sidecar", "within that of … relative"),
    ("metadata: {mirror: {audio: §a/../../b, sidecar: b}}", "metadata.mirror.audio", "within that of … without `..`"),
    ("metadata: {mirror: §{audio: ./a/, sidecar: a}}", "metadata.mirror", "the same folder twice"),
    ("metadata: {mirror: {audio: ., sidecar: §.metadata}}", "metadata.mirror.sidecar", "`ignore` leaves out"),
    ("after_upload: §kep", "after_upload", "must be `keep`, `delete` or {move_to: …}."),
    ("after_upload: {move_to: §5}", "after_upload.move_to", "must be an absolute path. Put it in quotes."),
    ("after_upload: {move_to: §sent}", "after_upload.move_to", "must be an absolute path. Begin it with `/`."),
    ("after_upload: {move_to: §/srv/floor/sent}", "after_upload.move_to", "inside the folder of sources.0 … `ignore`"),
    ("after_upload: {move_to: §/srv/floor}\n    ignore: ['**']", "after_upload.move_to", "sent again"),
]

SPEECH: list[Row] = [
    ('data_logging: §"yes"', "data_logging", "must be true or false."),
    ("tls: §maybe", "tls", "must be true or false or {ca_file: …}."),
    ("tls: §null", "tls", "must be true or false or {ca_file: …}."),
    ("tls: {ca_file: §ca.pem}", "tls.ca_file", "must be an absolute path. Begin it with `/`."),
    ('tls: {ca_file: §"/a\\0b"}', "tls.ca_file", "control character"),
    ('tls: {ca_file: §"/a\\ud800"}', "tls.ca_file", "broken UTF-8"),
    ("tls: §false\n  endpoint: 127.0.0.1:1", "tls", "`operations_endpoint` is not a loopback … null"),
    ("operations_endpoint: null\n  tls: §off", "tls", "`endpoint` is not a loopback … 127.0.0.1"),
    ('endpoint: §""', "endpoint", "must not be empty. Fill it in."),
    ('endpoint: §"a\\nb:1"', "endpoint", "line break … one line"),
    (f"endpoint: §{'a' * 4097}", "endpoint", "longer than 4,096 characters"),
    ("endpoint: §${HOST}:443", "endpoint", "environment variable HOST, which is not set … ${HOST:-default}"),
    ("endpoint: §${HOST:443", "endpoint", "`${` that does not begin … `$${`"),
    ("look_ups_per_hour: §9", "look_ups_per_hour", "must be at least 10."),
    ("look_ups_per_hour: §100001", "look_ups_per_hour", "must be at most 100,000."),
    ("endpoint: §speechsense.test", "endpoint", "must be host:port … a port"),
    ("operations_endpoint: §https://a.test:443", "operations_endpoint", "must be host:port … without https"),
    ("endpoint: §a.test:65536", "endpoint", "must be host:port … 1 to 65535"),
    ("endpoint: §'::1:50051'", "endpoint", "[address]:port for IPv6"),
]

UPLOAD: list[Row] = [
    ("concurrency: §010", "concurrency", "octal … Leave the zero out"),
    ("concurrency: §1.5", "concurrency", "must be a whole number."),
    ("concurrency: §true", "concurrency", "must be a whole number."),
    ("concurrency: §yes", "concurrency", "must be a whole number."),
    ("concurrency: §0", "concurrency", "must be at least 1."),
    ("chunk_bytes: §4_194_304", "chunk_bytes", "must be at most 4,000,000."),
    ("retry_initial_seconds: §700", "retry_initial_seconds", "longer than retry_max_seconds"),
    ("retry_max_seconds: §1", "retry_max_seconds", "longer than retry_max_seconds"),
]

CREDENTIALS: list[Row] = [
    ("§api_key_file: null", "", "no credential … Give api_key_file, api_key_env or iam_token_file"),
    ("api_key_file: /a\n    api_key_env: §KEY", ".api_key_env", "too many … Keep only `api_key_file`"),
    ("api_key_env: §AQVN-invented", ".api_key_env", "not the key itself … SPEECHSENSE_API_KEY"),
    ("iam_token_file: §~/token", ".iam_token_file", "must be an absolute path. `~` is not expanded"),
    ("§service_account_key_file: /a", ".service_account_key_file", "not in this version yet … api_key_file"),
    ("§instance_metadata: true", ".instance_metadata", "not in this version yet … api_key_file"),
]

SECTIONS: list[Row] = [
    (f"speechsense: {{credentials: §{{}}}}\n{SOURCES}", "speechsense.credentials", "no credential"),
    (whole(rest="upload:§\n"), "upload", "must be a section … take the key away"),
    (whole(rest="upload: §[]\n"), "upload", "must be a section … Take the list away"),
    (f"{SPEECHSENSE}sources: §{{name: a}}\n", "sources", "must be a list"),
    (f"{SPEECHSENSE}sources: [§floor]\n", "sources.0", "must be a section"),
    (f"{SPEECHSENSE}sources: §[]\n", "sources", "must not be empty. Give at least one"),
    (whole(rest="state: {url: §sqlite:///state.db}\n"), "state.url", "absolute path … four slashes"),
    (whole(rest="state: {url: §sqlite:////var/lib/}\n"), "state.url", "absolute path … four slashes"),
    (whole(rest="state: {url: §postgresql+psycopg://u@h/n}\n"), "state.url", "SQLite only … four slashes"),
]

FOLDERS: list[Row] = [
    ("{name: §floor, path: /b, connection_id: x}", "1.name", "also the name of sources.0"),
    ("{name: §17, path: /b, connection_id: x}", "1.name", "must be text. Put it in quotes."),
    ("{name: b, path: §b, connection_id: x}", "1.path", "must be an absolute path. Begin it with `/`."),
    ("{name: b, path: §/srv/./floor/, connection_id: x}", "1.path", "the same folder as that of sources.0"),
    ("{name: b, path: §//srv/floor/b, connection_id: x}", "1.path", "inside the folder of sources.0"),
    (
        "{name: b, path: /b, connection_id: x, after_upload: {move_to: §/srv/floor/b}}",
        "1.after_upload.move_to",
        "inside the folder of sources.0: moved files would be sent again",
    ),
]

ROWS = [
    *YAML,
    *KEYS,
    *SECTIONS,
    *((whole(source=f"    {piece}\n"), f"sources.0.{key}", said) for piece, key, said in SOURCE),
    *((whole(f"  {piece}\n"), f"speechsense.{key}", said) for piece, key, said in SPEECH),
    *((whole(rest=f"upload:\n  {piece}\n"), f"upload.{key}", said) for piece, key, said in UPLOAD),
    *((credentials(f"    {piece}\n"), f"speechsense.credentials{key}", said) for piece, key, said in CREDENTIALS),
    *((whole(source=f"  - {piece}\n"), f"sources.{key}", said) for piece, key, said in FOLDERS),
]


@pytest.mark.parametrize(("text", "key", "said"), ROWS, ids=[f"{key}: {said}" for _, key, said in ROWS])
def test_a_problem_stands_at_its_line_and_column(tmp_path: Path, text: str, key: str, said: str) -> None:
    (expected,) = marks(text)

    problems = problems_of(tmp_path, text)

    assert [(problem.line, problem.column, problem.key) for problem in problems] == [(*expected, key)], problems
    shown = f"{problems[0].sentence} {problems[0].mend}"
    for words in said.split(" … "):
        assert words in shown
        shown = shown.partition(words)[2]
    assert problems[0].mend
    assert "\n" not in str(problems[0])


def test_a_source_inside_a_later_one_is_the_one_to_mend(tmp_path: Path) -> None:
    text = whole(source="  - {name: b, path: /srv, connection_id: x}\n")

    (problem,) = problems_of(tmp_path, text)

    assert (problem.line, problem.column, problem.key) == (5, 11, "sources.0.path")
    assert "inside the folder of sources.1" in problem.sentence


@pytest.mark.parametrize(
    "metadata",
    [
        "{sidecar: ['{stem}', '{name}', '{stem}.wav'], mirror: {audio: audio, sidecar: metadata}}",
        "{sidecar: ['{stem}_meta', 'x{name}', '{stem}.wave', '{stem}.mp3']}",
    ],
)
def test_a_sidecar_that_is_never_the_audio_is_no_problem(tmp_path: Path, metadata: str) -> None:
    text = whole(source=f"    audio: ['**/*.wav', '**/*']\n    metadata: {metadata}\n")

    assert len(settings_of(tmp_path, text).sources[0].metadata.sidecar) >= 3
