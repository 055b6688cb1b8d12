"""Where pages about people are."""

from datetime import date

from mlife_assets.core.pages.document import RUNBOOKS

MESSAGES = "messages/"
CALLS = "calls/"
SERVED = (("Messages", MESSAGES), ("Calls", CALLS), ("Runbooks", RUNBOOKS))


def call_list_key(application: str, day: date, form: str) -> str:
    """Return the key of a day's call list; `form` is html or csv."""
    return f"{CALLS}{application}/{day.isoformat()}.{form}"
