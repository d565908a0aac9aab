"""Translates what gRPC says into our failures: one table from status code and moment to class, sentence and mend."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from ingest.failures import (
    AttemptFailure,
    Failure,
    Moment,
    OutcomeUnknown,
    RecordingFailure,
    ServiceFailure,
)
from ingest.recording import Reason, RequestIds

QUOTE_CHARACTERS: Final = 300
FIELDS_NAMED: Final = 10
LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0  # a server that asks for more is asked again all the same
WORD_LETTERS: Final = 4  # shorter values are blotted out only as whole words: "1" is in every other sentence
_TLS_SIGNS: Final = ("ssl handshake", "ssl_error", "ssl routines", "tsi_", "certificate", "verification check")
# gRPC's core says so where an answer had no gRPC status and it made one of the HTTP status.
_HTTP_SIGN: Final = "http2 header with status"
STATUS_DETAILS_KEY: Final = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table: what a status code at a moment means."""

    failure: type[Failure]
    reason: Reason
    sentence: str
    mend: str = ""


Code = grpc.StatusCode
ANY_MOMENT: Final = tuple(Moment)
BEFORE_LAST_BYTE: Final = (Moment.BEFORE_FIRST_BYTE, Moment.MID_STREAM)

CHECK_NETWORK: Final = "Check the network, the firewall and speechsense.endpoint; the service goes on by itself."
_REJECTED: Final = Verdict(
    RecordingFailure,
    Reason.REJECTED,
    "SpeechSense refused this recording",
    "Correct its audio or metadata, or the connection's keys, then run `ingest retry`.",
)
_SERVER_ERROR: Final = Verdict(AttemptFailure, Reason.SERVER_ERROR, "SpeechSense ended the upload with an error")
_STREAM_BROKEN: Final = Verdict(AttemptFailure, Reason.STREAM_BROKEN, "The upload broke off before its last byte")
_STALLED: Final = Verdict(AttemptFailure, Reason.STALLED, "The upload ran out of time before its last byte")
ANSWER_LOST: Final = Verdict(
    OutcomeUnknown,
    Reason.ANSWER_LOST,
    "Every byte was sent but the answer never came, so it is not known whether SpeechSense has the recording",
    "Look for it in the SpeechSense console, then run `ingest resolve`.",
)
_KEY_REFUSED: Final = Verdict(
    ServiceFailure,
    Reason.KEY_REFUSED,
    "SpeechSense did not accept the API key or token",
    "Put a valid one in the place that speechsense.credentials names; it is read again by itself.",
)
_PERMISSION_DENIED: Final = Verdict(
    ServiceFailure,
    Reason.PERMISSION_DENIED,
    "SpeechSense knows the API key or token but does not permit the upload",
    "The key's scope must include yc.speech-sense.use, and its service account needs the role "
    "speech-sense.data.editor on the space.",
)
_QUOTA_REACHED: Final = Verdict(
    ServiceFailure,
    Reason.QUOTA_REACHED,
    "A SpeechSense quota is used up",
    "Wait, or ask Yandex Cloud support for a higher quota; the service goes on by itself.",
)
_MESSAGE_TOO_LARGE: Final = Verdict(
    ServiceFailure,
    Reason.MESSAGE_TOO_LARGE,
    "A message was larger than the endpoint takes",
    "Lower upload.chunk_bytes.",
)
_WRONG_ENDPOINT: Final = Verdict(
    ServiceFailure,
    Reason.WRONG_ENDPOINT,
    "The endpoint does not know the SpeechSense API",
    "Check speechsense.endpoint and whatever proxy stands before it.",
)
_UNREACHABLE: Final = Verdict(ServiceFailure, Reason.UNREACHABLE, "SpeechSense cannot be reached", CHECK_NETWORK)
_CERTIFICATE: Final = Verdict(
    ServiceFailure,
    Reason.UNREACHABLE,
    "No TLS connection to SpeechSense: the certificate or the handshake failed",
    "Check speechsense.tls (ca_file for a CA of your own), the endpoint's name and the clock.",
)

