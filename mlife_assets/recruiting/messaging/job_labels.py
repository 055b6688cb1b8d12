"""Labels: what is said of a job whose own words are not.

Belongs here: the closed lists of occupations and cities, the label that they give. Does not belong here: when a label
takes the place of a title (`job_wordings`).

Concept: a label has no letter of a stranger. An occupation that is not listed is called by its major group, which
landing checks; a city that is not listed is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

GROUPS = {
    "11": "Management",
    "21": "Social service",
    "25": "Education",
    "29": "Healthcare",
    "31": "Healthcare support",
    "33": "Protective service",
    "35": "Food service",
    "37": "Cleaning and grounds",
    "41": "Sales",
    "43": "Office",
    "47": "Construction",
    "49": "Repair",
    "51": "Production",
    "53": "Transport and warehouse",
}
"""SOC major groups, as `recruiting.events.OCCUPATION_GROUPS` lists them."""


def _listed(name: str) -> list[list[str]]:
    """Return the rows of a closed list, without its heading: a code, and what it is called."""
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))[1:]


@lru_cache(maxsize=1)
def closed_lists() -> tuple[dict[str, str], dict[str, str]]:
    """Return SOC code -> label, and CBSA code -> city."""
    occupations, cities = (dict(_listed(name)) for name in ("occupations", "cities"))
    return occupations, cities


def labelled(job: Mapping[str, object], occupation_code: str | None) -> dict[str, object] | None:
    """Return a job with a label as its title, its city and no employer; None if its occupation is in no list.

    Args:
        job: with `job_occupation_group` and `job_metro_code`.
        occupation_code: its SOC code; one of another group is not believed.
    """
    labels, cities = closed_lists()
    group = str(job.get("job_occupation_group"))
    title = labels.get(str(occupation_code)) if str(occupation_code).startswith(f"{group}-") else None
    if title is None and group in GROUPS:
        title = f"{GROUPS[group]} job"
    if title is None:
        return None
    return {**job, "title": title, "employer_name": None, "metro_name": cities.get(str(job.get("job_metro_code")))}
