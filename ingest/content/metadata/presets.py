"""The names that products give to their recordings, as patterns with named groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ingest.content.metadata.dates import EPOCH


@dataclass(frozen=True, slots=True)
class Preset:
    """The names of one product: `patterns` as in `file_name`, the first that fits counts.

    `date_formats` are those of the group `date` alone, as `as_iso` takes them. No pattern takes more than linear time.
    """

    name: str
    patterns: tuple[str, ...]
    date_formats: tuple[str, ...]


# type-destination-caller-time-uniqueid. Of an outgoing call the caller is the extension, of the others the destination.
# Source: FreePBX's module callrecording (CALLFILENAME in sub-record-check), and Issabel's names.
_FREEPBX: Final = Preset(
    "freepbx",
    (
        r"(?:out|force)-(?=(?P<client_name>[^-/]+))(?P<client_id>[^-/]+)"
        r"-(?=(?P<operator_name>[^-/]+))(?P<operator_id>[^-/]+)-(?P<date>\d{8}-\d{6})-[^/]+",
        r"[a-z]+-(?=(?P<operator_name>[^-/]+))(?P<operator_id>[^-/]+)"
        r"-(?=(?P<client_name>[^-/]+))(?P<client_id>[^-/]+)-(?P<date>\d{8}-\d{6})-[^/]+",
    ),
    ("%Y%m%d-%H%M%S",),
)

# extension/[name]_caller-called_time(id). The name is the caller's, and may be empty; the folder is the extension that
# the recording belongs to. We found no page of 3CX on it. Source: importers on GitHub that read and show such names,
# sashintulsiram/callcabinet (3cxmoverecdata.sh: which side comes first, names that are empty or a number),
# timeshareflow/3cx-backup-sync (sync-service/src/sync/recordings.ts: `+` before a number, calls between extensions,
# their 2 to 4 digits), and Netmountains' recordings submission for Transfact (the folder).
_EXTENSION: Final = r"[0-9]{2,4}"
_NUMBER: Final = r"[^-_/()]*"
_CLIENT: Final = (rf"(?P<client_id>{_NUMBER})", rf"(?=(?P<client_name>{_NUMBER}))(?P<client_id>{_NUMBER})")


def _3cx(folder: str, operator: tuple[str, str]) -> tuple[str, ...]:
    """The patterns of calls from and to an operator, each with and without a name of the caller.

    `operator` and `_CLIENT` are expressions for one number: for the side whose name stands in the brackets, and for
    that whose number has to serve as its name. A name may hold `]_` as well: the last one ends it, which is found
    without reading anything twice, because no number holds a `_`.
    """
    end = r"_(?P<date>[0-9]{14})\([0-9]+\)"
    return (
        rf"{folder}\[(?P<operator_name>[^/]+)\]_{operator[0]}-{_CLIENT[1]}{end}",
        rf"{folder}\[\]_{operator[1]}-{_CLIENT[1]}{end}",
        rf"{folder}\[(?P<client_name>[^/]+)\]_{_CLIENT[0]}-{operator[1]}{end}",
        rf"{folder}\[\]_{_CLIENT[1]}-{operator[1]}{end}",
    )


# Where the folder does not tell, the operator is the side that is an extension, and the caller where both are. Where
# neither is, nothing fits: a guess would be a wrong field.
_THREECX: Final = Preset(
    "3cx",
    (
        *_3cx(r"(?P<operator_id>[0-9]+)/", (r"(?P=operator_id)", r"(?P<operator_name>(?P=operator_id))")),
        *_3cx(
            "",
            (rf"(?P<operator_id>{_EXTENSION})", rf"(?=(?P<operator_name>{_EXTENSION}))(?P<operator_id>{_EXTENSION})"),
        ),
    ),
    ("%Y%m%d%H%M%S",),
)

# mikopbx-seconds.number_random: when the call's channel began, in seconds since 1970, and nothing of its two sides. The
# names of transferred calls (transfer_…) have the seconds of the first call, and the halves of a stereo recording end
# in _in and _out: neither fits.
# Source: mikopbx/Core (src/Core/Asterisk/Configs/lua/extensions.lua, event_dial and event_dial_answer; AsteriskConf.php
# for the system's name; tests/api/fixtures/cdr_seed_data.sql for names).
_MIKOPBX: Final = Preset("mikopbx", (r"(?:pickup_)?mikopbx-(?P<date>[0-9]{10})\.[0-9]+_[0-9A-Za-z]+",), (EPOCH,))

# FusionPBX has no preset: archive/YYYY/Mon/DD/uuid tells a day and no time, which would be a wrong date, and an id.
# Source: fusionpbx/fusionpbx (app/dialplans/resources/switch/conf/dialplan/050_user_record.xml).
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {preset.name: preset for preset in (_FREEPBX, _THREECX, _MIKOPBX)}
)
"""Every preset by its name."""
