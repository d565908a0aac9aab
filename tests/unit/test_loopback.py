"""Where plaintext may go: the configuration and the channel answer alike."""

from __future__ import annotations

import pytest

from ingest.loopback import is_loopback_host
from ingest.speechsense.channel import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback_host(host)
    assert is_loopback(f"[{host}]:443" if ":" in host else f"{host}:443")


@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "128.0.0.1", "0.0.0.0", "::", "127.1", ""])
def test_other_hosts(host: str) -> None:
    assert not is_loopback_host(host)
    assert not is_loopback(f"[{host}]:443" if ":" in host else f"{host}:443")
