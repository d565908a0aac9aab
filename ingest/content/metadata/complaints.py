"""Takes apart the sentence about metadata that cannot be sent: what is wrong with which keys, so that it is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_KEYS: Final = re.compile(r"(?:: |; )(?P<what>[^“”:;]*\bkeys\b[^“”:;]*): (?P<keys>“[^”]*”(?:, “[^”]*”)*)")
_ONE_KEY: Final = re.compile(r"(?:: |; )the key “(?P<key>[^”]*)” (?P<what>is [^“”:;,()]*[^“”:;,() ])")
_NAMED: Final = re.compile(r"“([^”]*)”")


class Complaint(NamedTuple):
    """What is wrong, and the key that it is wrong with."""

    what: str
    key: str


def complaints(detail: str) -> Iterator[Complaint]:
    """Those that `detail` of a failed recording names, as `faults` has written it: keys, never values.

    What has no key (a file that is not JSON) is not among them, nor are the keys that it only counts (“and 3 more”).
    """
    for found in _KEYS.finditer(detail):
        for key in _NAMED.findall(found["keys"]):
            yield Complaint(found["what"], key)
    for found in _ONE_KEY.finditer(detail):
        yield Complaint(f"keys whose value {found['what']}", found["key"])
