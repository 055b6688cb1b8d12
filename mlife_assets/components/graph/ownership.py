"""Who answers for which group of the graph.

Belongs here: owners per group. Does not belong here: anything about how a group runs.
"""

OWNERS: dict[str, list[str]] = {
    "events": ["team:data-platform"],
    "features": ["team:data-platform"],
    "model": ["team:data-science"],
    "monitoring": ["team:data-science"],
    "predictions": ["team:ml-engineering"],
    "messages": ["team:messaging"],
    "metrics": ["team:analytics"],
}
