"""The simulated job market: the embedded world.

Belongs here: people, jobs, behaviour and faults that are made up. Does not belong here: what real deployments use, too
(`adapters`).
"""
