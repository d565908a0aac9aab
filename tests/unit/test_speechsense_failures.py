"""What each gRPC status means at each moment of an upload, and what may stand in the sentence."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from ingest.failures import AttemptFailure, Moment, OutcomeUnknown, RecordingFailure, ServiceFailure
from ingest.recording import Reason, RequestIds
from ingest.speechsense.failures import TABLE, quoted, translate, translate_operation

BEFORE, MID, LAST = Moment.BEFORE_FIRST_BYTE, Moment.MID_STREAM, Moment.LAST_BYTE_LET_GO
LOST = (OutcomeUnknown, Reason.ANSWER_LOST)


class Ended(grpc.RpcError):
    """A call that ended, as grpc raises it."""

    def __init__(self, code: grpc.StatusCode, words: str | None = "", details: bytes | None = None) -> None:
        super().__init__()
        self._code, self._words, self._details = code, words, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._words

    def trailing_metadata(self) -> tuple[tuple[str, bytes | str], ...]:
        return () if self._details is None else (("grpc-status-details-bin", self._details),)


def packed(*details: object) -> bytes:
    status = status_pb2.Status(code=3, message="words")
    for detail in details:
        status.details.add().Pack(detail)
    return status.SerializeToString()


EXPECTED = {
    "INVALID_ARGUMENT": [(RecordingFailure, Reason.REJECTED)] * 3,
    "FAILED_PRECONDITION": [(RecordingFailure, Reason.REJECTED)] * 3,
    "OUT_OF_RANGE": [(RecordingFailure, Reason.REJECTED)] * 3,
    "NOT_FOUND": [(RecordingFailure, Reason.REJECTED)] * 3,
    "ALREADY_EXISTS": [(RecordingFailure, Reason.REJECTED)] * 3,
    "UNAUTHENTICATED": [(ServiceFailure, Reason.KEY_REFUSED)] * 3,
    "PERMISSION_DENIED": [(ServiceFailure, Reason.PERMISSION_DENIED)] * 3,
    "RESOURCE_EXHAUSTED": [(ServiceFailure, Reason.QUOTA_REACHED)] * 3,
    "UNIMPLEMENTED": [(ServiceFailure, Reason.WRONG_ENDPOINT)] * 3,
    "UNAVAILABLE": [(ServiceFailure, Reason.UNREACHABLE), (AttemptFailure, Reason.STREAM_BROKEN), LOST],
    "CANCELLED": [(AttemptFailure, Reason.STREAM_BROKEN)] * 2 + [LOST],
    "DEADLINE_EXCEEDED": [(AttemptFailure, Reason.STALLED)] * 2 + [LOST],
    "INTERNAL": [(AttemptFailure, Reason.SERVER_ERROR)] * 2 + [LOST],
    "UNKNOWN": [(AttemptFailure, Reason.SERVER_ERROR)] * 2 + [LOST],
    "ABORTED": [(AttemptFailure, Reason.SERVER_ERROR)] * 2 + [LOST],
    "DATA_LOSS": [(AttemptFailure, Reason.SERVER_ERROR)] * 2 + [LOST],
}


def test_p2_every_code_at_every_moment_has_one_meaning() -> None:
    assert set(TABLE) == {(code, m) for code in grpc.StatusCode if code is not grpc.StatusCode.OK for m in Moment}
    for name, expected in EXPECTED.items():
        for moment, (failure, reason) in zip((BEFORE, MID, LAST), expected, strict=True):
            made = translate(Ended(grpc.StatusCode[name], "words"), moment)
            assert (type(made), made.reason, made.grpc_code) == (failure, reason, name), (name, moment)
    assert len(EXPECTED) * len(Moment) == len(TABLE)


def test_p6_every_row_is_a_sentence_and_what_a_person_must_mend_has_a_mend() -> None:
    for (code, moment), verdict in TABLE.items():
        made = translate(Ended(code, "some words"), moment)
        assert made.sentence[0].isupper()
        assert made.sentence.endswith(".")
        assert "some words" in made.sentence
        assert verdict.mend or verdict.failure is AttemptFailure, (code, moment)


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        ("NOT_FOUND", "", "connection_id"),
        ("PERMISSION_DENIED", "", "yc.speech-sense.use"),
        ("PERMISSION_DENIED", "", "speech-sense.data.editor"),
        ("UNAUTHENTICATED", "", "speechsense.credentials"),
        ("UNIMPLEMENTED", "", "speechsense.endpoint"),
    ],
)
def test_p6_mend_names_the_place(code: str, words: str, hint: str) -> None:
    assert hint in translate(Ended(grpc.StatusCode[code], words), BEFORE).mend


@pytest.mark.parametrize(
    "words",
    [
        "SERVER: Received message larger than max (5000012 vs. 4194304)",
        "grpc: received message larger than max (5000012 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5000012",
    ],
)
def test_too_large_a_message_is_no_quota(words: str) -> None:
    made = translate(Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, words), MID)
    assert (type(made), made.reason) == (ServiceFailure, Reason.MESSAGE_TOO_LARGE)
    assert "upload.chunk_bytes" in made.mend


@pytest.mark.parametrize(
    "words",
    [
        "CLIENT: Received message larger than max (5000012 vs. 4194304)",
        "Received message larger than max (5000012 vs. 4194304)",
        "grpc: received message larger than max (5000012 vs. 4194304)",
    ],
)
def test_an_answer_that_is_too_large_leaves_the_outcome_unknown(words: str) -> None:
    made = translate(Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, words), LAST)
    assert (type(made), made.reason) == LOST
    assert "resolve" in made.mend


def test_p2_metadata_values_in_the_servers_words_do_not_change_what_they_mean() -> None:
    words = "Received http2 header with status: 404"
    made = translate(Ended(grpc.StatusCode.UNIMPLEMENTED, words), LAST, private=["header", "status"])
    assert (type(made), made.reason) == LOST
    assert "[value]" in made.sentence


def test_our_message_refused_by_the_server_is_known_after_the_last_byte_too() -> None:
    words = "SERVER: Received message larger than max (5000012 vs. 4194304)"
    made = translate(Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, words), LAST)
    assert (type(made), made.reason) == (ServiceFailure, Reason.MESSAGE_TOO_LARGE)


@pytest.mark.parametrize(
    ("seconds", "nanos", "taken"),
    [(7, 5 * 10**8, 7.5), (0, 0, 0.0), (10**13, 0, 3600.0), (3601, 0, 3600.0), (-5, 0, None), (0, -1, None)],
)
def test_a_retry_time_is_never_longer_than_an_hour(seconds: int, nanos: int, taken: float | None) -> None:
    details = packed(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    made = translate(Ended(grpc.StatusCode.UNAVAILABLE, "words", details), BEFORE)
    assert made.retry_after_seconds == taken


def test_certificate_failure_says_so() -> None:
    words = "failed to connect: Ssl handshake failed: SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: unknown CA"
    made = translate(Ended(grpc.StatusCode.UNAVAILABLE, words), BEFORE)
    assert made.reason is Reason.UNREACHABLE
    assert "CERTIFICATE_VERIFY_FAILED" in made.sentence
    assert "speechsense.tls" in made.mend


def test_p7_server_words_are_short_printable_and_hold_no_metadata_value() -> None:
    words = "client \x1b[31mInvented Person\x00\n(client-0007) " + "x" * 400
    made = translate(Ended(grpc.StatusCode.INVALID_ARGUMENT, words), LAST, private=["Invented Person", "client-0007"])
    assert "Invented" not in made.sentence
    assert "client-0007" not in made.sentence
    assert made.sentence.count("[value]") == 2
    assert made.sentence.isprintable()
    assert len(made.sentence) < 400


def test_a_value_inside_a_longer_word_is_left_alone() -> None:
    assert quoted("limit 1024, got 4", ["4", "", " "]) == "limit 1024, got [value]"


def test_details_give_retry_time_field_names_and_request_id() -> None:
    delay = Duration(seconds=7, nanos=500_000_000)
    bad = error_details_pb2.BadRequest()
    for number in range(30):
        bad.field_violations.add(field=f"fields.key_{number}", description="Invented Person")
    details = packed(
        error_details_pb2.RetryInfo(retry_delay=delay), bad, error_details_pb2.RequestInfo(request_id="r-1")
    )
    error = Ended(grpc.StatusCode.INVALID_ARGUMENT, "bad", details)
    made = translate(error, MID, RequestIds(client_request_id="c-1"))
    assert made.retry_after_seconds == 7.5
    assert "fields.key_0, fields.key_1" in made.sentence
    assert "key_10" not in made.sentence
    assert "Invented Person" not in made.sentence
    assert made.ids == RequestIds(client_request_id="c-1", request_id="r-1")
    kept = translate(error, MID, RequestIds(client_request_id="c-1", request_id="header")).ids
    assert kept is not None
    assert kept.request_id == "header"


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b"", packed()])
def test_unreadable_details_do_no_harm(details: bytes) -> None:
    made = translate(Ended(grpc.StatusCode.INTERNAL, None, details), MID)
    assert made.reason is Reason.SERVER_ERROR
    assert made.retry_after_seconds is None


def test_a_look_at_an_operation_says_nothing_about_the_upload() -> None:
    for code in grpc.StatusCode:
        if code is not grpc.StatusCode.OK:
            made = translate_operation(Ended(code, "words"))
            assert not isinstance(made, OutcomeUnknown)
            assert "upload" not in made.sentence or isinstance(made, ServiceFailure)
    refused = translate_operation(Ended(grpc.StatusCode.PERMISSION_DENIED))
    assert "operations_endpoint" in refused.mend
    assert isinstance(translate_operation(Ended(grpc.StatusCode.NOT_FOUND)), RecordingFailure)
