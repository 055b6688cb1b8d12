"""Fairness: selection, high scores and exposure to valuable items by group, with intervals.

Belongs here: judging (`audit`), results and their picture (`results`). Does not belong here: protected attributes
themselves, which only the restricted audit table holds (`core.ports.AuditAttributes`).
"""
