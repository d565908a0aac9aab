"""Tells systemd how the service does (sd_notify); does nothing where there is no systemd."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


def notify(environment: Mapping[str, str], *states: str) -> None:
    """Sends `states` (`READY=1`, `STOPPING=1`, `STATUS=…`) to the manager that started us, if there is one."""
    address = environment.get("NOTIFY_SOCKET")
    if not address:
        return
    # A leading @ stands for the NUL of the abstract namespace (sd_notify(3)).
    target = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
    message = "\n".join(state.replace("\n", " ") for state in states).encode()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(target)
        sender.send(message)
