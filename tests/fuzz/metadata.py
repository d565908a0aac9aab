"""`python -m tests.fuzz.metadata`: breaks sidecars and manifests, looks into each. Ends with 1 where a rule broke."""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.content.metadata import Entry, Given, given_by, read_metadata, read_sidecar, ways_to_name
from ingest.content.metadata.csv_manifest import CsvManifest
from ingest.content.metadata.json_manifest import JsonManifest
from ingest.content.metadata.manifest import Manifest
from ingest.failures import RecordingFailure
from tests.fuzz.metadata_seeds import SECRET, Kind, Seed, all_seeds

MOST_SECONDS = 0.2  # for 64 KiB in the shortest lines, which are read whole and in two parts
MOST_BYTES = 32 << 20
_EVERY = 25  # of so many mutants one is watched for memory, which takes five times as long
_TOLD = 6
_FORMING = (
    b'"', b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b";", b"\n", b"\r", b"\t", b"<", b">", b"</", b"/>", b"&",
    b"&#0;", b"\0",
    b"\\", b"\\u", b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x80",
    b"NaN", b"null", b"1e999", b"-", b"true",
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&lt;", b"<![CDATA[",
    b"]]>", b"<!--", b"<?xml ", b"xmlns=", b"\x1b", b" ", b'""',
    "\u2028".encode(), "\u0085".encode(), b"../",
    b"file", b"date", b"operator_id", b"call-0.wav",
)  # fmt: skip
Change = Callable[[random.Random, bytearray, Sequence[Seed]], None]


def mutant(seeds: Sequence[Seed], run: int, number: int) -> tuple[Seed, bytes]:
    """Mutant `number` of the run with the seed `run`: always the same for the same seeds."""
    chance = random.Random(f"{run} {number}")
    seed = chance.choice(seeds)
    content = bytearray(seed.content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        chance.choice(_CHANGES)(chance, content, seeds)
    return seed, bytes(content[: 64 * 1024 + 2])


def _flip(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _insert(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = chance.choice(_FORMING) * chance.choice((1, 1, 1, 1, 2, 3, 700))


def _delete(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at = chance.randrange(len(content) + 1)
    del content[at : at + chance.choice((1, 1, 1, 2, 4, 30, 400))]


def _cut(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _double(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    at, length = chance.randrange(len(content) + 1), chance.choice((1, 4, 12, 60, 400, 3_000))
    block = bytes(content[at : at + length])
    content[at:at] = block * chance.choice((1, 1, 2, 9, max(1, 60_000 // max(1, len(block)))))


def _splice(chance: random.Random, content: bytearray, seeds: Sequence[Seed]) -> None:
    other = chance.choice(seeds).content
    content[chance.randrange(len(content) + 1) :] = other[chance.randrange(len(other) + 1) :]


def _nest(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    before, after = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b'"', b'"')))
    at, depth = chance.randrange(len(content) + 1), chance.choice((1, 30, 63, 64, 65, 500, 990, 10_000))
    end = at + chance.randrange(40)
    content[at:end] = before * depth + bytes(content[at:end]) + after * depth


def _swap_lines(chance: random.Random, content: bytearray, _: Sequence[Seed]) -> None:
    lines = bytes(content).splitlines(keepends=True)
    chance.shuffle(lines)
    content[:] = b"".join(lines)


_CHANGES: tuple[Change, ...] = (
    _flip, _insert, _insert, _insert, _insert, _delete, _delete, _cut, _double, _splice, _nest, _swap_lines,
)  # fmt: skip


def outcome(seed: Seed, content: bytes) -> tuple[str, list[str]]:
    """What came of the file in a word, and every sentence about it. Raises what nothing should raise."""
    told: list[str] = []
    words: set[str] = set()
    for given in _all_given(seed, content, told, words):
        try:
            fields = read_metadata([given], seed.settings, b"call-0.wav").fields
        except RecordingFailure as failure:
            words.add(f"failed {failure.reason}")
            told.append(str(failure))
        else:
            words.add("pending")
            for key, value in fields.items():
                (key + value).encode()
    return " and ".join(sorted(words)) or "nothing", told


def _all_given(seed: Seed, content: bytes, told: list[str], words: set[str]) -> list[Given]:
    found: list[Given] = []
    if seed.kind in {Kind.JSON, Kind.XML}:
        try:
            found.append(read_sidecar(content, seed.kind.value.encode()))
        except RecordingFailure as failure:
            words.add(f"failed {failure.reason}")
            told.append(str(failure))
        return found
    manifest, grown = _manifest(seed), _manifest(seed)
    manifest.take(content)
    grown.take(content[: len(content) // 2])
    has_grown = grown.take(content)
    listed = manifest.all_names()
    for name in [*(b"call-%d.wav" % number for number in range(4)), *list(manifest.names())[:8]]:
        ways = ways_to_name(name, _is_sent)
        entry = manifest.find(ways)
        if has_grown and _said(grown.find(ways)) != _said(entry):
            raise AssertionError("read in two parts it says something else")
        if entry is not None and listed is not None and not ways.among(listed):
            raise AssertionError("it says something of what it does not name")
        if entry is None:
            words.add("no line")
        elif entry.failure is not None:
            words.add(f"failed {entry.failure.reason}")
            told.append(str(entry.failure))
        else:
            words.add("a line without an end" if entry.is_open else "a line")
            found.append(given_by(entry, seed.settings))
    return found


def _manifest(seed: Seed) -> Manifest:
    settings = seed.settings.manifest
    assert settings is not None
    return JsonManifest(settings) if seed.kind is Kind.LIST else CsvManifest(settings)


def _said(entry: Entry | None) -> object:
    return entry and (replace(entry, failure=None), str(entry.failure))


def _is_sent(name: bytes) -> bool:
    return name.endswith((b".wav", b".mp3"))


def leak(seed: Seed, content: bytes, told: Sequence[str]) -> str | None:
    """Letters of a value in a sentence, unless the broken file has made them those of a key."""
    letters = re.compile(f"[{''.join(sorted(SECRET))}]{{{_TOLD},}}")
    runs = [run for sentence in told for run in letters.findall(sentence)]
    keys = _keys(seed, content) if runs else ""
    return next((f"a sentence holds {len(run)} letters of a value" for run in runs if run not in keys), None)


def _keys(seed: Seed, content: bytes) -> str:
    """All that can be a key in a file, roughly read."""
    encoding = seed.settings.manifest.encoding if seed.settings.manifest else "utf-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif content.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8"
    text = content.decode(encoding, "replace") + content.decode("cp1251", "replace")
    if seed.kind is Kind.TABLE:
        return text[: text.find("\n", text.find("file"))] if "file" in text else ""
    if seed.kind is Kind.XML:
        return "\n".join(re.findall(r"<[^\s<>/=]+|[^\s<>=]+\s*=", text))
    written = re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', text, re.DOTALL)
    return "\n".join(written)


def breach(seed: Seed, content: bytes, *, watched: bool) -> tuple[str, str | None, float]:
    """Outcome, the rule that was broken, and the seconds of CPU that it took."""
    if watched:
        tracemalloc.start()
    taken = MOST_SECONDS
    word, told, broken = "breach", list[str](), None
    try:
        for _ in range(1 if watched else 3):  # slowness is measured three times before it counts
            began = time.thread_time()
            word, told = outcome(seed, content)
            taken = time.thread_time() - began
            if taken < MOST_SECONDS:
                break
        if watched and tracemalloc.get_traced_memory()[1] > MOST_BYTES:
            broken = f"it took {tracemalloc.get_traced_memory()[1] >> 20} MiB"
    except Exception as error:  # noqa: BLE001 - that nothing else comes out is what is tried here
        broken = f"{type(error).__name__}: {error}"
    finally:
        tracemalloc.stop()
    if broken is None and not watched and taken >= MOST_SECONDS:
        broken = f"it took {taken * 1000:.0f} ms"
    if broken is None and any(not sentence.replace("\u2028", "").isprintable() for sentence in told):
        broken = "a sentence cannot be printed"
    return word, broken or leak(seed, content, told), 0.0 if watched else taken


def run(mutants: int, seed: int, keep: Path) -> tuple[Counter[str], list[str], tuple[float, int], float]:
    """Outcomes, broken rules, the slowest mutant and all seconds; mutants that break a rule are kept in `keep`."""
    seeds = all_seeds()
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    slowest, seconds = (0.0, -1), 0.0
    for number in range(mutants):
        made, content = mutant(seeds, seed, number)
        word, why, taken = breach(made, content, watched=number % _EVERY == 0)
        outcomes[f"{made.kind.value}: {word}"] += 1
        slowest, seconds = max(slowest, (taken, number)), seconds + taken
        if why is not None:
            keep.mkdir(parents=True, exist_ok=True)
            path = keep / f"metadata-{seed}-{number}-{made.name}.bin"
            path.write_bytes(content)
            broken.append(f"{path}: {why}")
    return outcomes, broken, slowest, seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.metadata", description=__doc__)
    parser.add_argument("--mutants", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the run: the same number makes the same mutants")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where mutants that break a rule are put")
    options = parser.parse_args()
    outcomes, broken, slowest, seconds = run(options.mutants, options.seed, options.keep)
    for outcome_, count in outcomes.most_common(40):
        print(f"{count:>8}  {outcome_}")
    print(
        f"mean {seconds / max(1, options.mutants) * 1e6:.0f} µs; slowest {slowest[0] * 1000:.1f} ms (mutant {slowest[1]})"  # noqa: E501
    )
    for each in broken[:50]:
        print(f"BROKEN: {each}")
    print(f"{options.mutants} mutants, {len(broken)} broken rules")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
