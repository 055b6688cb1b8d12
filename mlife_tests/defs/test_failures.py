"""A step that fails by an error of ours says it first; what went wrong otherwise stays as it is."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from mlife_assets.core.errors import GateClosedError, TransientError
from mlife_assets.core.policies import Policies
from mlife_assets.defs.failures import outspoken
from mlife_assets.defs.resources import Platform
from mlife_assets.settings import Settings


def failure_of(error: Exception, platform: Platform, *, is_generator: bool) -> dg.DagsterEvent:
    """Return the failure of a step that raises `error`."""
    if is_generator:

        @dg.asset
        def breaks(platform: dg.ResourceParam[Platform]):
            yield dg.AssetObservation("breaks")
            raise error

    else:

        @dg.asset
        def breaks(context, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
            raise error

    result = dg.materialize([outspoken(breaks)], resources={"platform": platform}, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return failure


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(settings=Settings(home=tmp_path), policies=Policies())


@pytest.mark.parametrize("is_generator", [False, True])
def test_an_error_of_ours_comes_first_with_its_runbook(platform, is_generator) -> None:
    error = GateClosedError("the day is over; plan the newest")
    failed = failure_of(error, platform, is_generator=is_generator).step_failure_data
    assert failed.user_failure_data.description == "The day is over; plan the newest"
    assert failed.user_failure_data.metadata["runbook"].value == "http://127.0.0.1:3001/runbooks/failed_run"
    assert failed.error.message.startswith("dagster._core.definitions.events.Failure: The day is over")
    assert failed.error.cause.cls_name == "GateClosedError"


def test_only_what_may_pass_may_be_tried_again(platform) -> None:
    for error, may_pass in ((GateClosedError("closed"), False), (TransientError("busy"), True)):

        @dg.asset
        def breaks(platform: dg.ResourceParam[Platform]) -> None:
            raise error  # noqa: B023 - run at once

        with pytest.raises(dg.Failure) as raised:
            dg.materialize([outspoken(breaks)], resources={"platform": platform})
        assert raised.value.allow_retries == may_pass
        with pytest.raises(type(error)):
            dg.materialize([breaks], resources={"platform": platform})


@pytest.mark.parametrize("is_generator", [False, True])
def test_a_defect_keeps_its_trace(platform, is_generator) -> None:
    failed = failure_of(ValueError("a defect"), platform, is_generator=is_generator).step_failure_data
    assert failed.user_failure_data is None
    assert failed.error.cause.cls_name == "ValueError"


def test_every_step_of_the_graph_is_outspoken(definitions) -> None:
    steps = [*definitions.assets, *definitions.asset_checks]
    assert len(steps) > 30
    silent = [step.op.name for step in steps if step.op.compute_fn.decorated_fn.__code__.co_name != "step"]
    assert silent == []
