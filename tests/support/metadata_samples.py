"""Recordings of every kind for a test to judge: files, names and settings, with what there is to know of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from ingest.recording import Origin
from ingest.settings import (
    Computed,
    DifferingValues,
    KeySettings,
    KeyType,
    LongValues,
    MetadataSettings,
    OtherKeys,
)
from tests.support.metadata_documents import Line, json_sidecars, lists, tables, xml_sidecars
from tests.support.metadata_model import SECONDS, Pairs, Said, on_the_wall
from tests.support.metadata_values import KEYS, TEXTS, WORDS, Draw

ZONES = ["Europe/Moscow", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "UTC"]


@dataclass(kw_only=True)
class Made:
    """A recording that was made: the settings of its source, the files beside it by path, and what there is to know of it."""  # noqa: E501

    metadata: MetadataSettings
    audio: bytes
    files: dict[bytes, bytes]
    said: Said
    lacks: bool = False
    unreadable: bool = False


@st.composite
def made(draw: Draw) -> Made:
    """Any recording."""
    audio, name = draw(names())
    is_tame = draw(st.sampled_from([True, True, False]))
    rules = draw(profiles(is_tame=is_tame))
    said: list[tuple[Origin, Pairs]] = []
    files: dict[bytes, bytes] = {}
    lacks = unreadable = False
    wants_sidecar = draw(st.booleans())
    wants_manifest = draw(st.booleans())
    rules["sidecar"] = ()
    if wants_sidecar:
        kind = draw(st.sampled_from(["json", "xml", "other"]))
        rules["sidecar"] = (f"{{name}}.{'data' if kind == 'other' else kind}",)
        document, content = draw(xml_sidecars(is_tame=is_tame) if kind == "xml" else json_sidecars(is_tame=is_tame))
        files[audio + b"." + (b"data" if kind == "other" else kind.encode())] = content
        unreadable = document is None or len(content) > 64 * 1024
        said.append((Origin.SIDECAR, document or Pairs()))
    if wants_manifest:
        where = draw(st.sampled_from(_folders_above(audio)))
        draw_manifest = draw(st.sampled_from([tables, lists]))
        manifest, content, line = draw(draw_manifest(audio[len(where) :], is_tame=is_tame))
        rules["manifest"] = manifest
        files[where + manifest.name.encode()] = content
        lacks = line is Line.MISSING
        unreadable = unreadable or line is Line.UNREADABLE
        if isinstance(line, Pairs):
            names_audio = manifest.audio if manifest.audio not in rules["rename"] else None
            said.append((Origin.MANIFEST, Pairs((key, value) for key, value in line if key != names_audio)))
    return Made(
        metadata=MetadataSettings(**(rules | {"file_name": name.patterns})),
        audio=audio,
        files=files,
        said=Said(
            files=said,
            name=name.told(rules["time_zone"]),
            folders=tuple(given for pattern, given in rules["folders"].items() if _lies_in(audio, pattern)),
            computed=_computed(audio, rules["computed"]),
        ),
        lacks=lacks,
        unreadable=unreadable,
    )


def _folders_above(path: bytes) -> list[bytes]:
    parts = path.split(b"/")[:-1]
    return [b"".join(part + b"/" for part in parts[:depth]) for depth in range(len(parts) + 1)]


def _computed(audio: bytes, wanted: dict[str, Computed]) -> dict[str, str]:
    told = {
        Computed.FILE_NAME: os.fsdecode(audio.split(b"/")[-1]),
        Computed.PATH: os.fsdecode(audio),
        Computed.DURATION_SECONDS: "0",
    }
    return {key: told[what] for key, what in wanted.items()}


def _lies_in(audio: bytes, pattern: str) -> bool:
    """Whether the folder of `audio`, or one around it, is what `pattern` means: folders, `*` for any, `**` for several."""  # noqa: E501
    parts = os.fsdecode(audio).split("/")[:-1]
    return any(_fits(parts[:depth], pattern.split("/")) for depth in range(1, len(parts) + 1))


def _fits(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    fits_first = bool(parts) and (pattern[0] == "*" or parts[0].lower() == pattern[0].lower())
    return fits_first and _fits(parts[1:], pattern[1:])


@st.composite
def profiles(draw: Draw, *, is_tame: bool) -> dict[str, Any]:
    """Settings of every kind, over few keys, so that they meet."""
    keys = st.sampled_from(KEYS)
    few = st.lists(keys, max_size=0 if is_tame else 2, unique=True)
    handled = [OtherKeys.SEND] * 3 + [OtherKeys.DROP] * 2 if is_tame else [*OtherKeys]
    sources = st.sampled_from([*KEYS, "media.id", "media.name", "media.0", "media.0.id", "media.0.name.1", "ключ"])
    types = st.sampled_from([KeyType.STRING] * 12 * is_tame + [*KeyType])
    allowed = st.just(()) if is_tame else st.just(()) | st.lists(WORDS, min_size=1, max_size=4, unique=True).map(tuple)
    key_settings = st.builds(KeySettings, type=types, allowed=allowed)
    translated = st.dictionaries(st.sampled_from(["0", "1", "201", "", "true"]), TEXTS | WORDS, max_size=3)
    texts = st.dictionaries(keys, WORDS, max_size=2)
    patterns = st.sampled_from(["201", "*", "**/201", "floor/*", "**/Этаж", "FLOOR", "*/201", "**/*/201"])
    return {
        "required": tuple(draw(few)),
        "defaults": draw(texts),
        "folders": draw(st.dictionaries(patterns, texts, max_size=2)),
        "rename": draw(st.dictionaries(sources, keys | st.just("new key"), max_size=4)),
        "values": draw(st.dictionaries(keys, translated, max_size=2)),
        "computed": draw(
            st.dictionaries(
                keys, st.sampled_from([Computed.FILE_NAME, Computed.PATH, Computed.DURATION_SECONDS]), max_size=1
            )
        ),
        "keys": draw(st.just({}) | st.dictionaries(keys, key_settings, max_size=5)),
        "other_keys": draw(st.sampled_from(handled)),
        "date_formats": tuple(draw(st.lists(st.sampled_from([SECONDS, "epoch"]), max_size=2, unique=True))),
        "time_zone": draw(st.sampled_from(ZONES)),
        "max_value_bytes": draw(st.sampled_from([30] * (not is_tame) + [1, 7, 1024, 1024, 100_000])),
        "long_values": LongValues.CUT if is_tame else draw(st.sampled_from(LongValues)),
        "differing_values": DifferingValues.FIRST if is_tame else draw(st.sampled_from(DifferingValues)),
    }


@dataclass(frozen=True)
class Name:
    """What a file's name tells. `moment`: a date that a preset writes with its zone, as it stood on the clock."""

    patterns: tuple[str, ...] = ()
    told_as: tuple[tuple[str, str], ...] = ()
    wall: str = ""
    epoch: str = ""

    def told(self, zone: str) -> dict[str, str]:
        told = dict(self.told_as)
        if self.wall:
            written = datetime.strptime(self.wall, "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone follows
            told["date"] = on_the_wall(written, ZoneInfo(zone)).isoformat()
        if self.epoch:
            told["date"] = datetime.fromtimestamp(int(self.epoch), UTC).astimezone(ZoneInfo(zone)).isoformat()
        return told


ANY_NAMES = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).map(str.encode),
    st.sampled_from(
        [
            *map(str.encode, ["-rf", ".hidden", "..", " ", "a b", "a\nb", "a'b", 'a"b', "a;b,c", "запись", "\u00e9", "e\u0301"]),  # noqa: E501
            *map(str.encode, ["x" * 240, "call.wav", "call.json", "C:call", "a\\b", "👩‍🚀", "\u202egnp", "CON", "$(x)", "%s"]),  # noqa: E501
            *map(str.encode, ["call\r", "\ufeffcall", "call\x7f", "#", "~", "a:b", "[a]", "**", "{stem}", "{name}"]),
            "запись".encode("cp1251"), b"\xff\xfe", b"\x80",
        ]
    ),
).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))  # fmt: skip
FOLDERS = st.lists(st.sampled_from([b"201", b"floor", "Этаж".encode(), b"Floor", b"\xff", b"a b"]), max_size=3).map(
    lambda parts: b"".join(part + b"/" for part in parts)
)
PLAIN = st.text("abcXYZ019 .,;'\"\n—ыё", min_size=1, max_size=8) | st.just("201")
STAMPS = st.sampled_from(["20260301093000", "20260329023000", "20261025023000", "20261025030000", "99991231235959"])
DIGITS = st.text("0123456789", min_size=2, max_size=4)


