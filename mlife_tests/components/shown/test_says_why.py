"""What the UI shows first of a step that failed."""

from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.shown.says_why import blocks_and_says_why, says_why
from mlife_assets.core.errors import GateClosedError, NotFoundError


def failure_of(instance: dg.DagsterInstance, *assets: Any, checks: Any = ()) -> Any:
    job = dg.define_asset_job("job", dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    definitions = dg.Definitions(assets=assets, asset_checks=checks, jobs=[job])
    result = definitions.resolve_job_def("job").execute_in_process(instance=instance, raise_on_error=False)
    return result, [event.step_failure_data for event in result.all_events if event.is_step_failure]


def test_an_expected_error_is_the_first_line_and_has_no_cause_below(instance) -> None:
    @dg.asset
    @says_why
    def early(context: dg.AssetExecutionContext) -> None:
        raise NotFoundError("2026-06-05 has not landed yet; run 2026-06-03 first")

    _, (failure,) = failure_of(instance, early)
    assert failure.error.message.splitlines() == [
        "dagster._core.definitions.events.Failure: 2026-06-05 has not landed yet; run 2026-06-03 first"
    ]
    assert failure.error.cause is None
    assert failure.user_failure_data.description == "2026-06-05 has not landed yet; run 2026-06-03 first"
    assert failure.user_failure_data.metadata["kind"].value == "NotFoundError"


def test_a_package_of_an_extra_that_is_missing_is_named_and_another_import_keeps_its_trace(instance) -> None:
    @dg.asset
    @says_why
    def plans() -> None:
        raise ModuleNotFoundError("No module named 'ortools'", name="ortools.graph")

    @dg.asset
    @says_why
    def mistyped() -> None:
        raise ModuleNotFoundError("No module named 'panadas'", name="panadas")

    _, (failure,) = failure_of(instance, plans)
    wanted = "ortools is not installed; run: pip install 'mlife[messages]'"
    assert failure.user_failure_data.description == wanted
    _, (failure,) = failure_of(instance, mistyped)
    assert failure.user_failure_data is None
    assert "panadas" in failure.error.cause.message


def test_an_unexpected_error_keeps_its_trace(instance) -> None:
    @dg.asset
    @says_why
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    _, (failure,) = failure_of(instance, broken)
    assert "ZeroDivisionError" in failure.error.cause.cls_name


def test_generators_say_why_too() -> None:
    @says_why
    def yielding() -> Any:
        yield 1
        raise GateClosedError("no consent")

    found = yielding()
    assert next(found) == 1
    with pytest.raises(dg.Failure, match="no consent") as caught:
        next(found)
    assert isinstance(caught.value.__context__, GateClosedError)


@pytest.mark.parametrize("passes", [True, False])
def test_a_blocking_check_stops_what_follows_and_says_why(instance, passes) -> None:
    ran = []

    @dg.asset
    def first() -> None: ...

    @dg.asset(deps=[first])
    def second() -> None:
        ran.append("second")

    @dg.asset_check(asset=first, blocking=True)
    @blocks_and_says_why
    def is_sound(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passes, description="pay is in cents", metadata={"rows": 3})

    result, failures = failure_of(instance, first, second, checks=[is_sound])
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.blocking, evaluation.metadata["rows"].value) == (passes, True, 3)
    assert ran == (["second"] if passes else [])
    assert [failure.user_failure_data.description for failure in failures] == ([] if passes else ["pay is in cents"])
