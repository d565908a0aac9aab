"""What would be sent now of a recording that has not been sent: judged anew, with nothing written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ingest.cli.judging import judged_now
from ingest.failures import Failure, IngestError, SourceUnavailable, StateUnusable
from ingest.recording import Arrival, Origin, Reason, Status
from ingest.settings import Settings
from ingest.state.shown import RecordingView
from ingest.state.store import Store

_UNSENT: Final = frozenset({Status.INCOMPLETE, Status.PENDING, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Anew:
    """What a recording would be now. `would_be` is None where it cannot be looked at, which `detail` explains."""

    would_be: Status | None
    reason: Reason | None
    detail: str | None
    fields: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)


def judged_anew(settings: Settings, store: Store, view: RecordingView) -> Anew | None:
    """The judgement that `view` would have now; None for one that was sent, may have been, or was taken out.

    Raises StateUnusable.
    """
    if view.status not in _UNSENT or view.may_exist:
        return None
    try:
        known = store.arrivals.known(view.source, [view.path]).get(view.path)
        return _of(judged_now(settings, view, known))
    except StateUnusable:
        raise
    except SourceUnavailable as away:
        return Anew(None, Reason.SOURCE_AWAY, str(away))
    except Failure as failure:
        return Anew(None, failure.reason, str(failure))
    except IngestError as error:
        return Anew(None, None, str(error))


def anew_json(anew: Anew) -> dict[str, Any]:
    """The object under `now` in `show --json`."""
    return {
        "would_be": anew.would_be.value if anew.would_be else None,
        "reason": anew.reason.value if anew.reason else None,
        "detail": anew.detail,
        "fields": anew.fields,
        "origins": {key: origin.value for key, origin in anew.origins.items()},
    }


def print_anew(anew: Anew) -> None:
    """The same for people."""
    if anew.would_be is None:
        print(f"  now it cannot be judged: {anew.detail}")
        return
    reason = f" ({anew.reason.value})" if anew.reason else ""
    print(f"  judged now it would be {anew.would_be.value}{reason}{f': {anew.detail}' if anew.detail else ''}")
    if anew.fields:
        print("  metadata that would go with it, and where it comes from:")
        for key, value in anew.fields.items():
            print(f"    {key}: {value}  ({anew.origins[key].value})")


def _of(judged: Arrival) -> Anew:
    return Anew(judged.status, judged.reason, judged.detail, dict(judged.fields), dict(judged.origins))
