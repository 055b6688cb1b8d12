"""Business and scientific choices: frozen, bounded, documented, hashed into metadata.

Concept: a decision names the hash of the policy that it was taken under, so it can be explained later. Defaults are the
safe choice: off, closed, dry-run.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal

from mlife_assets.core.errors import InvalidInputError

LATER = "later"
"""In the metadata of fields added after policies were first recorded: earlier approvals and decisions stay valid."""

BOOSTING_FIELDS = (
    "base_pieces",
    "base_penalty",
    "negatives_per_kept",
    "negatives_minimum",
    "trees_maximum",
    "learning_rate",
    "leaves",
    "minimum_child_examples",
    "feature_fraction",
    "l2_penalty",
    "rising",
    "falling",
    "search_trials",
)
"""Fields of a training policy for LightGBM alone."""
RECIPES = ("plain", "recent", "linear", "recent_linear", "default", "logistic", "newest")
"""Recipes of a step: recent rows weighted or not, trees on a linear base or not, LightGBM's default trees, none, the
rows of the last 13 weeks alone (`core.training.recipes`).
"""
DEFAULT_RECIPES = ("plain", "newest", "default", "logistic")
GIB = 2**30
MIB = 2**20


@dataclass(frozen=True)
class TrainingPolicy:
    """How a model is fitted.

    `formulations` are tried in order of preference: a later one is used only when it is better on the validation window
    by more than one standard error. The window is the last `validation_days`, and reaches further back until it has
    `validation_minimum_per_class` examples with and without the outcome; but it never has more of either than there is
    to fit on. A curve of probabilities is not learned from a dozen rows: 100 of each is the convention for validating
    one (Vergouwe et al. 2005, doi 10.1016/j.jclinepi.2004.06.017).

    `recipes` compete by the objective for the formulation that was chosen with the first of them. In the recent ones
    the weight of a row halves every `half_life_days` since its exposure; while a concept drift is open it is half the
    drift's age, and not below `half_life_days_in_drift` (`core.training.drifting`). A linear base is piecewise:
    `base_pieces` per number, with slopes shrunk by `base_penalty`.

    If roles name an early label, rows too young for the label learn from it (`core.training.early_label`).

    `rising` and `falling` name features whose effect may only rise or fall. Classes are never weighted: it would break
    the probabilities. If at least `negatives_minimum` stay, one of `negatives_per_kept` rows without any outcome is
    used and counts as many times.

    `search_trials` bounds a search, 0 turns it off. `threads` is fixed because the sums of LightGBM depend on it, and 1
    because two threads that wait for each other on a busy machine were measured twenty times slower than one.
    """

    RETIRED: ClassVar[Mapping[str, str]] = {
        "early_stopping_rounds": "trees stop where the objective gains nothing for 40 trees",
        "early_label_positives": "the early share is counted on the newest 200 positives",
        "early_label_share_minimum": "an early label is used where at least 90 % of the positives come early",
        "early_label_silence_alpha": "a day is silent at an error of .001",
    }

    formulations: tuple[str, ...] = ("funnel", "binary")
    recipes: tuple[str, ...] = DEFAULT_RECIPES
    half_life_days: float = 14.0
    half_life_days_in_drift: float = 3.5
    base_pieces: int = 2
    base_penalty: float = 10.0
    negatives_per_kept: int = 3
    negatives_minimum: int = 50_000
    trees_maximum: int = 200
    learning_rate: float = 0.15
    leaves: int = 7
    minimum_child_examples: int = 200
    feature_fraction: float = 0.5
    l2_penalty: float = 10.0
    rising: tuple[str, ...] = ()
    falling: tuple[str, ...] = ()
    search_trials: int = 0
    validation_days: int = 7
    validation_minimum_per_class: int = 100
    minimum_examples: int = 200
    minimum_positives: int = 30
    isotonic_minimum_positives: int = 1_000
    threads: int = 1
    seed: int = 7

    def __post_init__(self) -> None:
        require_bounded(self, trees_maximum=(1, 10_000), learning_rate=(1e-4, 1), leaves=(2, 4096), threads=(1, 256))
        require_bounded(self, validation_days=(1, 366), minimum_examples=(1, 1e9), minimum_positives=(1, 1e9))
        require_bounded(self, feature_fraction=(0.05, 1), l2_penalty=(0, 1e6), search_trials=(0, 1000))
        require_bounded(self, minimum_child_examples=(1, 1e6), seed=(0, 2**31 - 1))
        require_bounded(self, isotonic_minimum_positives=(1, 1e9), validation_minimum_per_class=(1, 1e9))
        require_bounded(self, half_life_days=(0.1, 36_500), half_life_days_in_drift=(0.1, 36_500))
        require_bounded(self, base_pieces=(1, 16), base_penalty=(0, 1e6))
        require_bounded(self, negatives_per_kept=(1, 1000), negatives_minimum=(1, 1e9))
        if not self.recipes or set(self.recipes) - set(RECIPES):
            raise InvalidInputError(
                f"TrainingPolicy.recipes is {self.recipes}; list {', '.join(RECIPES)} or some of them"
            )
        if "lambdarank" in self.formulations:
            text = "TrainingPolicy.formulations has lambdarank, which never won and is gone; remove it"
            warnings.warn(text, FutureWarning, stacklevel=3)
            kept = tuple(name for name in self.formulations if name != "lambdarank") or ("binary",)
            object.__setattr__(self, "formulations", kept)
        if not self.formulations or set(self.formulations) - {"funnel", "binary"}:
            raise InvalidInputError(f"TrainingPolicy.formulations is {self.formulations}; list funnel, binary or both")
        if both := set(self.rising) & set(self.falling):
            raise InvalidInputError(f"TrainingPolicy: {min(both)} is both rising and falling; keep one")


@dataclass(frozen=True)
class PromotionPolicy:
    """When a challenger replaces the champion. Closed by default: ties and thin evidence refuse.

    A first model, a changed configuration and another estimator have to win. `win_alpha_per_year` bounds the chance
    that changes which are no better are ever promoted within a year of `gates_per_year` gates. Each gate may use an
    equal part of it (Bonferroni), which holds for dependent gates too. A refit of the champion's configuration serves
    unless something speaks against it.

    `one_sided_alpha` is the error of every interval that is shown. `fairness_one_sided_alpha` is the audit's own, since
    a smaller alpha there prevents refusals: a shared one would loosen fairness as the gate tightens.

    Probabilities are judged by slope and by level. The level is the observed over the predicted odds: spend and
    capacity are planned with sums of probabilities, and at .67 a plan is half too large. Its bounds mirror each other,
    as those of the slope do, and are wider: a level fitted on 300 positives of a week and judged on 500 others is known
    to a tenth at best, and to a fifth if days vary together.

    `impact_ratio_minimum` is the four-fifths rule of the Uniform Guidelines: a challenger is refused when the interval
    of a group's impact ratio lies below it. `minimum_group_share` is the share of the audited users below which a group
    is reported and not judged, as New York City's Local Law 144 allows. `gate_block_days` counts without an item only:
    days per resampled block. Rows of one day share its weather, prices and campaigns, so a day is the smallest
    independent unit; if days are correlated, longer blocks keep the error, and the gate needs as many of them
    (`benchmarks/gate.py`).

    `judged_by` decides whether the newest `gate_weeks` are held back. With `folds` they are not: each calendar week of
    them is judged by the recipe fitted on the data known when it began (or later, if the served model was), and the fit
    on all mature data serves. With `holdout` they are: the judged model serves, trained on the data known before the
    first. Scores of the fit on everything must follow those of the newest fold's model, of the same recipe a week or
    two younger: a Spearman correlation below `fold_rank_correlation_minimum` refuses. This is no measure of quality; it
    ensures that the serving fit behaves as the judged recipe: sound refits lie far above it, also across a drift, while
    swapped columns, an inverted label or a failed fit come near 0 or below (docs/adr/0030).

    `rewritten_share_maximum` is the share of the judged rows whose score may differ from the served one, since tables
    correct a few rows late. A leak or a rewritten column changes most; 1 turns this off.
    """

    RETIRED: ClassVar[Mapping[str, str]] = {
        "non_inferiority_margin": "a refit need not be shown to be not inferior, and a change has to win"
    }

    judged_by: Literal["folds", "holdout"] = "folds"
    ranking_depth: int = 10
    minimum_delta_map: float = 0.0
    minimum_users_with_positives: int = 30
    gate_weeks: int = 4
    gate_block_days: int = 1
    bootstrap_resamples: int = 2_000
    one_sided_alpha: float = 0.025
    win_alpha_per_year: float = 0.05
    gates_per_year: int = 58
    fairness_one_sided_alpha: float = 0.025
    calibration_slope_minimum: float = 0.8
    calibration_slope_maximum: float = 1.25
    calibration_level_minimum: float = 0.67
    calibration_level_maximum: float = 1.5
    impact_ratio_minimum: float = 0.8
    minimum_group_share: float = 0.02
    off_policy_minimum_effective_sample: int = 200
    fold_rank_correlation_minimum: float = 0.5
    parity_rows: int = 200
    rewritten_share_maximum: float = field(default=0.02, metadata={LATER: True})
    seed: int = 11

    def __post_init__(self) -> None:
        if self.judged_by not in ("folds", "holdout"):
            raise InvalidInputError(f"PromotionPolicy.judged_by is {self.judged_by!r}; write folds or holdout")
        require_bounded(self, fold_rank_correlation_minimum=(-1, 1))
        require_bounded(self, ranking_depth=(1, 1000), minimum_delta_map=(0, 1), minimum_users_with_positives=(30, 1e9))
        require_bounded(self, gate_weeks=(1, 26), gate_block_days=(1, 28))
        require_bounded(self, bootstrap_resamples=(200, 1e6), one_sided_alpha=(1e-4, 0.2))
        require_bounded(self, win_alpha_per_year=(1e-4, 0.2), gates_per_year=(1, 418))
        require_bounded(self, fairness_one_sided_alpha=(1e-4, 0.2))
        require_bounded(self, impact_ratio_minimum=(0, 1), minimum_group_share=(0, 0.5), parity_rows=(1, 1e6))
        require_bounded(self, rewritten_share_maximum=(0, 1))
        require_bounded(self, off_policy_minimum_effective_sample=(30, 1e9), seed=(0, 2**31 - 1))
        require_bounded(self, calibration_slope_minimum=(0, 1), calibration_slope_maximum=(1, 10))
        require_bounded(self, calibration_level_minimum=(0, 1), calibration_level_maximum=(1, 10))

    @property
    def win_alpha(self) -> float:
        """One-sided error of a win at one gate."""
        return self.win_alpha_per_year / self.gates_per_year


@dataclass(frozen=True)
class MonitoringPolicy:
    """Sizes and limits of monitoring. Samples have a fixed size so that alarms do not grow with traffic.

    `reference_examples` and, for each earlier step of a funnel, `reference_step_examples` bound the scored exposures of
    the reference and of a window; a step is far more frequent than the label, so fewer rows suffice. SHAP values, the
    largest cost of a day, are computed for `explained_rows_per_day` of its rows.

    The domain classifier compares up to `domain_classifier_sample_rows` of a day with as many of the reference. Rows of
    entities are nearly independent, so those are compared with `domain_classifier_entity_reference_rows`: a fifth less
    scatter for a fiftieth of a second.

    `recompute_rows_per_day` feature rows are derived again from raw events: today's before they are scored, and as many
    of yesterday's as they were logged. `changed_share_maximum` is the share of entities whose lasting attribute may
    change in a night, unless that is usual. `accepted_findings` names quality findings as `column/method` that a person
    has verified (a permanently changed unit): they are shown but no longer block. Empty by default.
    """

    sample_rows_per_day: int = 2_000
    reference_days: int = 14
    reference_examples: int = 80_000
    reference_step_examples: int = 40_000
    domain_classifier_sample_rows: int = 2_000
    domain_classifier_entity_reference_rows: int = 8_000
    explained_rows_per_day: int = 1_000
    missing_share_maximum: float = 0.05
    unseen_share_maximum: float = 0.05
    out_of_range_share_maximum: float = 0.02
    rejected_share_maximum: float = 0.01
    duplicate_share_maximum: float = 0.01
    changed_share_maximum: float = 0.02
    recompute_rows_per_day: int = 500
    accepted_findings: tuple[str, ...] = ()
    minimum_mature_positives: int = 100
    false_alarm_rate_per_day: float = 0.01
    seed: int = 13

    def __post_init__(self) -> None:
        require_bounded(
            self, sample_rows_per_day=(100, 1e6), reference_days=(8, 120), false_alarm_rate_per_day=(1e-6, 0.2)
        )
        require_bounded(self, reference_examples=(100, 1e8), reference_step_examples=(100, 1e8))
        require_bounded(self, domain_classifier_entity_reference_rows=(100, 1e6))
        require_bounded(self, domain_classifier_sample_rows=(100, 1e6), explained_rows_per_day=(100, 1e6))
        require_bounded(
            self, missing_share_maximum=(0, 1), unseen_share_maximum=(0, 1), out_of_range_share_maximum=(0, 1)
        )
        require_bounded(
            self, rejected_share_maximum=(0, 1), duplicate_share_maximum=(0, 1), changed_share_maximum=(0, 1)
        )
        require_bounded(self, recompute_rows_per_day=(1, 1e6), minimum_mature_positives=(1, 1e9), seed=(0, 2**31 - 1))
        if unclear := [name for name in self.accepted_findings if not name.partition("/")[2]]:
            raise InvalidInputError(f"MonitoringPolicy.accepted_findings has {unclear[0]!r}; write column/method")


@dataclass(frozen=True)
class RetrainPolicy:
    """When the governor asks for a fit, and how long a drift shapes it.

    A fit is due `days_between_fits` after the last one, if `minimum_new_mature_positives` have matured since, and
    `days_between_fits_in_drift` after it if a kind of drift alarms that had been quiet as long before it.

    Drift is confirmed when its kind alarmed in `alarm_days_needed` of the last `alarm_days_window` looks that share no
    rows, the newest among them: a day apart for inputs, a week for outcomes. For `drift_open_days` from its last
    confirmation young rows weigh more, and references hold no day from before it.

    A retraining that failed is tried again `retry_wait_minutes` after its end, one wait per further attempt; then a
    person is alerted.

    `minimum_importance_share`: data or latent drift counts only if the moved columns carry at least this share of the
    champion's importance (mean |SHAP|). 0 counts all.
    """

    RETIRED: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "cooldown_days",
            "budget_per_30_days",
            "maximum_model_age_days",
            "fits_per_year",
            "fits_for_drift",
            "opening_kinds",
        ),
        "a refit that is due serves unless something speaks against it",
    )

    alarm_days_needed: int = 2
    alarm_days_window: int = 3
    minimum_new_mature_positives: int = 1
    days_between_fits: int = 7
    days_between_fits_in_drift: int = 3
    drift_open_days: int = 42
    retry_wait_minutes: tuple[int, ...] = (10, 60)
    minimum_importance_share: float = 0.05

    def __post_init__(self) -> None:
        require_bounded(self, days_between_fits=(1, 366), days_between_fits_in_drift=(1, 90), drift_open_days=(1, 366))
        require_bounded(self, minimum_importance_share=(0, 1), minimum_new_mature_positives=(0, 1e9))
        require_bounded(self, alarm_days_needed=(1, 30), alarm_days_window=(1, 366))
        if self.alarm_days_needed > self.alarm_days_window:
            raise InvalidInputError("RetrainPolicy.alarm_days_needed exceeds alarm_days_window; lower it")
        if any(not 0 <= minutes <= 10_080 for minutes in self.retry_wait_minutes):
            raise InvalidInputError(f"RetrainPolicy.retry_wait_minutes is {self.retry_wait_minutes}; use 0 to 10080")


def policy_version(policy: object) -> str:
    """Return a short content hash of a policy dataclass instance, without `LATER` fields at their default."""
    text = json.dumps(_stated(policy), sort_keys=True)
    return "pol_" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _stated(value: Any) -> Any:
    if is_dataclass(value):
        held = {one: getattr(value, one.name) for one in fields(value)}
        return {
            one.name: _stated(said) for one, said in held.items() if said != one.default or LATER not in one.metadata
        }
    if isinstance(value, dict):
        return {key: _stated(one) for key, one in value.items()}
    return [_stated(one) for one in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class ExampleFilePolicy:
    """Limits on a file of examples, which may come from strangers, and on the SQL of its spec.

    `maximum_bytes` bounds the unpacked size and the examples' memory. Text compresses 5 to 20 times; an archive beyond
    `maximum_ratio`, which counts from `ratio_from_bytes` on, is an attack on the disk.
    """

    maximum_bytes: int = 4 * GIB
    maximum_ratio: int = 200
    ratio_from_bytes: int = GIB // 16
    memory_bytes: int = 4 * GIB
    seconds: int = 600

    def __post_init__(self) -> None:
        require_bounded(self, maximum_bytes=(1, 2**44), maximum_ratio=(2, 1032), ratio_from_bytes=(0, 2**40))
        require_bounded(self, memory_bytes=(GIB // 16, 2**44), seconds=(1, 86_400))


@dataclass(frozen=True)
class BacktestPolicy:
    """How a history is replayed, and the margins for "worse".

    `margin_average_precision` and `margin_log_loss` (nats per row) are the non-inferiority margins of a policy against
    the best, by the lower bound of the difference.

    `warmup_days` pass before the first champion, more if it cannot be trained or monitored yet. The naive rival
    retrains every `naive_retrain_days`; the other when drift alarmed in `alarms_needed` of the last `alarms_window`
    windows. A window of monitoring lasts at least `window_days_minimum` days and until it holds monitoring's sample
    size. A twin of the first champion holds back at most `gate_rows_share_maximum` of the mature rows, which show its
    scores of unseen rows.

    Days are resampled in blocks of `bootstrap_block_days`, so that neighbouring days stay together.
    """

    RETIRED: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("gate_is_prequential", "gate_fold_days", "model_age_share_maximum"),
        "a refit that is due serves unless something speaks against it",
    )

    margin_average_precision: float = 0.01
    margin_log_loss: float = 0.01
    warmup_days: int = 60
    naive_retrain_days: int = 7
    alarms_needed: int = 2
    alarms_window: int = 5
    window_days_minimum: int = 1
    gate_rows_share_maximum: float = 0.5
    bootstrap_block_days: int = 7
    bootstrap_resamples: int = 1_000
    one_sided_alpha: float = 0.025
    seed: int = 17

    def __post_init__(self) -> None:
        require_bounded(self, margin_average_precision=(0, 0.5), margin_log_loss=(0, 1))
        require_bounded(self, warmup_days=(10, 3650), naive_retrain_days=(1, 366))
        require_bounded(self, alarms_needed=(1, 60), alarms_window=(1, 60), window_days_minimum=(1, 366))
        require_bounded(
            self, gate_rows_share_maximum=(0.05, 0.8), bootstrap_block_days=(1, 60), one_sided_alpha=(1e-4, 0.2)
        )
        require_bounded(self, bootstrap_resamples=(200, 1e6), seed=(0, 2**31 - 1))
        if self.alarms_needed > self.alarms_window:
            raise InvalidInputError("BacktestPolicy.alarms_needed exceeds alarms_window; lower it")


@dataclass(frozen=True)
class LandingPolicy:
    """Limits on landing files; a file beyond them is refused and the rest of landing goes on.

    A day of 10,000 users is a file of 2 MB with 30,000 rows. Files of a type and day beyond `maximum_files` are
    refused, since each is compared with all others; so are those beyond `maximum_bytes` or `maximum_cpu_seconds` in
    total. `maximum_rows`, `maximum_values` (cells and elements of lists) and `maximum_decoded_bytes` bound the size of
    a decoded file, so that reading and judging it stays below 2 GB. `worker_memory_bytes` bounds the decoding
    process beyond its libraries. A file may cost `decoding_cpu_seconds`, and `decoding_seconds` of wall time, which is
    more because a machine may be busy.
    """

    maximum_files: int = 1_000
    maximum_bytes: int = 8192 * MIB
    maximum_cpu_seconds: int = 600
    maximum_file_bytes: int = 128 * MIB
    maximum_rows: int = 1_000_000
    maximum_values: int = 32_000_000
    maximum_decoded_bytes: int = 256 * MIB
    worker_memory_bytes: int = 1024 * MIB
    decoding_cpu_seconds: int = 30
    decoding_seconds: int = 120

    def __post_init__(self) -> None:
        require_bounded(self, maximum_files=(1, 100_000), maximum_bytes=(1024, 2**40), maximum_cpu_seconds=(1, 86_400))
        require_bounded(self, maximum_file_bytes=(1024, 2**31 - 1), maximum_rows=(1, 1e8), maximum_values=(1, 2e9))
        require_bounded(self, maximum_decoded_bytes=(1024, 2**31 - 1), worker_memory_bytes=(128 * MIB, 2**36))
        require_bounded(self, decoding_cpu_seconds=(1, 3600), decoding_seconds=(1, 7200))


def require_bounded(owner: object, **bounds: tuple[float, float]) -> None:
    """Raise InvalidInputError naming the first field of `owner` that lies outside its (low, high), both included."""
    for name, (low, high) in bounds.items():
        value = getattr(owner, name)
        if not low <= value <= high:
            raise InvalidInputError(f"{type(owner).__name__}.{name} is {value}; set it between {low} and {high}")


def fields_that_count(policy: TrainingPolicy, *, is_boosted: bool) -> dict[str, Any]:
    """Return the fields of a policy that affect a fit by LightGBM or by another estimator."""
    return {name: value for name, value in asdict(policy).items() if is_boosted or name not in BOOSTING_FIELDS}


def require_no_boosting(policy: TrainingPolicy) -> None:
    """Refuse options that only LightGBM supports: a direction of an effect, a search for parameters.

    Raises:
        InvalidInputError: the policy asks for one of them; names it.
    """
    for name in ("rising", "falling", "search_trials"):
        if value := getattr(policy, name):
            shown = value if isinstance(value, int) else ", ".join(value)
            raise InvalidInputError(
                f"TrainingPolicy.{name} is {shown}, which LightGBM alone keeps; leave {name} out, or the estimator"
            )
