"""Side effects behind the ports of core; no Dagster.

Belongs here: files, buckets, databases, networks and processes, each behind a protocol of `core.ports` or
`recruiting.ports`. Does not belong here: decisions, which are pure (`core`, `recruiting`), the choice of adapters
(`deployments`).
"""
