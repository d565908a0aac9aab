"""The patterns that paths are named by in the settings, as regular expressions over bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# one character of UTF-8 (or one stray byte) that is not the separator
_ONE: Final = b"(?:[^/\\x80-\\xff]|[\\xc0-\\xff][\\x80-\\xbf]*|[\\x80-\\xbf])"
_TOKENS: Final = re.compile(
    rb"(?P<folders>\*\*/)|(?P<all>\*\*)|(?P<any>\*)|(?P<one>\?)|(?P<set>\[!?[^]/]+\])|(?P<text>.)", re.DOTALL
)


def compiled(patterns: Sequence[str], *, below: bool) -> re.Pattern[bytes]:
    """One expression for all patterns; with `below`, also for everything in a folder that one matches.

    `*` and `?` stay within a name, `**/` is zero or more folders, `**` anything, `[abc]` a set; ASCII letters match in
    either case. Raises re.error for a set that cannot be read.
    """
    if not patterns:
        return re.compile(rb"(?!)")
    joined = b"|".join(b"".join(map(_expression, _TOKENS.finditer(pattern.encode()))) for pattern in patterns)
    return re.compile(b"(?:" + joined + b")" + (b"(?:/.*)?" if below else b""), re.IGNORECASE | re.DOTALL)


def _expression(token: re.Match[bytes]) -> bytes:
    text = token.group()
    match token.lastgroup:
        case "folders":
            return b"(?:.*/)?"
        case "all":
            return b".*"
        case "any":
            return b"[^/]*"
        case "one":
            return _ONE
        case "set":
            return _set(text[1:-1])
        case _:
            return re.escape(text)


def _set(members: bytes) -> bytes:
    negated, members = members.startswith(b"!"), members.removeprefix(b"!")
    escaped = re.sub(rb"([\\\[^&~|])", rb"\\\1", members)
    return (b"[^/" if negated else b"[") + escaped + b"]"
