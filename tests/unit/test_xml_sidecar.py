"""XML beside a recording: what is found in it, where paths lead in it, and that nothing else comes of any bytes."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.content.metadata import read_metadata, read_sidecar
from ingest.content.metadata.faults import Broken
from ingest.content.metadata.json_sidecar import MAX_BYTES, Object
from ingest.content.metadata.sidecar import parsed
from ingest.content.metadata.xml_sidecar import MAX_DEPTH, TEXT, parse
from ingest.failures import RecordingFailure
from ingest.recording import Origin, Reason
from ingest.settings import MetadataSettings, OtherKeys

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests run beside
CALL = """<?xml version="1.0" encoding="UTF-8"?>
<recording version="2">
  <!-- written by the recorder -->
  <session id="5f0c"><started>01.03.2026 09:30:00</started></session>
  <agent id="201" team="">Operator <![CDATA[<One>]]></agent>
  <customer><number> 5550001 </number><name/></customer>
  <customer><number>5550002</number></customer>
  <note/>
</recording>
"""


def refused(content: bytes | str) -> str:
    with pytest.raises(Broken) as caught:
        parse(content.encode() if isinstance(content, str) else content)
    return str(caught.value)


def fields_of(content: str, name: bytes = b"call.xml", **changes: Any) -> dict[str, str]:
    wanted = MetadataSettings(**({"required": (), "defaults": {}} | changes))
    return dict(read_metadata([read_sidecar(content.encode(), name)], wanted).fields)


def test_elements_attributes_and_texts_in_the_order_of_the_file() -> None:
    found = parse(CALL.encode())
    assert list(found) == ["@version", "session", "agent", "customer"]
    assert found == {
        "@version": "2",
        "session": Object([("@id", "5f0c"), ("started", "01.03.2026 09:30:00")]),
        "agent": Object([("@id", "201"), (TEXT, "Operator <One>")]),
        "customer": [Object([("number", "5550001")]), Object([("number", "5550002")])],
    }
    assert isinstance(found["session"], Object)
    assert not isinstance(found["customer"], Object)


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("", {}),
        ("<a/><b></b><c> \n\t</c><d e=''/><f><g/></f><h/><h/>", {}),
        ("<a>one<b/>two</a>", {"a": "onetwo"}),
        ("<a>one<b>2</b> two </a>", {"a": Object([("b", "2"), (TEXT, "one two")])}),
        ("<a>1</a><b>2</b><a>3</a>", {"a": ["1", "3"], "b": "2"}),
        ("<a/><a>2</a>", {"a": [None, "2"]}),
        ("<a>&lt;&amp;&#x416;&#10;b</a>", {"a": "<&Ж\nb"}),
        ("<a>one\r\ntwo</a><b>\u00a0</b>", {"a": "one\ntwo", "b": "\u00a0"}),
        ("<a><![CDATA[<b>&amp;</b>]]></a>", {"a": "<b>&amp;</b>"}),
        ("<a>on<!-- x -->e<?php echo 1 ?></a><?xml-stylesheet href='http://localhost/x.xsl'?>", {"a": "one"}),
        ("<a b=' c '/>", {"a": Object([("@b", "c")])}),
        ("<Номер>1</Номер><a.b-c_1>2</a.b-c_1>", {"Номер": "1", "a.b-c_1": "2"}),
    ],
)
def test_what_becomes_of(inside: str, found: dict[str, object]) -> None:
    assert parse(f"<r>{inside}</r>".encode()) == found


def test_prefixes_are_left_out_and_what_only_speaks_of_a_schema() -> None:
    content = """<x:r xmlns="urn:one" xmlns:x="urn:two" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:schemaLocation="urn:one one.xsd" x:id="7">
        <agent xsi:type="text">One</agent><x:agent>Two</x:agent><client xsi:nil="true"/>
        <line x:a="1" a="2" xml:lang="ru"/></x:r>"""
    assert parse(content.encode()) == {
        "@id": "7",
        "agent": ["One", "Two"],
        "line": Object([("@a", ["1", "2"]), ("@lang", "ru")]),
    }


def test_xinclude_is_an_element_like_others(tmp_path: Path) -> None:
    (tmp_path / "other.xml").write_text("<a>5550009</a>")
    content = f"""<r xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file://{tmp_path}/other.xml"/></r>"""
    assert parse(content.encode()) == {"include": Object([("@href", f"file://{tmp_path}/other.xml")])}


