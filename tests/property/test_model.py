"""A model of a call centre's worst year: files come, change and move, the network and the clock jump, the power goes.

The suite plays the same few years each time; `MODEL_EXAMPLES=200 pytest tests/property/test_model.py` plays others.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings, strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, precondition, rule

from ingest.failures import Moment
from ingest.speechsense.emulator import Fault
from tests.support.audio import wav, wav_header
from tests.support.emulator import EmulatorProcess
from tests.support.service import COMMAND, GIVEN, Site, surroundings

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "10"))
NOWHERE = "127.0.0.1:1"
DAY = 86_400
VISIBLE = frozenset({"done", "duplicate", "unconfirmed", "failed", "skipped"})
TROUBLES = ("none", "broken", "refused", "lost", "lost-and-made", "unavailable", "hangs")
UPLOAD = {"concurrency": 2, "retry_max_seconds": 0.5, "answer_seconds": 1}
TOKENS = 60
"""More than one example makes recordings: each one's trouble is its own."""
FAULTS = tuple(
    fault
    for number in range(TOKENS)
    for fault in (
        Fault(moment=Moment.MID_STREAM, code="UNAVAILABLE", times=1, match=f"-broken-{number}-"),
        Fault(moment=Moment.BEFORE_FIRST_BYTE, code="INVALID_ARGUMENT", match=f"-refused-{number}-"),
        Fault(moment=Moment.LAST_BYTE_LET_GO, code="UNAVAILABLE", times=1, match=f"-lost-{number}-"),
        Fault(
            moment=Moment.LAST_BYTE_LET_GO,
            code="INTERNAL",
            times=1,
            match=f"-lost-and-made-{number}-",
            makes_badge=True,
        ),
        Fault(moment=Moment.LAST_BYTE_LET_GO, times=1, match=f"-hangs-{number}-", makes_badge=True),
        Fault(moment=Moment.BEFORE_FIRST_BYTE, code="UNAVAILABLE", times=1, match=f"-unavailable-{number}-"),
    )
)


@dataclass
class Life:
    """What one example needs and what it has done: every finished content by the client that it belongs to."""

    site: Site
    emulator: EmulatorProcess
    contents: set[tuple[str, str]]
    resent: set[tuple[str, str]]