_ROWS: Final[tuple[tuple[tuple[grpc.StatusCode, ...], tuple[Moment, ...], Verdict], ...]] = (
    ((Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION, Code.OUT_OF_RANGE), ANY_MOMENT, _REJECTED),
    (
        (Code.NOT_FOUND,),
        ANY_MOMENT,
        replace(_REJECTED, mend="Check the source's connection_id, then run `ingest retry`."),
    ),
    (
        (Code.ALREADY_EXISTS,),
        ANY_MOMENT,
        replace(_REJECTED, mend="Look for it in the SpeechSense console; if it is there, run `ingest skip`."),
    ),
    ((Code.UNAUTHENTICATED,), ANY_MOMENT, _KEY_REFUSED),
    ((Code.PERMISSION_DENIED,), ANY_MOMENT, _PERMISSION_DENIED),
    ((Code.RESOURCE_EXHAUSTED,), ANY_MOMENT, _QUOTA_REACHED),
    ((Code.UNIMPLEMENTED,), ANY_MOMENT, _WRONG_ENDPOINT),
    ((Code.UNAVAILABLE,), (Moment.BEFORE_FIRST_BYTE,), _UNREACHABLE),
    ((Code.UNAVAILABLE,), (Moment.MID_STREAM,), _STREAM_BROKEN),
    ((Code.CANCELLED,), BEFORE_LAST_BYTE, _STREAM_BROKEN),
    ((Code.DEADLINE_EXCEEDED,), BEFORE_LAST_BYTE, _STALLED),
    ((Code.INTERNAL, Code.UNKNOWN, Code.ABORTED, Code.DATA_LOSS), BEFORE_LAST_BYTE, _SERVER_ERROR),
    (
        (
            Code.UNAVAILABLE,
            Code.CANCELLED,
            Code.DEADLINE_EXCEEDED,
            Code.INTERNAL,
            Code.UNKNOWN,
            Code.ABORTED,
            Code.DATA_LOSS,
        ),
        (Moment.LAST_BYTE_LET_GO,),
        ANSWER_LOST,
    ),
)
TABLE: Final[Mapping[tuple[grpc.StatusCode, Moment], Verdict]] = {
    (code, moment): verdict for codes, moments, verdict in _ROWS for code in codes for moment in moments
}

_OPERATION_MENDS: Final = {
    Reason.KEY_REFUSED: "A key scoped to SpeechSense may not work for the operations endpoint: use another credential, "
    "or set speechsense.operations_endpoint to null.",
    Reason.PERMISSION_DENIED: "The key may not read operations: widen its scope, or set "
    "speechsense.operations_endpoint to null.",
    Reason.WRONG_ENDPOINT: "Check speechsense.operations_endpoint.",
    Reason.UNREACHABLE: "Check the network, the firewall and speechsense.operations_endpoint.",
    Reason.REJECTED: "Look for the recording in the SpeechSense console.",
}

_SEARCH_MENDS: Final = {
    Reason.PERMISSION_DENIED: "Its service account needs the role speech-sense.data.viewer or speech-sense.data.editor "
    "on the space.",
    Reason.REJECTED: "Check the ids and the key in the source's look_up section.",
}


@dataclass(frozen=True, slots=True)
class _Details:
    """What the `google.rpc.Status` of a failed call tells beside code and message."""

    retry_after_seconds: float | None = None
    fields: tuple[str, ...] = ()
    request_id: str | None = None


def translate(
    error: grpc.RpcError, moment: Moment, ids: RequestIds | None = None, private: Collection[str] = ()
) -> Failure:
    """What a failed upload means. Raises nothing; the caller raises what it gets.

    `moment` is how far the stream had been let go, `private` holds the texts (metadata values) that must not appear
    in the sentence even where the server repeats them.
    Source of the codes: google.rpc.Code; of the details: google/rpc/error_details.proto.
    """
    code = code_of(error)
    words = quoted(error.details(), private)
    return _failure(_judge(code, moment, error.details()), code, words, _details_of(error), ids)


def translate_operation(error: grpc.RpcError) -> Failure:
    """What a failed look at an operation means: never anything about the upload itself.

    An operation that the service no longer knows (NOT_FOUND) or refuses to name is a RecordingFailure with REJECTED.
    """
    return _translate_question(error, _OPERATION_MENDS, "SpeechSense did not tell what became of the operation")


def translate_search(error: grpc.RpcError, private: Collection[str] = ()) -> Failure:
    """What a failed search means: never anything about the upload it was made for.

    A search that the service does not take as it is (ids, key) is a RecordingFailure with REJECTED.
    """
    return _translate_question(error, _SEARCH_MENDS, "SpeechSense did not carry out the search", private)


