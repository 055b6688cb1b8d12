"""Pure computation: no IO, no clock, no environment, no Dagster.

Belongs here: decisions, measures, records and pages of any model. Does not belong here: what knows a
domain (`recruiting`), files, networks and databases, whose protocols are in `ports`.
"""
