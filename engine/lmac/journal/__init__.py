"""The journal of a run: append-only, hash-chained JSON lines, with long contents kept beside it by digest.

Each line is one event: `seq` from 0, `at` (UTC, ISO 8601), `kind`, `pack` (bytes of the contents beside it so
far), the event's own `data`, and `chain`: the sha256 of the chain before it and of this line. A message, file
or output is named by the sha256 of its bytes, which lie in `blobs.pack`.
"""

from __future__ import annotations

from lmac.journal.event import JOURNAL_NAME, JOURNAL_VERSION, ORIGIN, Event
from lmac.journal.pack import PACK_NAME, read_blob
from lmac.journal.reading import read_journal
from lmac.journal.schema import journal_schema
from lmac.journal.tape import STOPPED, Effect, Policy
from lmac.journal.verifying import End, Verified, verify_journal
from lmac.journal.writer import BlobMissing, Journal, Listener, as_bytes

__all__ = [
    "JOURNAL_NAME",
    "JOURNAL_VERSION",
    "ORIGIN",
    "PACK_NAME",
    "STOPPED",
    "BlobMissing",
    "Effect",
    "End",
    "Event",
    "Journal",
    "Listener",
    "Policy",
    "Verified",
    "as_bytes",
    "journal_schema",
    "read_blob",
    "read_journal",
    "verify_journal",
]
