"""The truth behind the market: what only a simulator knows. No asset may read it.

Concept: a store of its own. `parameters/dt=D/parameters.json` holds what moved on day D and which injections were felt;
`people/dt=D/people.parquet` the true tastes whenever they changed; `jobs/dt=D/jobs.parquet` the hidden side of new
postings. The oracle ranks with the very formula that people follow.

Expected MAP is the ceiling: realised applications also depend on the jobs that a site displayed, so no ranking of all
candidates can be the ceiling of a MAP on them. Here every candidate is relevant with its true
probability of an application if it were shown first, and the ranking by these probabilities is the ceiling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import Mood, Response, mood_of_day, respond
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import Population, epoch_us
from mlife_assets.market.simulation import DayRecord
from mlife_assets.market.vacancies import job_ids
from mlife_assets.market.world import Calibration, MarketConfig
from mlife_assets.recruiting.events import EMBEDDING_SIZE

PERSON_COLUMNS = ("group", "seniority", "shift", "latitude", "longitude", "reservation_pay", "activity", "view_rate")
WEIGHT_COLUMNS = ("pay_weight", "distance_weight")
"""Not there in a world whose people weigh alike, as all worlds of release 0.1.0."""
JOB_COLUMNS = ("group", "seniority", "shift", "latitude", "longitude", "pay", "posted_us", "seen", "appeal")

DRAWS = 10
"""Draws of relevance that a value is averaged over, so that little of it is the luck of a draw."""
ORACLE = "oracle"


@dataclass(frozen=True)
class PeopleTruth:
    """The true side of n people; see `Population`."""

    user_ids: np.ndarray
    group: np.ndarray
    seniority: np.ndarray
    shift: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    reservation_pay: np.ndarray
    activity: np.ndarray
    pay_weight: np.ndarray
    distance_weight: np.ndarray
    view_rate: np.ndarray
    taste: np.ndarray


@dataclass(frozen=True)
class JobsTruth:
    """The true side of n postings; see `Vacancies`."""

    job_ids: np.ndarray
    group: np.ndarray
    seniority: np.ndarray
    shift: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    pay: np.ndarray
    posted_us: np.ndarray
    seen: np.ndarray
    appeal: np.ndarray
    quality: np.ndarray


@dataclass(frozen=True)
class MarketTruth:
    """Everything that decides responses on one day.

    Attributes:
        day: the day.
        people, jobs: true sides, ids ascending.
        calibration: behaviour of people.
        mood: tastes, elasticity and odds of the day.
        injections: name -> strength (share of full strength) of those felt on the day, faults included.
    """

    day: date
    people: PeopleTruth
    jobs: JobsTruth
    calibration: Calibration
    mood: Mood
    injections: dict[str, float]


def _vectors(values: np.ndarray) -> pa.Array:
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1])
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))


def write_truth(store: ObjectStore, config: MarketConfig, people: Population, record: DayRecord) -> None:
    """Write the truth of a day; writing it again is a no-op."""
    day, jobs = record.day, record.vacancies
    mood = mood_of_day(config, people, day)
    label = f"dt={day.isoformat()}"
    parameters = {
        "day": day.isoformat(),
        "calibration": config.calibration.record(),
        "pay_elasticity": mood.elasticity,
        "odds_shift": mood.odds_shift,
        "injections": {one.name: one.intensity(day) for one in config.injections if one.intensity(day) > 0},
    }
    text = json.dumps(parameters, sort_keys=True, indent=1)
    store.put_if_absent(f"parameters/{label}/parameters.json", text.encode())
    yesterday = mood_of_day(config, people, add_days(day, -1)).taste
    if day == config.start_date or not np.array_equal(yesterday, mood.taste):
        columns: dict[str, object] = {"user_id": people.user_ids}
        weights = [name for name in WEIGHT_COLUMNS if np.any(getattr(people, name) != 1.0)]
        columns |= {name: getattr(people, name) for name in (*PERSON_COLUMNS, *weights)}
        table = pa.table(columns | {"taste": _vectors(mood.taste)})
        store.put_if_absent(f"people/{label}/people.parquet", parquet_bytes(table))
    columns = {"job_id": job_ids(record.posted)}
    columns |= {name: getattr(jobs, name)[record.posted] for name in JOB_COLUMNS}
    table = pa.table(columns | {"quality": _vectors(jobs.quality[record.posted])})
    store.put_if_absent(f"jobs/{label}/jobs.parquet", parquet_bytes(table))


def _read(store: ObjectStore, key: str) -> pa.Table:
    return pq.ParquetFile(pa.BufferReader(store.get(key))).read(use_threads=False)


def _matrix(table: pa.Table, name: str) -> np.ndarray:
    return pc.list_flatten(table[name]).to_numpy().reshape(-1, EMBEDDING_SIZE)


def read_truth(store: ObjectStore, day: date) -> MarketTruth:
    """Return the truth of `day`. Raises NotFoundError when the market has not simulated it."""
    label = f"dt={day.isoformat()}"
    key = f"parameters/{label}/parameters.json"
    if not store.exists(key):
        raise NotFoundError(f"the truth has no {label}; deliver that day first")
    parameters = json.loads(store.get(key))
    people_key = max(one for one in store.list("people/") if one.split("/")[1] <= label)
    people = _read(store, people_key)
    parts = [_read(store, one) for one in store.list("jobs/") if one.split("/")[1] <= label]
    jobs = pa.concat_tables(parts)
    taste = _matrix(people, "taste")
    return MarketTruth(
        day=day,
        people=PeopleTruth(
            user_ids=np.array(people["user_id"].to_pylist(), dtype=str),
            taste=taste,
            **{name: people[name].to_numpy() for name in PERSON_COLUMNS},
            **{n: people[n].to_numpy() if n in people.column_names else np.ones(len(people)) for n in WEIGHT_COLUMNS},
        ),
        jobs=JobsTruth(
            job_ids=np.array(jobs["job_id"].to_pylist(), dtype=str),
            quality=_matrix(jobs, "quality"),
            **{name: jobs[name].to_numpy() for name in JOB_COLUMNS},
        ),
        calibration=Calibration.recorded(parameters["calibration"]),
        mood=Mood(taste, parameters["pay_elasticity"], parameters["odds_shift"]),
        injections=parameters["injections"],
    )


def _positions(known: np.ndarray, ids: Sequence[str] | np.ndarray, column: str) -> np.ndarray:
    wanted = np.asarray(ids, dtype=str)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    unknown = np.flatnonzero(known[at] != wanted)
    if len(unknown):
        row = int(unknown[0])
        raise InvalidInputError(f"{column} {wanted[row]!r} in row {row} is unknown to the truth; use ids of that day")
    return at


def true_response(
    truth: MarketTruth, user_ids: Sequence[str] | np.ndarray, job_ids: Sequence[str] | np.ndarray, *, is_text: bool
) -> Response:
    """Return the true probabilities of n pairs as of the morning of the truth's day.

    A click is given that the job is shown first (or texted to somebody without recent texts), an application given a
    click. Raises InvalidInputError for an unknown id.
    """
    return respond(
        truth.calibration.choice,
        truth.people,
        truth.jobs,
        truth.mood,
        _positions(truth.people.user_ids, user_ids, "user_id"),
        _positions(truth.jobs.job_ids, job_ids, "job_id"),
        epoch_us(truth.day),
        position=None if is_text else 1,
    )


def oracle_apply_probability(
    truth: MarketTruth, user_ids: Sequence[str] | np.ndarray, job_ids: Sequence[str] | np.ndarray
) -> np.ndarray:
    """Return the true probability of an organic application given that the job is shown first, float64 (n,)."""
    response = true_response(truth, user_ids, job_ids, is_text=False)
    return response.click * response.apply


def pair_probabilities(truth: MarketTruth, pairs: pa.Table) -> np.ndarray:
    """Return the true probability of an application to each of n pairs if it is shown first, float64 (n,)."""
    return oracle_apply_probability(truth, pairs["user_id"].to_pylist(), pairs["job_id"].to_pylist())


def expected_maps(
    pairs: pa.Table, probability: np.ndarray, scores: Mapping[str, np.ndarray], *, depth: int, seed: int
) -> dict[str, float]:
    """Return the expected MAP@`depth` of each ranking, of the oracle and of a random order.

    Args:
        pairs: candidates of one day, with `user_id` and `job_id`; n rows.
        probability: true, of shape (n,).
        scores: by name, higher first, each of shape (n,).
        depth: k of MAP@k.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    users, jobs = (np.array(pairs[name].to_pylist(), dtype=object) for name in ("user_id", "job_id"))
    ranked = {**scores, ORACLE: probability}
    found: dict[str, list[float]] = {name: [] for name in (*ranked, "random")}
    for _ in range(DRAWS):
        rows = prepare_ranking_rows(users, jobs, rng.random(len(probability)) < probability, seed)
        for name, values in ranked.items():
            result = rank_rows(rows, values, depth)
            found[name].append(result.mean)
        found["random"].append(result.random_mean)
    return {name: float(np.mean(values)) for name, values in found.items()}
