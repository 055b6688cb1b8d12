"""The hyper-parameter search: bounded, seeded, resumable, off by default.

Concept: Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) proposes, the log loss of the
validation window decides. Trial 0 is the current policy. The sampler is reseeded for each trial, so a resumed search
proposes the same trials as an uninterrupted one. The gate window is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.pictures import palette_png
from mlife_assets.core.policies import TrainingPolicy, policy_version
from mlife_assets.core.training.formulations import available_formulations, require_both_classes, tune, tuning_spec
from mlife_assets.core.training.training_set import TrainingSet

BOUNDS: dict[str, tuple[Any, Any]] = {
    "leaves": (4, 63),
    "minimum_child_examples": (20, 2_000),
    "feature_fraction": (0.3, 1.0),
    "l2_penalty": (0.01, 100.0),
}
STARTUP_TRIALS = 5


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        number: from 0, in order.
        parameters: policy field -> value.
        log_loss: of the validation window; lower is better.
    """

    number: int
    parameters: dict[str, float]
    log_loss: float


@dataclass(frozen=True)
class Search:
    """A finished search: all trials in order."""

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the lowest log loss, the earlier one of equals."""
        return min(self.trials, key=lambda trial: (trial.log_loss, trial.number))

    def tuned(self, policy: TrainingPolicy) -> TrainingPolicy:
        """Return the policy with the parameters of the best trial."""
        return with_parameters(policy, self.best.parameters)


def with_parameters(policy: TrainingPolicy, parameters: dict[str, float]) -> TrainingPolicy:
    """Return the policy with searched parameters in place."""
    return replace(
        policy,
        leaves=int(parameters["leaves"]),
        minimum_child_examples=int(parameters["minimum_child_examples"]),
        feature_fraction=float(parameters["feature_fraction"]),
        l2_penalty=float(parameters["l2_penalty"]),
    )


def search(
    training: TrainingSet,
    policy: TrainingPolicy,
    storage: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Search:
    """Return the search over `policy.search_trials` trials; trials in `storage` are not run again.

    Args:
        training: rows to fit and validate on.
        policy: parameters of trial 0, and the number of trials.
        storage: an Optuna storage; None keeps trials in memory.
        progress: called with (trials done, trials in all).

    Raises:
        InvalidInputError: the policy turns the search off.
        NotEnoughEvidenceError: no formulation can be learned, since a step has one class only.
    """
    import optuna

    if policy.search_trials < 1:
        raise InvalidInputError("TrainingPolicy.search_trials is 0, which turns the search off; set it to 1 or more")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = tuning_spec(training)
    formulation = _searched_formulation(training, policy)
    study = optuna.create_study(
        storage=storage,
        study_name=study_name(training, policy),
        direction="minimize",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(seed=policy.seed),
    )
    done = _finished(study)
    while len(done) < policy.search_trials:
        number = len(done)
        study.sampler = _sampler(policy.seed + number)
        if number == 0 and not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,)):
            present = {name: getattr(policy, name) for name in BOUNDS}
            study.enqueue_trial({name: min(max(present[name], low), high) for name, (low, high) in BOUNDS.items()})
        trial = study.ask()
        parameters = {
            **{name: trial.suggest_int(name, *BOUNDS[name], log=True) for name in ("leaves", "minimum_child_examples")},
            "feature_fraction": trial.suggest_float("feature_fraction", *BOUNDS["feature_fraction"]),
            "l2_penalty": trial.suggest_float("l2_penalty", *BOUNDS["l2_penalty"], log=True),
        }
        tuned = tune(formulation, training, spec, with_parameters(policy, parameters))
        study.tell(trial, tuned.log_loss)
        done = _finished(study)
        if progress is not None:
            progress(len(done), policy.search_trials)
    return Search(tuple(done[: policy.search_trials]))


def study_name(training: TrainingSet, policy: TrainingPolicy) -> str:
    """Return the name of a search, which depends on rows, features and policy."""
    roles = hashlib.sha256(training.roles.to_json().encode()).hexdigest()[:12]
    return f"{training.data_hash[:16]}-{roles}-{policy_version(replace(policy, search_trials=0))}"


def plot_search(found: Search) -> bytes:
    """Return a PNG of the log loss of each trial and of the best so far."""
    from matplotlib.figure import Figure

    losses = [trial.log_loss for trial in found.trials]
    best = [min(losses[: place + 1]) for place in range(len(losses))]
    figure = Figure(figsize=(6.4, 3.2), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(len(losses)), losses, "o", color="#9aa4af", markersize=4, label="trial")
    axes.step(range(len(best)), best, where="post", color="#3566a8", label="best so far")
    axes.set_xlabel("trial (0 is the policy as it is)")
    axes.set_ylabel("log loss, validation window")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return palette_png(figure)


def _searched_formulation(training: TrainingSet, policy: TrainingPolicy) -> str:
    """Return the first formulation that can be learned."""
    refused = []
    for name in available_formulations(training, policy):
        try:
            require_both_classes(name, training)
        except NotEnoughEvidenceError as error:
            refused.append(f"{name}: {error}")
        else:
            return name
    raise NotEnoughEvidenceError("; ".join(refused))


def _sampler(seed: int) -> Any:
    """Return a sampler that uses finished trials only: with `constant_liar`, one left by a crash would count."""
    import optuna

    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, constant_liar=False)


def _finished(study: Any) -> list[Trial]:
    """Return finished trials in order, without those interrupted by a crash."""
    import optuna

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ordered = sorted(complete, key=lambda trial: trial.number)
    return [Trial(place, dict(trial.params), float(trial.value)) for place, trial in enumerate(ordered)]
