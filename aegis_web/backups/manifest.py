"""The manifest: what a backup's file should hold, kept beside it and in the table.

It names keys by their ids and holds none of them.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aegis_web.backups.copies import Snapshot
from aegis_web.config import Settings
from aegis_web.keys import key_id
from aegis_web.version import VERSION

FORMAT = 1


def manifest_of(
    snapshot: Snapshot, config: Settings, *, file: str, size_bytes: int, sha256: str,
    made_at: datetime, seconds: float, ours: bool, jobs: dict[str, Any] | None,
    audit_head: str | None,
) -> dict[str, Any]:  # fmt: skip
    """All that is written down of a backup; of one that is not `ours`, what can be known.

    `jobs` are the facts of the text beside it; None: there is none. `audit_head` is the newest row
    of the audit in it.
    """
    return {
        "format": FORMAT,
        "product": f"Aegis Web {VERSION}",
        "file": file,
        "size_bytes": size_bytes,
        "sha256": sha256,
        "made_at": made_at.isoformat(),
        "seconds": seconds,
        "database": snapshot.database,
        "revision": snapshot.revision,
        "rows": dict(snapshot.rows),
        "newest_run": snapshot.newest_run,
        "samples": dict(snapshot.samples),
        "jobs": jobs,
        "keys": {
            "backup": key_id(config.backup_keys[0]) if config.backup_keys else None,
            "secrets": [key_id(key) for key in config.encryption_keys] if ours else [],
        },
        "audit_head": audit_head,
    }


def snapshot_of(manifest: Mapping[str, Any]) -> Snapshot:
    """What the backup should hold, as it was written down."""
    newest = manifest["newest_run"]
    return Snapshot(
        database=manifest["database"],
        revision=manifest["revision"],
        rows=manifest["rows"],
        newest_run=tuple(newest) if newest else None,
        samples=manifest["samples"],
    )


def as_text(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as the file beside the backup holds it."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
