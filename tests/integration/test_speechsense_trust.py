"""Whom the client trusts and how it shows who it is: certificates, plaintext, keys and tokens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.failures import (
    Failure,
    ServiceFailure,
    UsageFault,
)
from ingest.recording import Answer, Reason
from ingest.settings import Credentials, SpeechSenseSettings, Tls
from ingest.speechsense.client import Client
from ingest.speechsense.methods import upload_badge
from tests.support.audio import wav
from tests.support.client import PATIENT, failure_of, request, settings_for
from tests.support.emulator import EmulatorProcess
from tests.support.stream import BytesStream
from tests.support.tls import make_certificates


def test_tls_with_a_ca_of_ones_own_and_with_a_wrong_one(tmp_path: Path, key: Path) -> None:
    ours, other = make_certificates(tmp_path / "ours"), make_certificates(tmp_path / "other")
    elsewhere = make_certificates(tmp_path / "elsewhere", addresses=("192.0.2.1",))
    with EmulatorProcess(tmp_path / "store", tls=ours.pair) as emulator:
        with Client.connect(settings_for(emulator.address, key, tls=Tls(ca_file=ours.ca)), {}) as client:
            assert isinstance(upload_badge(client, request(), BytesStream([wav()]), PATIENT), Answer)
        for trust in (Tls(ca_file=other.ca), True):
            with Client.connect(settings_for(emulator.address, key, tls=trust), {}) as client:
                made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
                assert (type(made), made.reason) == (ServiceFailure, Reason.UNREACHABLE)
                assert "CERTIFICATE_VERIFY_FAILED" in made.sentence
                assert "speechsense.tls" in made.mend
        assert len(emulator.badges()) == 1
    with (
        EmulatorProcess(tmp_path / "store", tls=elsewhere.pair) as emulator,
        Client.connect(settings_for(emulator.address, key, tls=Tls(ca_file=elsewhere.ca)), {}) as client,
    ):
        made = failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))
        assert "speechsense.tls" in made.mend


def test_p7_plaintext_only_to_this_machine_and_ca_file_must_be_usable(tmp_path: Path, key: Path) -> None:
    for endpoint in ("192.0.2.1:443", "api.invented.example:443", "127.0.0.1.invented.example:1", "dns:///x:1"):
        with pytest.raises(UsageFault, match="plaintext is for loopback"):
            Client.connect(settings_for(endpoint, key), {})
    for endpoint in ("localhost:1", "127.0.0.9:1", "[::1]:1"):
        Client.connect(settings_for(endpoint, key), {}).close()
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    for path in (tmp_path / "missing.pem", text, tmp_path):
        with pytest.raises(UsageFault, match=r"speechsense\.tls\.ca_file"):
            Client.connect(settings_for("127.0.0.1:1", key, tls=Tls(ca_file=path)), {})


def test_p5_key_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    key = tmp_path / "api-key"
    with (
        EmulatorProcess(tmp_path / "store", accept_keys=["second-key"]) as emulator,
        Client.connect(settings_for(emulator.address, key), {}) as client,
    ):

        def refused() -> Failure:
            return failure_of(lambda: upload_badge(client, request(), BytesStream([wav()]), PATIENT))

        for content in (None, "", "\n \n", "very-secret\nvery-secret", "very-secret-é", "very secret"):
            if content is not None:
                key.write_text(content)
            made = refused()
            assert (type(made), made.reason) == (ServiceFailure, Reason.KEY_REFUSED)
            assert str(key) in made.sentence
            assert "secret" not in made.sentence
        key.write_text("first-key\n")
        assert refused().grpc_code == "UNAUTHENTICATED"
        rotated = tmp_path / "rotated"
        rotated.write_text("  second-key\n")
        rotated.replace(key)
        assert isinstance(upload_badge(client, request(), BytesStream([wav()]), PATIENT), Answer)


def test_p7_no_secret_shows_and_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    token = tmp_path / "token"
    token.write_text("secret-token")
    settings = SpeechSenseSettings(credentials=Credentials(iam_token_file=fifo), endpoint="localhost:1", tls=False)
    with Client.connect(settings, {}) as client:
        assert failure_of(lambda: client.metadata("id")).reason is Reason.KEY_REFUSED
    settings = SpeechSenseSettings(credentials=Credentials(iam_token_file=token), endpoint="localhost:1", tls=False)
    with Client.connect(settings, {}) as client:
        assert ("authorization", "Bearer secret-token") in client.metadata("id")
        shown = [repr(client), str(client), *(repr(value) for value in vars(client).values())]
        shown += [repr(value) for value in vars(client._authorization).values()]
        assert not [text for text in shown if "secret-token" in text]
    settings = SpeechSenseSettings(credentials=Credentials(api_key_env="INVENTED"), endpoint="localhost:1", tls=False)
    with Client.connect(settings, {"INVENTED": " secret-key "}) as client:
        assert ("authorization", "Api-Key secret-key") in client.metadata("id")
    with Client.connect(settings, {}) as client:
        assert "INVENTED" in failure_of(lambda: client.metadata("id")).sentence
