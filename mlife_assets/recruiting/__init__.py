"""The job board: code that knows jobs, applicants and texts; pure, as `core` is.

Belongs here: events, features, candidates, wordings, plans and applications of the job board. Does not belong here:
what any model shares (`core`), sending and storing (`adapters`).
"""