class CallCentre(RuleBasedStateMachine):
    """Rules are what happens; `teardown` lets everything settle and counts."""

    pairs = Bundle("pairs")
    halves = Bundle("halves")
    numbers = itertools.count()

    @initialize()
    def open_the_doors(self) -> None:
        self.stack = ExitStack()
        place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        emulator = self.stack.enter_context(EmulatorProcess(place / "store", faults=FAULTS, operation_seconds=0))
        site = Site(place / "site", emulator.address, upload=UPLOAD)
        site.migrate()
        self.life = Life(site, emulator, set(), set())
        self.clock = 0

    @rule(target=pairs, trouble=strategies.sampled_from(TROUBLES))
    def a_pair_comes(self, trouble: str) -> str:
        name, number = self._next()
        self._write(name, client=f"client-{trouble}-{number % TOKENS}-{number}", seed=number)
        return name

    @rule(target=halves, half=strategies.sampled_from(["audio", "sidecar", "unfinished"]))
    def a_half_comes(self, half: str) -> tuple[str, str, int]:
        name, number = self._next()
        client = f"client-half-{number}"
        if half == "audio":
            self.life.site.drop(name, wav(0.05, seed=number), None)
        elif half == "sidecar":
            self.life.site.drop(name, None, {**GIVEN, "client_id": client})
        else:
            self.life.site.drop(name, wav_header(1600) + bytes(100), {**GIVEN, "client_id": client})
        return name, client, number

    @rule(target=pairs, half=consumes(halves))
    def the_other_half_comes(self, half: tuple[str, str, int]) -> str:
        name, client, number = half
        self._write(name, client=client, seed=number)
        return name

    @rule(name=pairs)
    def other_audio_takes_the_name(self, name: str) -> None:
        if self._lies(name):
            _, number = self._next()
            self._write(name, client=self._client(name), seed=number)

    @rule(name=pairs, back=strategies.booleans())
    def the_times_change(self, name: str, back: bool) -> None:
        if self._lies(name):
            moment = time.time() + (-400 if back else 3) * DAY
            os.utime(self.life.site.folder / name, (moment, moment))

    @rule(target=pairs, name=pairs, copied=strategies.booleans())
    def it_is_moved(self, name: str, copied: bool) -> str:
        if not self._lies(name):
            return name
        new, _ = self._next()
        carry = shutil.copyfile if copied else os.rename
        folder = self.life.site.folder
        carry(folder / name, folder / new)
        carry((folder / name).with_suffix(".json"), (folder / new).with_suffix(".json"))
        return new

    @rule(name=pairs)
    def it_is_deleted(self, name: str) -> None:
        for path in (self.life.site.folder / name, (self.life.site.folder / name).with_suffix(".json")):
            path.unlink(missing_ok=True)

    @rule()
    def it_runs(self) -> None:
        self._run()

    @rule(milliseconds=strategies.integers(1, 400), marked=strategies.booleans())
    def it_is_killed(self, milliseconds: int, marked: bool) -> None:
        """At any moment, or where the next last byte has been let go."""
        before = self.life.site.marks()
        command = [*COMMAND, "run", "--once", "--config", str(self.life.site.config)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings(self._clock_of())
        ) as process:
            deadline = time.monotonic() + 0.25 + (3 if marked else milliseconds / 1000)  # it takes 0.25 s to load
            while process.poll() is None and time.monotonic() < deadline:
                if marked and self.life.site.marks() > before:
                    break
                time.sleep(0.002)
            process.kill()

    @rule(away=strategies.booleans())
    def the_network_changes(self, away: bool) -> None:
        address = NOWHERE if away else self.life.emulator.address
        self.life.site.configure(upload=UPLOAD, speechsense={"endpoint": address})

    @rule(days=strategies.sampled_from([-400, -1, 0, 1, 400]))
    def the_clock_jumps(self, days: int) -> None:
        self.clock = days * DAY

    @precondition(lambda self: any(status == "unconfirmed" for status in self.life.site.statuses().values()))
    @rule(found=strategies.booleans())
    def a_person_looks_into_the_console(self, found: bool) -> None:
        """Finds what is there; and where nothing is, sends again."""
        badges = {(badge.sha256, badge.fields["client_id"]): badge.badge_id for badge in self._badges()}
        for row in self._rows():
            if row["status"] != "unconfirmed":
                continue
            shown = self.life.site.show(row["id"])
            badge = badges.get((shown["sha256"], self._client_of(row)))
            decision = ("--badge-id", badge) if badge else ("--not-sent",)
            self.life.site.ingest("resolve", str(row["id"]), *decision, code=None)

    def teardown(self) -> None:
        if not hasattr(self, "life"):
            return
        with self.stack:
            self.clock = 0
            self.the_network_changes(away=False)
            self._run()
            for _ in range(25):  # a run ends early where answers are lost, and there are faults left
                if set(self.life.site.statuses().values()) <= VISIBLE | {"incomplete"}:
                    break
                self._run()
            self._run()
            self._account()

    def _account(self) -> None:
        rows = self._rows()
        newest = {row["path"]: row for row in rows}
        for path in self.life.site.folder.rglob("*.wav"):
            name = str(path.relative_to(self.life.site.folder))
            assert name in newest, "P1: nobody knows of it"
            row = newest[name]
            is_pair = path.with_suffix(".json").exists()
            assert row["status"] in (VISIBLE if is_pair and self._is_whole(path) else VISIBLE | {"incomplete"}), row
            # a clock that was set forward ends the wait of what is unfinished
            refusal = "rejected" if self._is_whole(path) else "audio_truncated"
            assert row["status"] != "failed" or row["reason"] == refusal, row
        made = Counter((badge.sha256, badge.fields["client_id"]) for badge in self._badges())
        assert not set(made) - self.life.contents, "P3: what was received is no finished recording"
        marked = Counter(row["sha256"] for row in rows if row["possible_duplicate"])
        twice = {content: count for content, count in made.items() if count > 1 + marked[content[0]]}
        assert not twice, f"P2: sent twice {twice}"
        by_id = {badge.badge_id: badge for badge in self._badges()}
        for row in rows:
            if row["status"] == "done":
                assert by_id.pop(row["badge_id"]).sha256 == row["sha256"], row

    def _next(self) -> tuple[str, int]:
        number = next(self.numbers)
        return f"call-{number:06d}.wav", number

    def _write(self, name: str, client: str, seed: int) -> None:
        audio = wav(0.05, seed=seed)
        self.life.site.drop(name, audio, {**GIVEN, "client_id": client})
        self.life.contents.add((hashlib.sha256(audio).hexdigest(), client))

    def _lies(self, name: str) -> bool:
        return (self.life.site.folder / name).exists()

    def _client(self, name: str) -> str:
        """The client of what lies there; only `a_pair_comes` and its like write it."""
        text = (self.life.site.folder / name).with_suffix(".json").read_text()
        return text.partition('"client_id": "')[2].partition('"')[0]

    def _client_of(self, row: dict[str, Any]) -> str:
        shown = self.life.site.ingest("show", str(row["id"])).stdout
        return shown.partition("client_id: ")[2].partition("\n")[0]

    def _is_whole(self, path: Path) -> bool:
        return path.stat().st_size > 200

    def _rows(self) -> list[dict[str, Any]]:
        return self.life.site.ingest("list", "--json").objects

    def _badges(self) -> list[Any]:
        return self.life.site.badges(self.life.emulator.store)

    def _clock_of(self) -> dict[str, str]:
        return {"TEST_CLOCK_OFFSET_SECONDS": str(self.clock)}

    def _run(self) -> None:
        self.life.site.ingest("run", "--once", code=None, environment=self._clock_of())


CallCentre.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=20,
    deadline=None,
    derandomize="MODEL_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes seconds: nobody waits for a smaller one
    suppress_health_check=list(HealthCheck),
)
TestP1ToP4InTheWorstYear = CallCentre.TestCase