def _translate_question(
    error: grpc.RpcError, mends: Mapping[Reason, str], told_nothing: str, private: Collection[str] = ()
) -> Failure:
    code = code_of(error)
    words = quoted(error.details(), private)
    verdict = _judge(code, Moment.BEFORE_FIRST_BYTE, error.details())
    mend = verdict.mend if verdict is _CERTIFICATE else mends.get(verdict.reason, verdict.mend)
    sentence = verdict.sentence
    if verdict.failure is not ServiceFailure:
        sentence = told_nothing
    elif verdict is _PERMISSION_DENIED:
        sentence = "SpeechSense knows the API key or token but does not permit it to ask"
    return _failure(replace(verdict, sentence=sentence, mend=mend), code, words, _details_of(error), None)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """The status code of a failed call, UNKNOWN where it has none."""
    code = error.code()
    return code if isinstance(code, grpc.StatusCode) and code is not Code.OK else Code.UNKNOWN


def quoted(text: str | None, private: Collection[str] = ()) -> str:
    """The server's words fit for a sentence: `private` texts blotted out, one line, at most 300 characters."""
    words = text or ""
    for value in sorted({item for item in private if item.strip()}, key=len, reverse=True):
        pattern = re.escape(value) if len(value) >= WORD_LETTERS else rf"(?<!\w){re.escape(value)}(?!\w)"
        words = re.sub(pattern, "[value]", words, flags=re.IGNORECASE)
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    return words if len(words) <= QUOTE_CHARACTERS else f"{words[: QUOTE_CHARACTERS - 1]}…"


def _judge(code: grpc.StatusCode, moment: Moment, words: str | None) -> Verdict:
    """The table's row, or the one that the server's words (whole, as they came) show to be meant."""
    verdict = TABLE[code, moment]
    lower = (words or "").lower()
    if moment is Moment.LAST_BYTE_LET_GO and _HTTP_SIGN in lower:
        # Not SpeechSense's word but that of something before it, which may have passed the whole upload on first.
        return ANSWER_LOST
    if verdict is _QUOTA_REACHED and "message" in lower and ("larger than max" in lower or "exceeds max" in lower):
        # gRPC here says the same of an answer that it cannot take: then the recording is there. Only "SERVER:", which
        # gRPC's core sets where it received, shows that it was our message and that the upload was not handed on.
        if moment is Moment.LAST_BYTE_LET_GO and not lower.startswith("server:"):
            return ANSWER_LOST
        return _MESSAGE_TOO_LARGE
    if verdict is _UNREACHABLE and any(sign in lower for sign in _TLS_SIGNS):
        return _CERTIFICATE
    return verdict


def _failure(verdict: Verdict, code: grpc.StatusCode, words: str, details: _Details, ids: RequestIds | None) -> Failure:
    sentence = f"{verdict.sentence} ({code.name})"
    if words:
        sentence += f": {words}"
    if details.fields:
        sentence += f" [fields: {', '.join(details.fields)}]"
    if ids is not None and ids.request_id is None and details.request_id:
        ids = replace(ids, request_id=details.request_id)
    return verdict.failure(
        verdict.reason,
        sentence if sentence.endswith((".", "…")) else f"{sentence}.",
        verdict.mend,
        grpc_code=code.name,
        retry_after_seconds=details.retry_after_seconds,
        ids=ids,
    )


def _details_of(error: grpc.RpcError) -> _Details:
    """Reads RetryInfo, BadRequest (names only) and RequestInfo; what cannot be read is left out."""
    status = status_pb2.Status()
    try:
        for packed in metadata_values(error.trailing_metadata(), STATUS_DETAILS_KEY):
            status.MergeFromString(packed if isinstance(packed, bytes) else packed.encode("latin-1"))
        return _read_details(status)
    except (DecodeError, UnicodeError):
        return _Details()


def _read_details(status: Any) -> _Details:
    found = _Details()
    retry, bad, info = (
        error_details_pb2.RetryInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RequestInfo(),
    )
    for detail in status.details:
        if detail.Unpack(retry) and retry.HasField("retry_delay"):
            seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            if seconds >= 0:  # also false for what is not a number
                found = replace(found, retry_after_seconds=min(seconds, LONGEST_RETRY_AFTER_SECONDS))
        elif detail.Unpack(bad):
            found = replace(found, fields=tuple(_names(violation.field for violation in bad.field_violations)))
        elif detail.Unpack(info):
            found = replace(found, request_id=quoted(info.request_id) or None)
    return found


def _names(fields: Iterable[str]) -> Iterator[str]:
    for _, field in zip(range(FIELDS_NAMED), fields, strict=False):
        yield quoted(field)[:100]


def metadata_values(metadata: Iterable[tuple[str, Any]] | None, key: str) -> Iterator[Any]:
    """The values of one key in a call's metadata, in order."""
    return (value for name, value in metadata or () if name == key)
