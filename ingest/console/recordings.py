"""One recording as programs read it: the keys that the contract names, in its order."""

from __future__ import annotations

from typing import Any

from ingest.console.words import moment_text, path_text
from ingest.state.shown import HistoryEntry, RecordingView


def recording_json(view: RecordingView) -> dict[str, Any]:
    """The object that `list --json` and `show --json` print."""
    return {
        "id": view.id,
        "source": view.source,
        "path": path_text(view.path),
        "metadata_path": path_text(view.metadata_path),
        "status": view.status.value,
        "reason": view.reason.value if view.reason else None,
        "detail": view.detail,
        "attempts": view.attempts,
        "size": view.size,
        "sha256": view.sha256,
        "duration_seconds": view.duration_seconds,
        "connection_id": view.connection_id,
        "method": view.method,
        "badge_id": view.badge_id,
        "talk_ids": list(view.talk_ids) if view.talk_ids is not None else None,
        "operation_id": view.operation_id,
        "operation": view.operation.value if view.operation else None,
        "client_request_id": view.client_request_id,
        "request_id": view.request_id,
        "server_trace_id": view.server_trace_id,
        "host": view.host,
        "first_seen_at": moment_text(view.first_seen_at),
        "ready_at": moment_text(view.ready_at),
        "sent_at": moment_text(view.sent_at),
        "done_at": moment_text(view.done_at),
        "next_attempt_at": moment_text(view.next_attempt_at),
        "possible_duplicate": view.possible_duplicate,
        "duplicate_of": view.duplicate_of,
        "disposal": view.disposal.value,
        "disposed_at": moment_text(view.disposed_at),
        "disposed_path": path_text(view.disposed_path),
    }


def audio_json(view: RecordingView) -> dict[str, Any]:
    """What `show --json` says besides: what the audio is, what goes out of it, and what was accepted."""
    return {
        "audio": {
            "container": view.container.value if view.container else None,
            "codec": view.codec.value if view.codec else None,
            "channels": view.channels,
            "rate": view.rate,
        },
        "sent": {
            "payload": view.payload.value,
            "size": view.sent.size if view.sent else None,
            "sha256": view.sent.sha256 if view.sent else None,
        },
    }


def history_json(entry: HistoryEntry) -> dict[str, Any]:
    """One entry of `history` in `show --json`."""
    return {
        "at": moment_text(entry.at),
        "from": entry.before.value if entry.before else None,
        "to": entry.after.value,
        "reason": entry.reason.value if entry.reason else None,
        "detail": entry.detail,
        "attempt": entry.attempt,
        "grpc_code": entry.grpc_code,
    }
