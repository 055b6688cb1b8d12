"""An error of one part becomes its finding, and the others are looked at all the same."""

from __future__ import annotations

import pytest

from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import PermanentError


def test_an_error_is_a_fault_with_the_remedy_that_it_names() -> None:
    found = [Finding("disk", "it has room")]
    with faults_found("lake", found):
        raise PermanentError("it is gone; since today; restore it")
    with faults_found("database", found):
        raise PermanentError("restore it")
    with faults_found("clock", found):
        found.append(Finding("clock", "it agrees"))
    assert found == [
        Finding("disk", "it has room"),
        Finding("lake", "it is gone; since today", "restore it"),
        Finding("database", "it failed", "restore it"),
        Finding("clock", "it agrees"),
    ]
    assert [one.is_fault for one in found] == [False, True, True, False]


def test_a_part_is_named_once() -> None:
    found: list[Finding] = []
    with faults_found("MLIFE_CONTACTS", found):
        raise PermanentError("MLIFE_CONTACTS: it is gone; restore it")
    assert found == [Finding("MLIFE_CONTACTS", "it is gone", "restore it")]


def test_a_defect_is_no_finding() -> None:
    with pytest.raises(KeyError), faults_found("lake", []):
        raise KeyError("x")