@st.composite
def names(draw: Draw) -> tuple[bytes, Name]:
    """The audio's path, and what is to be found in it."""
    folder = draw(FOLDERS)
    kind = draw(st.sampled_from(["any", "any", "pattern", "pattern", "freepbx", "3cx", "mikopbx", "none"]))
    name = Name()
    if kind == "pattern":
        keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
        said = [draw(PLAIN | st.just("")) for _ in keys]
        pattern = "_".join(f"(?P<{key}>[^_/]*)" for key in keys)
        stem = "_".join(said).encode() + b"_x"
        name = Name(
            (r"(?P<none>\d+)~", pattern + "_x"),
            tuple((key, text) for key, text in zip(keys, said, strict=True) if text),
        )
    elif kind == "freepbx":
        side, first, second, stamp = draw(st.sampled_from(["out", "in", "q"])), draw(DIGITS), draw(DIGITS), draw(STAMPS)
        stem = f"{side}-{first}-{second}-{stamp[:8]}-{stamp[8:]}-1772346600.12".encode()
        client, operator = (first, second) if side == "out" else (second, first)
        name = Name(("freepbx",), _sides(operator, operator, client, client), wall=stamp)
    elif kind == "3cx":
        folder = b"201/"
        caller, client, stamp = draw(PLAIN.filter(lambda text: "]" not in text)), draw(DIGITS), draw(STAMPS)
        client += "7"
        stem = f"[{caller}]_201-{client}7_{stamp}(380)".encode()
        name = Name(("3cx",), _sides("201", caller, client + "7", client + "7"), wall=stamp)
    elif kind == "mikopbx":
        seconds = draw(st.integers(10**9, 2 * 10**9).map(str))
        stem = f"mikopbx-{seconds}.17_Ab1".encode()
        name = Name((r"nothing(?P<x>~)", "mikopbx"), epoch=seconds)
    else:
        stem = draw(ANY_NAMES)
        if kind == "none":
            name = Name((r"(?P<agent>~~~+)-",))
    return folder + stem[:240] + draw(st.sampled_from([b".wav", b".WAV"])), name


def _sides(operator_id: str, operator: str, client_id: str, client: str) -> tuple[tuple[str, str], ...]:
    return (
        ("operator_id", operator_id),
        ("operator_name", operator),
        ("client_id", client_id),
        ("client_name", client),
    )
