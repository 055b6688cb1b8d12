"""Deployments: which adapter stands behind which port, one page each.

Belongs here: what differs from one deployment to the next. Does not belong here: what is the same in each
(`components.platform`), reading the environment (`settings`).
"""
