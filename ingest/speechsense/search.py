"""Finds the talks that carry a unique id by `TalkService.Search`, and tells whether what it finds can be believed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Final

import grpc
from yandex.cloud.speechsense.v1.talk_service_pb2 import SearchTalkRequest

from ingest.failures import AttemptFailure, RecordingFailure
from ingest.recording import Reason
from ingest.speechsense.client import Client, stopped
from ingest.speechsense.failures import translate_search
from ingest.speechsense.methods import begin

USER_KEY_PREFIX: Final = "userMeta."
"""Stands before a connection's own key in a filter.

Source: SpeechSense documentation, filtering by parameters (2026-07). The comment in search.proto has `user.` instead.
"""

SEARCH_SECONDS: Final = 30.0
# The talks of one badge; a long one has many, and 100 of them are enough to know it by.
_PAGE: Final = 100
CALLS_FOR_A_HIT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """Where to look, and for which `value` of the connection's `key`."""

    organization_id: str
    space_id: str
    connection_id: str
    project_id: str
    key: str
    value: str


def find_talks(client: Client, query: SearchQuery) -> tuple[str, ...]:
    """The ids of the talks (100 at most) whose `key` is `value`; empty proves nothing, as indexing takes its time.

    A hit is believed only where the same search for an id that nobody has finds nothing: a server that passes over a
    filter whose key it does not know would find every talk there is. So a hit costs CALLS_FOR_A_HIT calls, a miss one.
    Raises ServiceFailure or AttemptFailure (ask again later; neither says anything about the upload), and
    RecordingFailure where this search is refused or cannot be believed.
    """
    found = _search(client, query)
    if found and _search(client, replace(query, value=uuid.uuid4().hex)):
        raise RecordingFailure(
            Reason.REJECTED,
            "SpeechSense finds talks for an id that was never sent, so what it finds proves nothing.",
            "Check that look_up.key is a key of the connection, of the type string.",
        )
    return found


def _search(client: Client, query: SearchQuery) -> tuple[str, ...]:
    request = SearchTalkRequest(
        organization_id=query.organization_id,
        space_id=query.space_id,
        connection_id=query.connection_id,
        project_id=query.project_id,
        page_size=_PAGE,
    )
    request.filters.add(key=f"{USER_KEY_PREFIX}{query.key}").any_match.values.append(query.value)
    call = begin(client, client.search, request, str(uuid.uuid4()))
    try:
        with client.under_way(call):
            response = call.result(timeout=SEARCH_SECONDS)
    except grpc.FutureTimeoutError:
        call.cancel()
        raise AttemptFailure(Reason.STALLED, "SpeechSense did not answer a search in 30 s.") from None
    except grpc.FutureCancelledError:
        raise stopped() from None
    except grpc.RpcError as error:
        raise translate_search(error, (query.value,)) from None
    return tuple(response.talk_ids)
