"""The keys and values that metadata is made of in tests, tame and odd ones; few keys, so that rules and files meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.support.metadata_model import Literal, Pairs

Draw = Callable[[st.SearchStrategy[Any]], Any]

KEYS = ["agent", "client", "date", "note", "flag", "count", "amount", "more", "kind", "operator_id"]
WALLS = [
    "01.03.2026 09:30:00", "29.03.2026 02:30:00", "25.10.2026 02:30:00", "25.10.2026 03:00:00", "01.01.0001 00:00:00",
    "31.12.9999 23:59:59", "01.01.1900 00:00:00", "30.12.2011 12:00:00", "31.02.2026 09:30:00", "29.02.2028 24:00:00",
]  # fmt: skip
DATES = [
    *WALLS, "2026-03-01T09:30:00Z", "2026-03-01T12:30:00+03:00", "2026-03-01T12:30+03", "2026-13-01T09:30:00Z",
    "2026-03-01T09:30:00", "1772346600", "1772346600000", "0000000000", "9999-12-31T23:59:59+14:00", "1772346600.5",
    "0000-03-01T09:30:00Z", "1 Mar 2026", "",
]  # fmt: skip
ODD = [
    "", " ", "true", "false", "0", "-0", "007", "9223372036854775807", "9223372036854775808", "1.50", "1e5", "null",
    "Клиент «А»", "\u00e9", "e\u0301", "客户", "🎧" * 20, "a\nb", "a\tb", "a\x00b", "a\x1fb", "\x7f", '"', "'", "\\", ";", ",", "<&>",  # noqa: E501
    "=1+1", "x" * 1024, "x" * 1025, "ы" * 512, "ы" * 513, "{}", '{"a":1}', "[1,2]", "NaN", "１２", "\u2028", "A" * 70_000,  # noqa: E501
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(ODD), st.sampled_from(DATES), st.text(max_size=12))
LONE = st.sampled_from(["\ud800", "a\udfffb", "\udc80"])
NUMBERS = st.sampled_from(["0", "-1", "1e400", "1.0", "12345678901234567890123", "3.14", "-0.0"]).map(Literal)
JSON_SCALARS = TEXTS | LONE | NUMBERS | st.booleans() | st.none()
TAME_KEYS = st.sampled_from([*KEYS, "media", "ключ"])
JSON_KEYS = st.sampled_from([*KEYS, "", "a\x07", "media", "media.id", "0", "ключ"])
WORDS = st.sampled_from(["201", "0", "1", "true", "client-0001", "Клиент", "2026-03-01T09:30:00Z", "5550001"])


TAME = WORDS | st.sampled_from(
    ["Клиент «А»", "🎧" * 20, "a\nb", '"', "\\", ";", ",", "<&>", "1.50", "x" * 1024, "[1,2]", "\u00e9"]
)
INNER_KEYS = st.sampled_from(["id", "name", "0", "date"])


@st.composite
def pairs(draw: Draw, keys: st.SearchStrategy[str], values: st.SearchStrategy[Any], most: int) -> Pairs:
    """An object with a value for each key, that of `date` mostly one."""
    chosen = draw(st.lists(keys, max_size=most, unique=True))
    return Pairs((key, draw(st.sampled_from(DATES) if key == "date" else values)) for key in chosen)


INNER = pairs(INNER_KEYS, JSON_SCALARS | st.lists(JSON_SCALARS, max_size=2), 3)
JSON_VALUES = JSON_SCALARS | INNER | st.lists(JSON_SCALARS | INNER, max_size=3)
TAME_VALUES = TAME | TAME | TAME | NUMBERS | st.booleans() | st.none() | pairs(INNER_KEYS, TAME | st.lists(TAME), 3)
