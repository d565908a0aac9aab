"""Puts what is said of a connection once into the settings of every source that sends to it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from ingest.config.draft import Draft
from ingest.settings import ConnectionSettings, MetadataSettings, Settings


def resolved(settings: Settings, draft: Draft) -> Settings:
    """`settings` whose sources have all that holds for them; `draft` tells what stands in the file and what is default.

    The keys are the connection's, each replaced by the source's own where it has one. What a source says of `required`
    and `other_keys` counts, else what its connection says.
    """
    sources = []
    for index, source in enumerate(settings.sources):
        given = draft.given(("sources", index, "metadata"))
        written = given.keys() if isinstance(given, dict) else frozenset[str]()
        connection = settings.connections.get(source.connection_id)
        metadata = source.metadata
        if connection is not None:
            metadata = _with_connection(metadata, connection, written)
        own = source.metadata.keys
        also = [key for key, of_key in own.items() if of_key.required and key not in metadata.required]
        sources.append(replace(source, metadata=replace(metadata, required=(*metadata.required, *also))))
    return replace(settings, sources=tuple(sources))


def _with_connection(metadata: MetadataSettings, connection: ConnectionSettings, written: Set[str]) -> MetadataSettings:
    keys = connection.keys | metadata.keys
    required = tuple(key for key, of_key in keys.items() if of_key.required)
    defaults = {key: value for key, value in metadata.defaults.items() if key in keys}
    return replace(
        metadata,
        keys=keys,
        required=metadata.required if "required" in written else required,
        defaults=metadata.defaults if "defaults" in written else defaults,
        other_keys=metadata.other_keys if "other_keys" in written else connection.other_keys,
    )
