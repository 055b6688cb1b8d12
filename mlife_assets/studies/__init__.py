"""Studies: a table, its model, and what a person does with both: check, train, score, judge, drift, replay.

Concept: the package `mlife` hands these functions on and the command line calls them, so that both are one path.

Belongs here: functions of a table or a trained folder, for people. Does not belong here: a home or its days
(`deployments`), computation (`core`), reading of files (`adapters`).
"""