LAUGHS = "".join(f'<!ENTITY l{depth} "{f"&l{depth - 1};" * 10}">' for depth in range(1, 10))
DOCUMENT_TYPES = {
    "billion laughs": f'<!DOCTYPE r [<!ENTITY l0 "lol">{LAUGHS}]><r><a>&l9;</a></r>',
    "quadratic blow-up": f'<!DOCTYPE r [<!ENTITY x "{"y" * 10_000}">]><r>{"&x;" * 5_000}</r>',
    "external entity": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r><a>&x;</a></r>',
    "parameter entity": '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://localhost/p.dtd"> %p;]><r/>',
    "external document type": '<!DOCTYPE r PUBLIC "-//x" "http://localhost/x.dtd"><r/>',
    "HTML page": "<!DOCTYPE html><html><body><br>Not found</body></html>",
    "behind other things": "<?xml version='1.0'?><!-- > --><?x > ?>\n<!DOCTYPE\nr><r/>",
}


@pytest.mark.parametrize("content", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES)
def test_a_document_type_is_refused_whatever_is_in_it(content: str) -> None:
    assert "DOCTYPE" in refused(content)
    assert "DOCTYPE" in refused(content.encode("utf-16"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (codecs.BOM_UTF16_LE, "empty"),
        (b"\0" * 5000, "zero bytes"),
        (b"<r>\0</r>", "zero bytes"),
        (b"5550001", "not XML (line 1, column 1)"),
        (b'{"a": "b"}', "not XML (line 1, column 1)"),
        (b"<r>\n <a>5550001", "not XML (line 2, column 12)"),
        ("<r>\n Ж<a>1</b></r>".encode(), "not XML (line 2, column 9)"),
        (b"<r/><r/>", "not XML"),
        (b"<r/>x", "not XML"),
        (b"\n<?xml version='1.0'?><r/>", "not XML"),
        (b"<r a='1' a='2'/>", "not XML"),
        (b"<r xmlns:x='u' xmlns:y='u' x:a='1' y:a='2'/>", "not XML"),
        (b"<x:r/>", "not XML"),
        (b"<r>&nbsp;</r>", "not XML"),
        (b"<r>&#0;</r>", "not XML"),
        (b"<r>&#x1b;</r>", "not XML"),
        (b"<r>&#xd800;</r>", "not XML"),
        (b"<r>&#xffff;</r>", "not XML"),
        (b"<r>&#x110000;</r>", "not XML"),
        (b"<r>\x1b</r>", "not XML"),
        (b"<r>]]></r>", "not XML"),
        (b"<r><![CDATA[x</r>", "not XML"),
        (b"<r><!-- -- --></r>", "not XML"),
        (b"<r><!DOCTYPE html></r>", "not XML"),
        (b"<r>\xff</r>", "not UTF-8 (byte 3)"),
        ("<r>Ж</r>".encode("cp1251"), "not UTF-8"),
        (codecs.BOM_UTF16_LE + b"<\0r\0/\0>", "not UTF-16-LE"),
        (codecs.BOM_UTF16_BE + b"\xd8\x00\x00<", "not UTF-16-BE"),
        ("<r/>".encode("utf-32"), "zero bytes"),
        (b"\xef\xbb\xbf<\0r\0/\0>\0", "zero bytes"),
        (b"<?xml version='1.0' encoding='us-ascii'?><r>\xd0\x96</r>", "not US-ASCII"),
        (b"<?xml version='1.0' encoding='windows-1251'?><r>\x98</r>", "not WINDOWS-1251 (byte 48)"),
        (b"<r>5550001</r>", "without an element"),
        (b"<a>" * 20_000, "nested too deeply"),
        (b"<a>" * 100_000, "larger than 64 KiB"),
    ],
)
def test_what_is_not_xml_as_it_is_taken(content: bytes, words: str) -> None:
    phrase = refused(content)
    assert words in phrase
    assert "5550001" not in phrase


@pytest.mark.parametrize("encoding", ["UTF-8", "utf8", "WINDOWS-1251", "cp1251", "koi8-r", "iso-8859-5", "cp866"])
def test_encodings_that_it_declares(encoding: str) -> None:
    content = f"<?xml version='1.0' encoding='{encoding}' standalone='yes' ?><r><a>Клиент</a></r>"
    assert parse(content.encode(encoding)) == {"a": "Клиент"}


@pytest.mark.parametrize("declared", ["", "<?xml version='1.0' encoding='UTF-16'?>", '<?xml version="1.0"?>'])
def test_marks_go_before_what_is_declared(declared: str) -> None:
    content = f"{declared}<r><a>Клиент</a></r>"
    for encoding in ("utf-8-sig", "utf-16"):
        assert parse(content.encode(encoding)) == {"a": "Клиент"}
    assert parse(codecs.BOM_UTF16_BE + content.encode("utf-16-be")) == {"a": "Клиент"}
    for encoding in ("utf-16-le", "utf-16-be"):
        assert parse(content.replace("К", "Қ").encode(encoding)) == {"a": "Қлиент"}


