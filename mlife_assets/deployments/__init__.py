"""Deployments: which adapter stands behind which port, one page each, and the ports that a home gives.

Belongs here: what differs from one deployment to the next (`record`), what is wired alike in each (`ports`,
`board_ports`, `project_ports`). Does not belong here: Dagster, reading the environment (`settings`).
"""
