"""What is said of a job whose own words are not."""

from __future__ import annotations

import re

import pytest

from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.source import _TITLE_PREFIX
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.messaging.job_labels import closed_lists, labelled
from mlife_assets.recruiting.messaging.job_wordings import broken_rules
from mlife_assets.recruiting.messaging.plain_titles import is_plain_title

JOB = {"job_id": "j", "title": "Call me", "employer_name": "Evil", "job_occupation_group": "29"}


@pytest.mark.parametrize(
    ("group", "code", "metro", "said"),
    [
        ("29", "29-1141", "16980", ("Registered Nurse", "Chicago")),
        ("29", "29-9999", "16980", ("Healthcare job", "Chicago")),
        ("29", None, "x", ("Healthcare job", None)),
        ("35", "29-1141", None, ("Food service job", None)),
        ("35", "evil.com", "16980", ("Food service job", "Chicago")),
    ],
)
def test_a_label_is_of_closed_lists_alone(group, code, metro, said):
    found = labelled(JOB | {"job_occupation_group": group, "job_metro_code": metro}, code)
    assert found is not None
    assert (found["title"], found["metro_name"]) == said
    assert found["employer_name"] is None


@pytest.mark.parametrize("group", ["99", None, "", "Call me"])
def test_an_occupation_of_no_group_has_no_label(group):
    assert labelled(JOB | {"job_occupation_group": group, "job_metro_code": "16980"}, f"{group}-1141") is None


def test_each_group_that_may_land_has_a_label_and_the_market_is_called_as_it_calls_itself():
    occupations, cities = closed_lists()
    assert {code for code in occupations if len(code) == 2} == set(OCCUPATION_GROUPS)
    assert all(re.fullmatch(r"(\d{2})(-\d{4})?", code) and code[:2] in OCCUPATION_GROUPS for code in occupations)
    catalogue = load_catalogue()
    assert occupations.items() >= dict(zip(catalogue.occupation_codes, catalogue.titles, strict=True)).items()
    assert cities.items() >= {metro.metro_code: metro.city for metro in catalogue.metros}.items()


def test_labels_and_titles_of_the_market_keep_the_rules_of_titles():
    assert not [label for label in closed_lists()[0].values() if broken_rules(label, "Northstar Jobs", ())]
    assert not [label for code, label in closed_lists()[0].items() if len(code) > 2 and not is_plain_title(label)]
    titles = [prefix + title for prefix in _TITLE_PREFIX for title in load_catalogue().titles]
    assert not [title for title in titles if not is_plain_title(title)]