def test_utf_16_that_is_none_is_utf_8_as_net_writes_it() -> None:
    content = "<?xml version='1.0' encoding='utf-16'?><r><a>Клиент</a></r>"
    assert parse(content.encode()) == {"a": "Клиент"}
    assert "not UTF-8" in refused(content.encode("cp1251"))


@pytest.mark.parametrize(
    "encoding", ["utf-7", "utf-32", "rot13", "idna", "zlib", "undefined", "unicode_escape", "mbcs", "nope", "os.path"]
)
def test_no_other_codec_is_looked_for(encoding: str) -> None:
    phrase = refused(f"<?xml version='1.0' encoding='{encoding}'?><r/>")
    assert "an encoding that is not taken" in phrase
    assert encoding not in phrase


def test_the_limits() -> None:
    whole = b"<r><a>b</a></r>"
    assert parse(whole + b" " * (MAX_BYTES - len(whole))) == {"a": "b"}
    assert refused(whole + b" " * (MAX_BYTES - len(whole) + 1)) == "it is larger than 64 KiB"
    nested: Any = parse(b"<a>" * MAX_DEPTH + b"x" + b"</a>" * MAX_DEPTH)
    while not isinstance(nested, str):
        ((_, nested),) = nested.items() if isinstance(nested, dict) else nested
    assert nested == "x"
    assert refused(b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1)) == "it is nested too deeply"
    many = b"<r>" + b"<a/>" * 16_000 + b"</r>"
    assert parse(many) == {}


def test_paths_lead_into_it() -> None:
    rename = {"session.started": "date", "agent.@id": "operator_id", "agent.#text": "operator_name"}
    rename |= {"customer.1.number": "client_id", "@version": "version"}
    formats = {"date_formats": ("%d.%m.%Y %H:%M:%S",), "time_zone": "Europe/Moscow"}
    assert fields_of(CALL, rename=rename, **formats) == {
        "version": "2",
        "date": "2026-03-01T09:30:00+03:00",
        "operator_id": "201",
        "operator_name": "Operator <One>",
        "client_id": "5550002",
    }


@pytest.mark.parametrize(
    ("inside", "path", "found"),
    [
        ("<a><b>1</b></a>", "a.b", "1"),
        ("<a><b>1</b></a>", "a.0.b", "1"),
        ("<a><b>1</b></a>", "a.0.b.0", "1"),
        ("<a>1</a>", "a.0", "1"),
        ("<a>1</a>", "a.#text", "1"),
        ("<a b='2'>1</a>", "a.#text", "1"),
        ("<a b='2'>1</a>", "a.0.#text", "1"),
        ("<a><b>1</b></a><a><b>2</b></a>", "a.1.b", "2"),
        ("<a/><a>2</a>", "a.1", "2"),
        ("<a/><a>2</a>", "a.0", None),
        ("<a>1</a>", "a.1", None),
        ("<a>1</a>", "a.b", None),
        ("<a><b>1</b></a><a><b>2</b></a>", "a.b", None),
        ("<a><b>1</b><b>2</b></a>", "a.b.#text", None),
        ("<a b='1'/>", "a.#text", None),
    ],
)
def test_a_place_of_a_list_is_named_and_what_stands_alone_is_at_place_0(
    inside: str, path: str, found: str | None
) -> None:
    wanted = {"operator_id": found} if found else {}
    assert fields_of(f"<r>{inside}</r>", rename={path: "operator_id"}, other_keys=OtherKeys.DROP) == wanted
    if found is not None:
        assert fields_of(f"<r>{inside}</r>", rename={path: "operator_id"}) == wanted


def test_of_a_list_without_a_place_nothing_is_sent() -> None:
    settings_ = {"rename": {"customer": "client_id"}, "other_keys": OtherKeys.DROP}
    with pytest.raises(RecordingFailure, match=r"a list or an object .*: “customer”") as caught:
        fields_of("<r><customer>5550001</customer><customer>5550002</customer></r>", **settings_)
    assert caught.value.reason is Reason.METADATA_VALUE_INVALID
    assert "5550001" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        (b"call.xml", "<r><a>1</a></r>", {"a": "1"}),
        (b"2026/\xff.XML", "<r><a>1</a></r>", {"a": "1"}),
        (b"call.json", '{"a": 1}', {"a": "1"}),
        (b"call.meta", ' {"a": 1}', {"a": "1"}),
        (b"call.meta", "\r\n <r><a>1</a></r>", {"a": "1"}),
        (b"", "<r><a>1</a></r>", {"a": "1"}),
        (b"xml", '{"a": 1}', {"a": "1"}),
    ],
)
def test_the_name_tells_how_it_is_written_or_else_the_content(
    name: bytes, content: str, found: dict[str, object]
) -> None:
    assert parsed(name, content.encode("utf-8-sig")) == found
    if "<" in content:
        assert parsed(name, content.encode("utf-16")) == found


