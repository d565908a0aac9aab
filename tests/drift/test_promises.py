"""The README promises what tests show: each fault of its table has its test, and each test is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.drift.test_readme import rows

TESTS = Path(__file__).parents[1]
FAULTS = [row for row in rows("What it promises") if not row[0].startswith("**")]
PROMISE = re.compile(r"`((?:test_p[1-5]|TestP[1-5])\w*)`")


def defined() -> set[str]:
    """Every test function and class there is, by name."""
    found: set[str] = set()
    for module in TESTS.rglob("test_*.py"):
        found.update(re.findall(r"^\s*(?:def|class) (test_\w+|Test\w+)", module.read_text(), re.MULTILINE))
        found.update(re.findall(r"^(Test\w+) = ", module.read_text(), re.MULTILINE))
    return found


def test_each_fault_has_what_the_service_does_and_a_test_that_exists() -> None:
    there = defined()
    assert len(FAULTS) > 40
    for fault, does, tests in FAULTS:
        assert fault, tests
        assert does, fault
        named = PROMISE.findall(tests)
        assert named, fault
        assert PROMISE.sub("", tests).strip(", ") == "", fault
        assert not set(named) - there, fault
