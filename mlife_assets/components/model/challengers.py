"""Which version is the challenger of a day.

Belongs here: the report that a fit leaves, and reading it. Does not belong here: fitting (`candidate`), who is compared
with it.
"""

from datetime import date

from mlife_assets.components.platform.model_platform import ModelPlatform

CHALLENGER_REPORT = "challenger"


def challenger_version(platform: ModelPlatform, day: date) -> str:
    """Return the version that `candidate_model` registered on a day."""
    version: str = platform.model_tables.read_report(CHALLENGER_REPORT, day)["model_version"]
    return version
