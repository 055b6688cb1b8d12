"""Labels: what is said of a job whose own words are not.

Concept: a label has no letter of a stranger. An occupation that is not listed is called by its major group, which
landing checks; a city that is not listed is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files


def _listed(name: str) -> list[list[str]]:
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))[1:]


@lru_cache(maxsize=1)
def closed_lists() -> tuple[dict[str, str], dict[str, str]]:
    """Return SOC code, or major group -> label, and CBSA code -> city."""
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
    title = title or labels.get(group)
    if title is None:
        return None
    return {**job, "title": title, "employer_name": None, "metro_name": cities.get(str(job.get("job_metro_code")))}
