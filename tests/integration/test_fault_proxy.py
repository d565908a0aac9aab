"""The fault proxy itself: each fault is what it says, as a client with plain sockets sees it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.client import wait_until
from tests.support.fault_proxy import Direction, FaultProxy, Newcomers

SHORT_SECONDS = 0.3


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """Before a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        with FaultProxy(f"127.0.0.1:{server.getsockname()[1]}") as running:
            yield running
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while block := connection.recv(65_536):
                connection.sendall(block)
        except OSError:
            return


def connected(proxy: FaultProxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=SHORT_SECONDS)


def echoed(client: socket.socket, content: bytes) -> bytes:
    client.settimeout(5)
    client.sendall(content)
    back = b""
    while len(back) < len(content):
        back += client.recv(65_536)
    return back


def silent(client: socket.socket) -> bool:
    client.settimeout(SHORT_SECONDS)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    return False


def test_it_passes_what_comes_and_the_end_of_it(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        assert echoed(client, b"x" * 300_000) == b"x" * 300_000
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert proxy.passed() == proxy.passed(Direction.TO_CLIENT) == 300_000
    wait_until(lambda: proxy.open_links == 0)


@pytest.mark.parametrize("directions", [(), (Direction.TO_SERVER,), (Direction.TO_CLIENT,)])
def test_frozen_it_holds_every_byte_until_it_is_healed(proxy: FaultProxy, directions: tuple[Direction, ...]) -> None:
    with connected(proxy) as client:
        assert echoed(client, b"before") == b"before"
        proxy.freeze(*directions)
        client.sendall(b"held")
        assert silent(client)
        assert proxy.passed() == (10 if directions == (Direction.TO_CLIENT,) else 6)
        proxy.heal()
        client.settimeout(5)
        assert client.recv(10) == b"held"


@pytest.mark.parametrize(
    ("newcomers", "error"), [(Newcomers.REFUSE, ConnectionRefusedError), (Newcomers.RESET, ConnectionResetError)]
)
def test_a_reset_breaks_what_is_open(proxy: FaultProxy, newcomers: Newcomers, error: type[OSError]) -> None:
    with connected(proxy) as client:
        echoed(client, b"before")
        proxy.reset(newcomers)
        with pytest.raises(ConnectionResetError):
            echoed(client, b"after")
    with pytest.raises(error), connected(proxy) as client:
        echoed(client, b"refused")
    proxy.heal()
    with connected(proxy) as client:
        assert echoed(client, b"healed") == b"healed"


def test_vanished_it_gives_new_connections_no_sign(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        echoed(client, b"before")
        proxy.vanish()
        with pytest.raises(TimeoutError):
            connected(proxy)
        proxy.heal()
        assert echoed(client, b"after") == b"after"
        with connected(proxy) as other:
            assert echoed(other, b"new") == b"new"


def test_a_slow_line_keeps_its_pace(proxy: FaultProxy) -> None:
    proxy.slow(200_000)
    with connected(proxy) as client:
        began = time.monotonic()
        echoed(client, bytes(100_000))
        assert 0.4 < time.monotonic() - began < 3


def _closed(proxy: FaultProxy) -> None:
    proxy.close_idle(SHORT_SECONDS)


def _forgotten(proxy: FaultProxy) -> None:
    proxy.forget_idle(SHORT_SECONDS)


@pytest.mark.parametrize(("fault", "links"), [(_closed, 0), (_forgotten, 1)])
def test_idle_connections_are_closed_or_forgotten(
    proxy: FaultProxy, fault: Callable[[FaultProxy], None], links: int
) -> None:
    fault(proxy)
    with connected(proxy) as client:
        for _ in range(4):
            assert echoed(client, b"busy") == b"busy"
            assert proxy.open_links == 1
        if links == 0:
            assert client.recv(1) == b""
            return
        time.sleep(2 * SHORT_SECONDS)  # the passing of time is the fault
        client.sendall(b"lost")
        assert silent(client)
        assert proxy.passed() == 16


def test_it_cuts_after_exactly_so_many_bytes_and_once(proxy: FaultProxy) -> None:
    proxy.cut_after(100_000)
    with connected(proxy) as client, pytest.raises(OSError, match="reset"):
        echoed(client, bytes(300_000))
    assert proxy.passed() == 100_000
    with connected(proxy) as client:
        assert len(echoed(client, bytes(300_000))) == 300_000
