"""Where pages about people are.

Belongs here: addresses of pages that are only served. Does not belong here: pages of every model (`core.pages.places`),
serving them.
"""

from mlife_assets.core.pages.places import RUNBOOKS

MESSAGES = "messages/"
SERVED = (("Messages", MESSAGES), ("Runbooks", RUNBOOKS))
