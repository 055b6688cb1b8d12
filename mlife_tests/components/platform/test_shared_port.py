"""Ports are made once, by whichever view asks first."""

from __future__ import annotations

from functools import cached_property
from unittest.mock import patch

import pytest

from mlife_assets.components.platform.model_platform import ModelPlatform, in_run
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.shared_port import shared_port

PORTS = [
    name
    for kind in Platform.__mro__
    for name, value in vars(kind).items()
    if isinstance(value, cached_property) and name not in {"registry", "model", "model_tables"}
]


@pytest.mark.parametrize("name", PORTS)
def test_a_port_of_a_view_is_that_of_the_platform_whoever_asks_first(name: str, platform: Platform) -> None:
    view = platform.of_model("churn_risk")
    assert getattr(view.of_model("flights"), name) is getattr(platform, name) is getattr(view, name)
    assert isinstance(platform.of_model("late"), Platform)


def test_what_is_of_one_model_is_not_shared(platform: Platform) -> None:
    first = platform.registry
    view = platform.of_model("churn_risk")
    assert (platform.registry, platform.model_name) == (first, "job_applications")
    assert (view.registry.model_name, view.model_name) == ("churn_risk", "churn_risk")
    assert view.of_model("job_applications").registry.model_name == "job_applications"
    for one, group, job in ((platform, "model", "retraining_job"), (view, "churn_risk", "churn_risk_retraining_job")):
        named = (one.retraining_job, one.evaluation, one.reference)
        assert named == (job, f"{group}/evaluation", f"{group}/monitoring_reference")
    assert isinstance(shared_port.__get__(vars(ModelPlatform)["lake"], None, Platform), shared_port)


def test_a_run_keeps_rows_of_its_own_until_another_asks(platform: Platform) -> None:
    one = in_run(platform, "one")
    churn = in_run(platform.of_model("churn_risk"), "one")
    with patch.object(one.warehouse, "rest") as rest:
        assert in_run(platform, "one") is one
    rest.assert_called_once_with()
    assert (churn.model_name, one.model_name) == ("churn_risk", "job_applications")
    assert one.event_log is platform.event_log is churn.event_log
    assert one.warehouse is not platform.warehouse
    made = one.warehouse.once("made", dict)
    other = in_run(platform, "other")
    assert other.warehouse is not one.warehouse
    assert one.warehouse.once("made", dict) is not made
    assert in_run(platform, "one") is not one
