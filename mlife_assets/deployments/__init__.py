"""Deployments: the adapter behind each port, one page per deployment, and the ports of a home.

Belongs here: differences between deployments (`record`), shared wiring (`ports`, `board_ports`, `project_ports`). Does
not belong here: Dagster, reading the environment (`settings`).
"""
