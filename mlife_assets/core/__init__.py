"""Pure computation: no IO, no clock, no environment, no Dagster.

Belongs here: decisions, measures, records and pages of any model. Does not belong here: domain knowledge
(`recruiting`), files, networks and databases, whose protocols are in `ports`.
"""
