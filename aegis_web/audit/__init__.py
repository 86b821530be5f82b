"""The audit. Whoever imports any part of it has its rows chained."""

from aegis_web.audit import chain as _chain  # noqa: F401  (listens to commits)
