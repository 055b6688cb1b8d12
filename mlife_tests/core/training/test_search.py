"""The search: resumed or in one go it is the same search, and trial 0 is the policy as it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training import search as search_module
from mlife_assets.core.training.formulations import tune, tuning_spec
from mlife_assets.core.training.search import (
    BOUNDS,
    STARTUP_TRIALS,
    Search,
    Trial,
    plot_search,
    search,
    study_name,
    with_parameters,
)
from mlife_assets.core.training.training_set import TrainingSet

POLICY = TrainingPolicy(trees_maximum=4, minimum_child_examples=30, search_trials=5, formulations=("binary",))
LONGER = replace(POLICY, trees_maximum=2, search_trials=STARTUP_TRIALS + 3)


class InterruptedSearchError(Exception):
    """What stops a search in the middle."""


def stop_after(trials: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done == trials:
            raise InterruptedSearchError

    return progress


def opened(kind: str, folder: Path) -> Any:
    import optuna

    if kind == "memory":
        return optuna.storages.InMemoryStorage()
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "journal.log")))


def reopened(kind: str, folder: Path, storage: Any) -> Any:
    """Return what another process would open: the journal from its file; memory has no other."""
    return storage if kind == "memory" else opened(kind, folder)


@pytest.fixture(scope="module")
def longer(training_set: TrainingSet) -> Search:
    return search(training_set, LONGER)


def test_trial_0_is_the_policy_as_it_is_and_the_rest_stays_in_bounds(training_set: TrainingSet, longer: Search) -> None:
    own = {name: getattr(LONGER, name) for name in BOUNDS}
    assert longer.trials[0].parameters == own
    tuned = tune("binary", training_set, tuning_spec(training_set), LONGER)
    assert longer.trials[0].log_loss == tuned.log_loss
    assert [trial.number for trial in longer.trials] == list(range(LONGER.search_trials))
    assert len({tuple(sorted(trial.parameters.items())) for trial in longer.trials}) == LONGER.search_trials
    for trial in longer.trials:
        assert set(trial.parameters) == set(BOUNDS)
        for name, (low, high) in BOUNDS.items():
            assert low <= trial.parameters[name] <= high
        assert 0 < trial.log_loss < 1


def test_a_policy_out_of_bounds_starts_at_the_nearest(training_set: TrainingSet) -> None:
    wide = replace(
        POLICY, search_trials=1, leaves=200, minimum_child_examples=5, feature_fraction=0.1, l2_penalty=1_000.0
    )
    found = search(training_set, wide).trials[0].parameters
    assert found == {"leaves": 63, "minimum_child_examples": 20, "feature_fraction": 0.3, "l2_penalty": 100.0}


@pytest.mark.parametrize(("kind", "after"), [("memory", 1), ("journal", STARTUP_TRIALS + 1)])
def test_a_search_that_was_interrupted_and_resumed_is_the_search_in_one_go(
    training_set: TrainingSet, longer: Search, tmp_path: Path, kind: str, after: int
) -> None:
    storage = opened(kind, tmp_path)
    with pytest.raises(InterruptedSearchError):
        search(training_set, LONGER, storage, stop_after(after))
    seen: list[tuple[int, int]] = []
    resumed = search(
        training_set, LONGER, reopened(kind, tmp_path, storage), lambda done, most: seen.append((done, most))
    )
    assert resumed == longer
    most = LONGER.search_trials
    assert seen == [(done, most) for done in range(after + 1, most + 1)]
    assert search(training_set, LONGER, reopened(kind, tmp_path, storage), stop_after(most)) == longer


@pytest.mark.parametrize(("kind", "during"), [("memory", STARTUP_TRIALS + 1), ("journal", 0), ("journal", 2)])
def test_a_crash_within_a_trial_loses_that_trial_only(
    training_set: TrainingSet, longer: Search, tmp_path: Path, kind: str, during: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []

    def crashing(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == during + 1:
            raise InterruptedSearchError
        return tune(*arguments)

    storage = opened(kind, tmp_path)
    monkeypatch.setattr(search_module, "tune", crashing)
    with pytest.raises(InterruptedSearchError):
        search(training_set, LONGER, storage)
    assert search(training_set, LONGER, reopened(kind, tmp_path, storage)) == longer
    assert len(calls) == LONGER.search_trials + 1


def test_more_trials_go_on_and_fewer_look_back(training_set: TrainingSet, longer: Search, tmp_path: Path) -> None:
    storage = opened("journal", tmp_path)
    assert search(training_set, replace(LONGER, search_trials=3), storage).trials == longer.trials[:3]
    assert search(training_set, LONGER, storage) == longer
    assert search(training_set, replace(LONGER, search_trials=2), storage).trials == longer.trials[:2]


def test_another_seed_proposes_other_trials(training_set: TrainingSet) -> None:
    found = [search(training_set, replace(POLICY, search_trials=2, seed=seed)).trials for seed in (1, 2)]
    assert found[0][0].parameters == found[1][0].parameters
    assert found[0][1].parameters != found[1][1].parameters


def test_other_data_features_or_policy_are_another_search(training_set: TrainingSet) -> None:
    roles = training_set.roles
    names = [
        study_name(training_set, POLICY),
        study_name(replace(training_set, data_hash="0" * 64), POLICY),
        study_name(replace(training_set, roles=replace(roles, features=roles.features[:-1])), POLICY),
        study_name(training_set, replace(POLICY, learning_rate=0.06)),
        study_name(training_set, replace(POLICY, rising=("taste_match",))),
    ]
    assert len(set(names)) == 5
    assert study_name(training_set, replace(POLICY, search_trials=50)) == names[0]


def test_a_search_that_is_off_is_refused(training_set: TrainingSet) -> None:
    with pytest.raises(InvalidInputError, match="search_trials is 0, which turns the search off"):
        search(training_set, replace(POLICY, search_trials=0))


def test_a_formulation_that_cannot_be_learned_is_not_searched(training_set: TrainingSet) -> None:
    place = training_set.examples.column_names.index("is_clicked")
    everyone = pa.array([True] * training_set.examples.num_rows)
    training = replace(training_set, examples=training_set.examples.set_column(place, "is_clicked", everyone))
    one = replace(POLICY, search_trials=1)
    found = search(training, replace(one, formulations=("funnel", "binary")))
    assert found.trials == search(training_set, one).trials
    place = training.examples.column_names.index("is_applied")
    nobody = training.examples.set_column(place, "is_applied", pa.array([False] * training.examples.num_rows))
    with pytest.raises(NotEnoughEvidenceError, match="binary: is_applied has 0 positives"):
        search(replace(training, examples=nobody), one)


def test_the_best_trial_is_applied_and_the_earlier_of_equals_wins() -> None:
    parameters = {"leaves": 12, "minimum_child_examples": 77, "feature_fraction": 0.7, "l2_penalty": 3.5}
    worse = Trial(0, parameters | {"leaves": 5}, 0.3)
    found = Search((worse, Trial(1, parameters, 0.2), Trial(2, parameters | {"leaves": 50}, 0.2)))
    assert found.best.number == 1
    policy = found.tuned(POLICY)
    assert policy == with_parameters(POLICY, parameters)
    assert policy == replace(POLICY, leaves=12, minimum_child_examples=77, feature_fraction=0.7, l2_penalty=3.5)
    assert isinstance(policy.leaves, int)
    assert isinstance(policy.minimum_child_examples, int)


def test_the_plot_is_the_same_png_twice(longer: Search) -> None:
    from PIL import Image

    picture = plot_search(longer)
    assert picture == plot_search(longer)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    with Image.open(io.BytesIO(picture)) as image:
        assert image.width > image.height > 100
        assert len(image.convert("RGB").getcolors(1_000_000)) > 3
    assert plot_search(Search(longer.trials[:1])) != picture
