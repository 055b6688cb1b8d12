"""The search as a job: bounded by its run, resumed where it stopped, and used by later challengers only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.model.hyperparameters import JOURNAL, REPORT, searched_policy
from mlife_assets.components.model.training_inputs import training_set_of
from mlife_assets.components.running.driver import QUIET
from mlife_assets.core.training import search
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.training_set import first_gate_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day

pytestmark = pytest.mark.proof

TRIALS = 3
SEARCHED = ("leaves", "minimum_child_examples", "feature_fraction", "l2_penalty")


class Killed(BaseException):
    """The process dies: nothing on our side may catch it."""


@contextmanager
def counted_fits(killed_at: int | None = None) -> Iterator[list[Any]]:
    """Count the fits of a search; the one of number `killed_at` does not come back."""
    fits: list[Any] = []
    tune = search.tune

    def counted(*arguments: Any) -> Any:
        if len(fits) == killed_at:
            raise Killed
        fits.append(arguments)
        return tune(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "tune", counted)
        yield fits


def run_search(home: Any, day: Any, trials: int = TRIALS) -> dg.ExecuteInProcessResult:
    """Run `search_job` as the UI does, with a run config."""
    config = {**QUIET, "ops": {"model__hyperparameters": {"config": {"trials": trials}}}}
    with home.instance() as instance:
        job = home.definitions.resolve_job_def("search_job")
        return job.execute_in_process(instance=instance, partition_key=day.isoformat(), run_config=config)


@dataclass(frozen=True)
class Searched:
    """A home in which a search was killed, resumed, and then done again in one go."""

    home: Any
    day: Any
    fits: tuple[int, int, int]
    reported_when_killed: bool
    resumed: dict[str, Any]
    shown: dict[str, Any]
    at_once: dict[str, Any]


@pytest.fixture(scope="module")
def searched(lived, lived_world, tmp_path_factory) -> Searched:
    training = replace(lived_world.POLICIES.training, formulations=("binary",), trees_maximum=15)
    folder = tmp_path_factory.mktemp("searched") / "home"
    home = lived.home.copy_to(folder, replace(lived_world.POLICIES, training=training))
    day, tables = home.day(lived_world.RETRAIN_DAY), home.platform.tables
    with counted_fits(killed_at=1) as first, pytest.raises(Killed):
        run_search(home, day)
    is_reported = bool(tables.report_days(REPORT))
    with counted_fits() as second:
        result = run_search(home, day)
    resumed = tables.read_report(REPORT, day)
    (made,) = result.asset_materializations_for_node("model__hyperparameters")
    (home.settings.private_folder / JOURNAL).unlink()
    with counted_fits() as third:
        run_search(home, day)
    fits = (len(first), len(second), len(third))
    return Searched(home, day, fits, is_reported, resumed, dict(made.metadata), tables.read_report(REPORT, day))


def test_a_killed_search_goes_on_where_it_stopped(searched) -> None:
    assert searched.fits == (1, TRIALS - 1, TRIALS), "a finished trial is not fitted again"
    assert not searched.reported_when_killed, "half a search is no result"
    assert searched.resumed == searched.at_once


def test_the_run_bounds_the_search_and_shows_its_history(searched) -> None:
    shown = searched.shown
    assert shown["dagster/row_count"].value == TRIALS
    trials = [row.data for row in shown["trials"].records]
    assert [row["trial"] for row in trials] == [0, 1, 2]
    policy = asdict(searched.home.platform.policies.training)
    assert {name: trials[0][name] for name in SEARCHED} == {name: policy[name] for name in SEARCHED}
    assert shown["log_loss"].value == searched.resumed["log_loss"]
    assert min(row["log_loss"] for row in trials) == pytest.approx(shown["log_loss"].value, abs=1e-6)
    assert shown["improvement"].value >= 0
    assert "data:image/png;base64,iVBOR" in shown["history"].value


def test_a_later_challenger_uses_what_was_found_and_an_earlier_one_does_not(searched, lived_world) -> None:
    """The parameters are put out of the ordinary, so that they cannot be the policy's own by chance."""
    home, platform = searched.home, searched.home.platform
    found = {"leaves": 5, "minimum_child_examples": 33, "feature_fraction": 0.75, "l2_penalty": 3.5}
    report = {"parameters": found, "log_loss": 0.1, "known_by": searched.resumed["known_by"]}
    platform.tables.write_report(REPORT, searched.day, report)
    own = platform.policies.training
    assert searched_policy(platform.of_model(), add_days(searched.day, -1)) == own
    assert searched_policy(platform.of_model(), searched.day) == replace(own, **found)
    versions = {}
    for day in (add_days(home.day(1), -1), home.day(lived_world.DAYS)):
        home.run_assets(day, keys.CANDIDATE_MODEL)
        version = platform.tables.read_report("challenger", day)["model_version"]
        manifest = platform.of_model().registry.load(version).manifest
        versions[day] = {name: manifest["policy"][name] for name in SEARCHED}
    earlier, later = versions.values()
    assert earlier == {name: getattr(own, name) for name in SEARCHED}
    assert later == found


def test_a_search_sees_no_outcome_of_the_weeks_that_are_judged(searched) -> None:
    platform, day = searched.home.platform, searched.day
    policy, label = platform.policies.promotion, platform.policies.label
    first = fold_starts(day, label.apply_window_days, policy.gate_weeks)[0]
    assert searched.resumed["known_by"] == first.isoformat()
    windows = {"is_clicked": label.click_window_days, "is_applied": label.apply_window_days}
    complete = {step: last_mature_exposure_day(first, days) for step, days in windows.items()}
    assert training_set_of(platform.of_model(), first).trained_to == complete


@pytest.mark.parametrize(("later", "is_used"), [(0, True), (-7, False)])
def test_a_search_that_saw_the_weeks_is_not_used_on_them(searched, later: int, is_used: bool) -> None:
    """Also one of release 0.1.0, which looked at what a holdout left and wrote down nothing of it."""
    platform = searched.home.platform
    found = {"leaves": 6, "minimum_child_examples": 34, "feature_fraction": 0.7, "l2_penalty": 4.5}
    known_by = date.fromisoformat(searched.resumed["known_by"])
    earlier = (add_days(searched.day, -back) for back in range(30))
    released = next(one for one in earlier if first_gate_day(one, platform.of_model().model) == known_by)
    for known, day in ((searched.resumed["known_by"], searched.day), (None, released)):
        for one in platform.tables.report_days(REPORT):
            platform.tables.write_report(REPORT, one, {"parameters": {}, "log_loss": 0.1, "known_by": "2100-01-01"})
        report = {"parameters": found, "log_loss": 0.1} | ({} if known is None else {"known_by": known})
        platform.tables.write_report(REPORT, day, report)
        policy = searched_policy(platform.of_model(), add_days(searched.day, later))
        platform.tables.write_report(REPORT, day, report | {"known_by": "2100-01-01"})
        assert (policy.leaves == found["leaves"]) is is_used
