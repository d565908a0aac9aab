"""The sidecars and manifests that mutants are made of; their values are of letters that no key and no sentence has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum

from ingest.settings import KeySettings, KeyType, ManifestSettings, MetadataSettings, OtherKeys

SECRET = frozenset("ЖЩЮЯЭЪ5")
"""What values are made of, and keys and sentences never are."""


class Kind(Enum):
    """How a file is read."""

    JSON = "sidecar.json"
    XML = "sidecar.xml"
    TABLE = "manifest.csv"
    LIST = "manifest.json"


@dataclass(frozen=True)
class Seed:
    """A file to be broken, and the settings that it is read by."""

    name: str
    kind: Kind
    content: bytes
    settings: MetadataSettings = field(default_factory=lambda: MetadataSettings(required=()))


def _value(number: int, length: int = 9) -> str:
    letters = sorted(SECRET)
    return "".join(letters[(number * 5 + place * (1 + number % 5)) % len(letters)] for place in range(length))


RICH = {
    "operator_name": _value(1),
    "operator_id": _value(2),
    "client": {"name": _value(3, 40), "phones": [_value(4), _value(5)], "age": 555555},
    "date": "2026-03-01T09:30:00Z",
    "flag": True,
    "none": None,
    "note": _value(6, 900) + '\\"\n',
}
FLAT = {f"key_{number}": _value(number) for number in range(150)}
KEYS = {
    "operator_id": KeySettings(type=KeyType.NUMBER),
    "flag": KeySettings(type=KeyType.BOOLEAN),
    "client": KeySettings(type=KeyType.JSON),
    "note": KeySettings(allowed=("a", "b")),
}
STRICT = MetadataSettings(
    required=("operator_name", "client_name"),
    rename={"client.name": "client_name", "client.phones.0": "client_id"},
    values={"flag": {"true": "1"}},
    keys=KEYS,
    other_keys=OtherKeys.FAIL,
    date_formats=("%d.%m.%Y", "epoch"),
    time_zone="Europe/Moscow",
    max_value_bytes=64,
)
DEEP = '[{"file": "call-0.wav", "x": ' + '{"a": ' * 600 + "1" + "}" * 600 + "}]"
XML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!-- x --><call xmlns:p="urn:x" id="{}">'
    "<operator_id>{}</operator_id><client><name>{}</name><p:phone>{}</p:phone><phone/></client>"
    "<note><![CDATA[{}]]></note><date>2026-03-01T09:30:00Z</date></call>\n"
).format(*map(_value, range(5)))


def _table(separator: str, lines: int, inside: str = " ") -> str:
    """`inside`: what stands within the quotes of each line; a line break there ends the line."""
    head = separator.join(["operator_id", "file", "client", "note"])
    rows = [
        separator.join(
            [
                _value(number),
                f"call-{number}.wav",
                _value(number + 1),
                f'"{_value(2)} ""{_value(3)}""{inside}{_value(4)}"',
            ]
        )
        for number in range(lines)
    ]
    return "\r\n".join([head, *rows]) + "\r\n"


def _list(entries: int) -> str:
    listed = [
        {"file": f"call-{number}.wav", "operator_id": _value(number), "client": RICH["client"]}
        for number in range(entries)
    ]
    return json.dumps({"place": _value(7), "rows": listed}, ensure_ascii=False)


def _reads(manifest: ManifestSettings) -> MetadataSettings:
    return MetadataSettings(sidecar=(), required=(), manifest=manifest)


def all_seeds() -> list[Seed]:
    """One of every shape, made anew."""
    rich, flat = json.dumps(RICH, ensure_ascii=False, indent=1), json.dumps(FLAT)
    comma = ManifestSettings(name="calls.csv", audio="file")
    semicolon = ManifestSettings(name="calls.csv", audio="file", separator=";", encoding="cp1251")
    wide = ManifestSettings(name="calls.csv", audio="file", encoding="utf-16")
    rows = ManifestSettings(name="calls.json", audio="file", rows="rows")
    return [
        Seed("json", Kind.JSON, rich.encode()),
        Seed("json-strict", Kind.JSON, rich.encode(), STRICT),
        Seed("json-marked", Kind.JSON, b"\xef\xbb\xbf" + rich.encode(), STRICT),
        Seed("json-flat", Kind.JSON, flat.encode()),
        Seed("json-deep", Kind.JSON, b'{"a":' * 300 + b"1" + b"}" * 300),
        Seed("xml", Kind.XML, XML.encode()),
        Seed("xml-strict", Kind.XML, XML.encode(), STRICT),
        Seed("xml-cp1251", Kind.XML, XML.replace("utf-8", "windows-1251", 1).encode("cp1251")),
        Seed("xml-utf16", Kind.XML, XML.replace("utf-8", "utf-16", 1).encode("utf-16")),
        Seed("csv", Kind.TABLE, _table(",", 8).encode(), _reads(comma)),
        Seed("csv-broken", Kind.TABLE, _table(",", 8, "\n").encode(), _reads(comma)),
        Seed("csv-cp1251", Kind.TABLE, _table(";", 30).encode("cp1251"), _reads(semicolon)),
        Seed("csv-utf16", Kind.TABLE, _table(",", 5).encode("utf-16"), _reads(wide)),
        Seed("csv-headless", Kind.TABLE, _table(",", 8).partition("\r\n")[2].encode(), _reads(comma)),
        Seed("list-deep", Kind.LIST, DEEP.encode(), _reads(ManifestSettings(name="calls.json", audio="file"))),
        Seed("list", Kind.LIST, _list(6).encode(), _reads(rows)),
        Seed(
            "list-other",
            Kind.LIST,
            json.dumps([RICH | {"file": "call-0.wav"}]).encode(),
            _reads(ManifestSettings(name="calls.json", audio="file")),
        ),
    ]
