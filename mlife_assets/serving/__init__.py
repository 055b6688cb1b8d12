"""HTTP: the prediction endpoint, and pages for people.

Belongs here: routes, limits and answers. Does not belong here: scoring (`core.scoring`), starting a server (`cli`).
"""
