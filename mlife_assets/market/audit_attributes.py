"""The restricted audit table: self-reported sex and race or ethnicity, outside the lake, in a private file.

Concept: an answer is a pure function of the world's seed, the user's id and the user's trade, so it needs no state and
no other part of the market can depend on it: nobody in the market behaves by sex or race. The mild leaning of trades is
there so that an audit has something to see; its numbers are invented. Some people did not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.row_keys import splitmix64, stable_hashes
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.ports import AuditGroups

AUDIT_SCHEMA = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("user_id", "sex", "race_ethnicity")])
UNKNOWN_SEX_SHARE = 0.04
UNKNOWN_ETHNICITY_SHARE = 0.07
ETHNICITY_SHARES = (0.19, 0.56, 0.13, 0.005, 0.07, 0.01, 0.035)
FEMALE_SHARE = 0.5
FEMALE_LEANING = {
    "25": 0.08,
    "29": 0.08,
    "31": 0.2,
    "33": -0.1,
    "35": 0.05,
    "43": 0.12,
    "47": -0.25,
    "49": -0.25,
    "51": -0.1,
    "53": -0.1,
}
ETHNICITY_LEANING = {
    "Hispanic or Latino": {"35": 1.25, "37": 1.5, "47": 1.35, "51": 1.2, "11": 0.7, "29": 0.7},
    "Black or African American": {"31": 1.4, "33": 1.25, "53": 1.3, "21": 1.15, "11": 0.7, "47": 0.7, "49": 0.75},
    "Asian": {"11": 1.6, "25": 1.3, "29": 1.8, "51": 1.3, "37": 0.7, "31": 0.8, "53": 0.7},
}
_SEX_ANSWERED, _SEX, _ETHNICITY_ANSWERED, _ETHNICITY = range(4)


def draw_audit_attributes(seed: int, user_ids: Sequence[str], occupation_groups: Sequence[str]) -> pa.Table:
    """Return user_id, sex and race_ethnicity of n people; the answers of one do not depend on who else is asked for.

    Args:
        seed: of the world.
        user_ids: shape (n,).
        occupation_groups: SOC major group of each, one of `OCCUPATION_GROUPS`.

    Raises:
        InvalidInputError: columns differ in length, or a group is not known (names the row).
    """
    if len(user_ids) != len(occupation_groups):
        raise InvalidInputError(f"{len(occupation_groups)} occupation groups for {len(user_ids)} users; pass one each")
    places = {name: place for place, name in enumerate(OCCUPATION_GROUPS)}
    wrong = [row for row, group in enumerate(occupation_groups) if group not in places]
    if wrong:
        raise InvalidInputError(
            f"occupation_groups holds {occupation_groups[wrong[0]]!r} in row {wrong[0]}; use one of {OCCUPATION_GROUPS}"
        )
    group = np.array([places[name] for name in occupation_groups], dtype=np.int64)
    hashes = stable_hashes(np.array(list(user_ids), dtype=object))
    female = np.array([FEMALE_SHARE + FEMALE_LEANING.get(name, 0.0) for name in OCCUPATION_GROUPS])
    sex = np.where(_uniform(seed, _SEX, hashes) < female[group], *SEXES).astype(object)
    sex[_uniform(seed, _SEX_ANSWERED, hashes) < UNKNOWN_SEX_SHARE] = UNKNOWN
    limits = np.cumsum(_ethnicity_shares(), axis=1)[group]
    drawn = (_uniform(seed, _ETHNICITY, hashes)[:, None] > limits).sum(axis=1)
    ethnicity = np.array(ETHNICITIES, dtype=object)[np.minimum(drawn, len(ETHNICITIES) - 1)]
    ethnicity[_uniform(seed, _ETHNICITY_ANSWERED, hashes) < UNKNOWN_ETHNICITY_SHARE] = UNKNOWN
    return pa.table([pa.array(list(user_ids), pa.string()), sex, ethnicity], schema=AUDIT_SCHEMA)


def _ethnicity_shares() -> np.ndarray:
    """Return shares by occupation group, shape (groups, categories); rows sum to 1."""
    leaning = [[ETHNICITY_LEANING.get(name, {}).get(group, 1.0) for name in ETHNICITIES] for group in OCCUPATION_GROUPS]
    shares = np.array(ETHNICITY_SHARES) * np.array(leaning)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _uniform(seed: int, question: int, hashes: np.ndarray) -> np.ndarray:
    """Return a number in [0, 1) per hash of a user, independent between questions."""
    salt = splitmix64(splitmix64(np.array([seed], dtype=np.uint64)) ^ np.uint64(question))
    return np.asarray((splitmix64(hashes ^ salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def audit_attribute_bytes(config: MarketConfig) -> bytes:
    """Return the audit table of a world as Parquet; the same world gives the same bytes. For a private file only."""
    people = draw_population(config, load_catalogue())
    groups = [OCCUPATION_GROUPS[place] for place in people.group.tolist()]
    return parquet_bytes(draw_audit_attributes(config.seed, people.user_ids.tolist(), groups))


class ParquetAuditAttributes:
    """`core.ports.AuditAttributes` on a Parquet file.

    Args:
        path: the file, of `audit_attribute_bytes`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _answers(self) -> dict[str, tuple[str, str]]:
        if not self._path.exists():
            raise NotFoundError(f"there is no audit table {self._path.name}; write audit_attribute_bytes to it")
        try:
            table = pq.read_table(self._path, columns=AUDIT_SCHEMA.names, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInputError(f"audit table {self._path.name} cannot be read; write it again") from error
        users, sexes, ethnicities = (table[name].to_pylist() for name in AUDIT_SCHEMA.names)
        return dict(zip(users, zip(sexes, ethnicities, strict=True), strict=True))

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        """Return the answers of users in their order; `unknown` for who is not in the table or did not answer.

        Raises:
            NotFoundError: there is no table.
            InvalidInputError: it cannot be read.
        """
        found = [self._answers.get(user_id, (UNKNOWN, UNKNOWN)) for user_id in user_ids]
        return AuditGroups(tuple(sex for sex, _ in found), tuple(ethnicity for _, ethnicity in found))
