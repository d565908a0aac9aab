"""A TCP proxy on loopback whose line can be made bad while it runs: frozen, cut, reset, slow, deaf, forgetful."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
TICK_SECONDS = 0.005
RECEIVE_BYTES = 65_536
MOST_HELD_BYTES = 262_144
FILLERS = 4
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class Direction(Enum):
    """Which way the bytes go."""

    TO_SERVER = auto()
    TO_CLIENT = auto()


class Newcomers(Enum):
    """What becomes of a new connection."""

    PASS = auto()
    RESET = auto()
    REFUSE = auto()
    IGNORE = auto()


@dataclass(frozen=True, slots=True)
class _Faults:
    frozen: frozenset[Direction] = frozenset()
    bytes_per_second: float | None = None
    close_idle_seconds: float | None = None
    forget_idle_seconds: float | None = None
    newcomers: Newcomers = Newcomers.PASS


@dataclass(eq=False, slots=True)
class _Half:
    """One direction of a connection."""

    direction: Direction
    source: socket.socket
    target: socket.socket
    held: bytearray = field(default_factory=bytearray)
    passed: int = 0
    ended: bool = False
    end_told: bool = False


@dataclass(eq=False, slots=True)
class _Link:
    """One connection from client to server."""

    halves: tuple[_Half, _Half]
    moved_at: float
    forgotten: bool = False
    open: bool = True

    def close(self, *, reset: bool) -> None:
        self.open = False
        for half in self.halves:
            if reset:
                with suppress(OSError):
                    half.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            half.source.close()


class FaultProxy:
    """A context manager; `address` is where clients go, `target` (`host:port`) where their bytes do.

    Each fault holds from its call on, for what is open and for what comes, until another is set or `heal` is called.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._lock = threading.RLock()
        self._faults = _Faults()
        self._links: list[_Link] = []
        self._gone = dict.fromkeys(Direction, 0)
        self._free_at = dict.fromkeys(Direction, 0.0)
        self._cut_after: int | None = None
        self._cuts_left = 0
        self._listener: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._port = 0
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.accepted = 0

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def open_links(self) -> int:
        """How many connections are open now, the forgotten ones with them."""
        with self._lock:
            return len(self._links)

    def passed(self, direction: Direction = Direction.TO_SERVER) -> int:
        """How many bytes went on in this direction so far, over all connections."""
        with self._lock:
            return self._gone[direction] + sum(
                half.passed for link in self._links for half in link.halves if half.direction is direction
            )

    def heal(self) -> None:
        """From now on all passes again; what was held goes on, what was closed or forgotten stays so."""
        with self._lock:
            self._cuts_left = 0
            self._set(_Faults())

    def freeze(self, *directions: Direction, newcomers: Newcomers = Newcomers.PASS) -> None:
        """Nothing passes in these directions (none named: in both), all stays open."""
        with self._lock:
            self._set(_Faults(frozen=frozenset(directions or Direction), newcomers=newcomers))

    def vanish(self) -> None:
        """As if the cable were pulled: what is open is frozen, new connections get no sign at all."""
        self.freeze(newcomers=Newcomers.IGNORE)

    def slow(self, bytes_per_second: float) -> None:
        """So many bytes per second and direction pass, over all connections together."""
        with self._lock:
            self._set(_Faults(bytes_per_second=bytes_per_second))

    def close_idle(self, seconds: float) -> None:
        """Connections over which nothing went for so long are closed."""
        with self._lock:
            self._set(_Faults(close_idle_seconds=seconds))

    def forget_idle(self, seconds: float) -> None:
        """Connections over which nothing went for so long lead nowhere from then on, and nobody is told."""
        with self._lock:
            self._set(_Faults(forget_idle_seconds=seconds))

    def cut_after(self, count: int, times: int = 1) -> None:
        """Resets a connection when exactly `count` of its bytes went on to the server; so many `times`."""
        with self._lock:
            self._cut_after, self._cuts_left = count, times

    def reset(self, newcomers: Newcomers = Newcomers.PASS) -> None:
        """Resets every open connection (RST to both ends) and says what becomes of new ones."""
        with self._lock:
            for link in self._links:
                self._drop(link, reset=True)
            self._set(_Faults(newcomers=newcomers))

    def __enter__(self) -> Self:
        self._listen()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        for link in self._links:
            link.close(reset=True)
        self._links.clear()
        self._stop_listening()

    def _set(self, faults: _Faults) -> None:
        before, self._faults = self._faults, faults
        if before.newcomers is faults.newcomers:
            return
        self._stop_listening()
        if faults.newcomers is not Newcomers.REFUSE:
            self._listen(backlog=0 if faults.newcomers is Newcomers.IGNORE else 64)
        if faults.newcomers is Newcomers.IGNORE:
            self._fill()

    def _listen(self, backlog: int = 64) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)  # a frozen line takes little
        listener.bind((LOOPBACK, self._port))
        listener.listen(backlog)
        listener.setblocking(False)
        self._listener, self._port = listener, listener.getsockname()[1]

    def _stop_listening(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # at once, even while the thread waits on it
            self._listener.close()
            self._listener = None

    def _fill(self) -> None:
        """Connections of our own that nobody accepts: Linux then drops every further SYN without a word."""
        for _ in range(FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK, self._port))
            self._fillers.append(filler)

    def _run(self) -> None:
        while not self._end.is_set():
            with self._lock:
                readers = [half.source for half in self._active() if self._may_read(half)]
                writers = [half.target for half in self._active() if self._may_write(half)]
                if self._listener is not None and self._faults.newcomers is not Newcomers.IGNORE:
                    readers.append(self._listener)
            try:
                readable, writable, _ = select.select(readers, writers, [], TICK_SECONDS)
            except (OSError, ValueError):  # closed meanwhile by another thread
                continue
            with self._lock:
                self._turn(set(readable), set(writable))
            if self._faults.bytes_per_second is not None:
                time.sleep(TICK_SECONDS)  # a socket that may be written to would let it turn without rest

    def _turn(self, readable: set[socket.socket], writable: set[socket.socket]) -> None:
        if self._listener in readable:
            self._welcome()
        now = time.monotonic()
        for link in list(self._links):
            for half in link.halves:
                try:
                    if link.open and half.source in readable and self._may_read(half):
                        self._read(link, half, now)
                    if link.open and half.target in writable and self._may_write(half):
                        self._write(link, half, now)
                    if link.open and half.ended and not half.held and not half.end_told:
                        half.end_told = True
                        half.target.shutdown(socket.SHUT_WR)
                except BlockingIOError:
                    continue
                except OSError:
                    self._drop(link, reset=True)
            if link.open and all(half.end_told for half in link.halves):
                self._drop(link, reset=False)
            self._age(link, now)
        self._links = [link for link in self._links if link.open]

    def _active(self) -> Iterator[_Half]:
        for link in self._links:
            if link.open and not link.forgotten:
                yield from link.halves

    def _may_read(self, half: _Half) -> bool:
        return not half.ended and half.direction not in self._faults.frozen and len(half.held) < MOST_HELD_BYTES

    def _may_write(self, half: _Half) -> bool:
        return bool(half.held) and half.direction not in self._faults.frozen

    def _read(self, link: _Link, half: _Half, now: float) -> None:
        block = half.source.recv(MOST_HELD_BYTES)
        link.moved_at = now
        half.ended = not block
        half.held += block

    def _write(self, link: _Link, half: _Half, now: float) -> None:
        most = MOST_HELD_BYTES
        rate, since = self._faults.bytes_per_second, now
        if rate is not None:
            # What the time since the last turn allows, so that the pace holds however seldom the turns come.
            since = max(self._free_at[half.direction], now - 10 * TICK_SECONDS)
            most = min(most, int((now - since) * rate))
        if self._cuts_left and half.direction is Direction.TO_SERVER and self._cut_after is not None:
            most = min(most, self._cut_after - half.passed)
        if most > 0:
            count = half.target.send(half.held[:most])
            del half.held[:count]
            half.passed += count
            link.moved_at = now
            if rate is not None:
                self._free_at[half.direction] = since + count / rate
        if self._cuts_left and half.direction is Direction.TO_SERVER and half.passed >= (self._cut_after or 0):
            self._cuts_left -= 1
            self._drop(link, reset=True)

    def _age(self, link: _Link, now: float) -> None:
        faults, idle = self._faults, now - link.moved_at
        if link.open and faults.close_idle_seconds is not None and idle > faults.close_idle_seconds:
            self._drop(link, reset=False)
        if faults.forget_idle_seconds is not None and idle > faults.forget_idle_seconds:
            link.forgotten = True

    def _drop(self, link: _Link, *, reset: bool) -> None:
        if link.open:
            for half in link.halves:
                self._gone[half.direction] += half.passed
                half.passed = 0
            link.close(reset=reset)

    def _welcome(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        self.accepted += 1
        server = socket.socket()
        try:
            if self._faults.newcomers is Newcomers.RESET:
                raise ConnectionResetError
            server.settimeout(1)
            server.connect(self._target)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()
            server.close()
            return
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        halves = (_Half(Direction.TO_SERVER, client, server), _Half(Direction.TO_CLIENT, server, client))
        self._links.append(_Link(halves, time.monotonic()))
