"""Makes gRPC channels: their options, TLS with the system's roots or a CA of one's own, plaintext to loopback only."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import grpc

from ingest.failures import UsageFault
from ingest.loopback import is_loopback_host
from ingest.settings import Tls

LARGEST_ANSWER_BYTES: Final = 4 * 1024 * 1024
# A gRPC server closes a connection that pings more often than every 300 s while no data flows: with 60 s every answer
# that took longer than 300 s was lost, and the other uploads of the channel with it (measured, "too_many_pings").
KEEPALIVE_MILLISECONDS: Final = 330_000
# Also the time after which Linux gives up a connection whose sent bytes nobody takes (TCP_USER_TIMEOUT).
KEEPALIVE_TIMEOUT_MILLISECONDS: Final = 30_000
# Firewalls and NAT forget a quiet connection without a word, and what is sent over it afterwards is an upload whose
# answer never comes. Without this gRPC closes it after 30 minutes.
IDLE_SECONDS: Final = 60.0
# gRPC waits up to 120 s between tries to connect and fails every call meanwhile: the probe of a paused service, too.
RECONNECT_MILLISECONDS: Final = 2_000
USUAL_BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),  # Debian, Ubuntu, Arch, Alpine
    Path("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),  # RHEL, Fedora
    Path("/etc/pki/tls/certs/ca-bundle.crt"),  # RHEL, older
    Path("/etc/ssl/ca-bundle.pem"),  # SUSE
    Path("/etc/ssl/cert.pem"),  # Alpine, BSD
)
LARGEST_BUNDLE_BYTES: Final = 16 * 1024 * 1024


def open_channel(endpoint: str, *, tls: bool | Tls, idle_seconds: float = IDLE_SECONDS) -> grpc.Channel:
    """A channel to `host:port`; nothing goes out before its first call, and after `idle_seconds` without one it is cut.

    Raises UsageFault for plaintext to another host and for a CA file that cannot be used.
    Retries are off because gRPC's own ones sent a stream several times; without keepalive a dead peer is never noticed.
    Messages out have no limit here: the server's limit is the one that counts.
    """
    options: list[tuple[str, int]] = [
        ("grpc.enable_retries", 0),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MILLISECONDS),
        ("grpc.client_idle_timeout_ms", round(idle_seconds * 1000)),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MILLISECONDS),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    ]
    if is_loopback(endpoint):
        options.append(("grpc.enable_http_proxy", 0))
    if tls is False:
        if not is_loopback(endpoint):
            raise UsageFault(
                f"Without TLS the key and the recordings would go to {endpoint} readable by everyone on the way.",
                "Set speechsense.tls to true or to a ca_file; plaintext is for loopback addresses only.",
            )
        return grpc.insecure_channel(endpoint, options=options)
    roots = read_ca_file(tls.ca_file) if isinstance(tls, Tls) else system_roots()
    return grpc.secure_channel(endpoint, grpc.ssl_channel_credentials(root_certificates=roots), options=options)


def is_loopback(address: str) -> bool:
    """Whether `host:port` names this machine without asking a resolver."""
    return is_loopback_host(address.rpartition(":")[0].strip("[]"))


def read_ca_file(path: Path) -> bytes:
    """The PEM certificates of one's own CA. Raises UsageFault when there are none to be had."""
    mend = "Set speechsense.tls.ca_file to a readable PEM file with the CA's certificate."
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BUNDLE_BYTES)
    except OSError as error:
        raise UsageFault(f"The CA file {path} cannot be read: {error.strerror}.", mend) from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise UsageFault(f"The CA file {path} holds no PEM certificate.", mend) from None
    return content


def system_roots() -> bytes | None:
    """The system's CA bundle, or None where there is none (gRPC then uses the roots it brings along)."""
    named = ssl.get_default_verify_paths().cafile
    for path in (*([Path(named)] if named else ()), *USUAL_BUNDLES):
        try:
            content: bytes = path.read_bytes()
        except OSError:
            continue
        if b"-----BEGIN CERTIFICATE-----" in content:
            return content
    return None