@pytest.mark.parametrize(("name", "words"), [(b"call.XML", "not XML"), (b"call.Json", "not JSON")])
def test_the_name_goes_before_the_content(name: bytes, words: str) -> None:
    content = b'{"a": 1}' if b"XML" in name else b"<r><a>1</a></r>"
    with pytest.raises(Broken, match=words):
        parsed(name, content)


def test_from_a_descriptor_no_more_is_read_than_is_taken(tmp_path: Path) -> None:
    for content, refusal in ((CALL, False), (f"<r><a>{'x' * 10_000_000}</a></r>", True)):
        (tmp_path / "call.xml").write_text(content)
        descriptor = os.open(tmp_path / "call.xml", os.O_RDONLY)
        try:
            if refusal:
                with pytest.raises(RecordingFailure, match="larger than 64 KiB") as caught:
                    read_sidecar(descriptor, b"call.xml")
                assert caught.value.mend == "Correct the sidecar; it is judged again as soon as that changes."
            else:
                assert read_sidecar(descriptor, b"call.xml").origin is Origin.SIDECAR
        finally:
            os.close(descriptor)


# what XML can hold, without the carriage return that parsers make a line feed of
LETTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n &<>"
)
TEXTS = st.text(LETTERS, max_size=12).map(lambda text: text.strip(" \t\n")).filter(bool)
NAMES = st.sampled_from(["agent", "Клиент", "number", "x-1", "a.b"])
ATTRIBUTES = st.dictionaries(NAMES, TEXTS, max_size=2)
# an element with something in it, and what is to be found of it: attributes, elements (more of one name: a list), text
TREES = st.recursive(
    st.tuples(ATTRIBUTES, st.just({}), TEXTS),
    lambda inner: st.tuples(
        ATTRIBUTES, st.dictionaries(NAMES, st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=3), st.just("")
    ),
    max_leaves=12,
)


def written(name: str, tree: Any) -> ElementTree.Element:
    attributes, inside, text = tree
    element = ElementTree.Element(name, attributes)
    element.text = text or "\n  "
    for each, values in inside.items():
        element.extend(written(each, value) for value in values)
    return element


def found_of(tree: Any) -> Object | str:
    attributes, inside, text = tree
    if not attributes and not inside:
        return str(text)
    pairs: list[tuple[str, object]] = [(f"@{name}", value) for name, value in attributes.items()]
    for name, trees in inside.items():
        values = [found_of(each) for each in trees]
        pairs.append((name, values[0] if len(values) == 1 else values))
    return Object([*pairs, *([(TEXT, text)] if text else [])])


@UNHURRIED
@given(TREES, st.sampled_from(["utf-8", "utf-16", "windows-1251", "koi8-r"]))
def test_p7_what_another_writer_wrote_is_found_again(tree: Any, encoding: str) -> None:
    content = ElementTree.tostring(written("recording", tree), encoding=encoding, xml_declaration=True)
    expected = found_of(tree)
    if isinstance(expected, str):
        assert "without an element" in refused(content)
    else:
        assert list(parse(content).items()) == expected


SEEDS = [CALL.encode(), CALL.encode("utf-16"), *(each.encode()[:2000] for each in DOCUMENT_TYPES.values())]
PIECES = st.sampled_from(
    [b"<", b">", b"&", b"/", b"]]>", b"<!--", b"<![CDATA[", b"\0", b"\xff", b'"', b"<!DOCTYPE", b"#"]
)


@UNHURRIED
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.integers(0, 2000), st.integers(0, 9), PIECES | st.binary(max_size=4)), min_size=1, max_size=6
    ),
)
@example(b"", [(0, 0, b"<?xml version='1.0' encoding='\xff'?><a/>")])
@example(b"", [(0, 0, b"<a>" * 70)])
def test_p7_broken_xml_ends_in_texts_or_a_typed_refusal(seed: bytes, changes: list[tuple[int, int, bytes]]) -> None:
    content = seed
    for place, removed, put in changes:
        content = content[:place] + put + content[place + removed :]
    holds_nothing_else(content)


@UNHURRIED
@given(st.binary(max_size=60))
def test_p7_any_bytes_end_in_texts_or_a_typed_refusal(content: bytes) -> None:
    holds_nothing_else(content)


def holds_nothing_else(content: bytes) -> None:
    wanted = MetadataSettings(required=(), defaults={}, rename={"agent.@id": "x", "customer.0.number": "y"})
    for name in (b"call.xml", b"call"):
        try:
            told = read_metadata([read_sidecar(content, name)], wanted).fields
        except RecordingFailure as failure:
            told = {"why": str(failure)}
            assert "5550001" not in told["why"]
        assert all(isinstance(value, str) for value in told.values())
