"""Private directories outside the lake: phone numbers, mail addresses, and the restricted audit table of sex and
ethnicity.

Concept: every number is 555-0100 to 555-0199 under a real area code of the person's time zone: set aside for fiction,
valid in form, unique. There are 100 per area code; a world with more people than numbers has people without one.

An address follows from seed and account by hash. No random number is drawn, so the rest of the world is the same with
and without addresses. Domains are set aside for examples. Some people have no address, some mistyped it.

An answer to the audit is a pure function of the seed, the id and the trade of a user, so no other part of the market
can depend on it. The mild leaning of trades gives an audit something to see; its numbers are invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ids import digest, unit_interval
from mlife_assets.core.row_keys import splitmix64, stable_hashes
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.market.catalogue import area_codes, load_catalogue
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig, Stream, generator
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.messaging.people import accounts_by_number
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
NUMBERS_PER_AREA_CODE = 100
CONTACTS_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), ("phone_number", pa.string())])

WITHOUT_SHARE, MISTYPED_SHARE = 0.06, 0.003
DOMAINS = ("home.example", "inbox.example", "post.example")
MAIL_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), ("mail_address", pa.string())])


def draw_contacts(config: MarketConfig) -> pa.Table:
    """Return user_id and E.164 phone_number (null where numbers ran out) of all people of a world."""
    catalogue = load_catalogue()
    people = draw_population(config, catalogue)
    rng = generator(config.seed, Stream.CONTACTS)
    order = rng.permutation(len(people))
    lasts = range(NUMBERS_PER_AREA_CODE)  # all fictional numbers: the first of each code, the second of each
    pools = {zone: [f"+1{code}555{100 + n:04d}" for n in lasts for code in own] for zone, own in area_codes().items()}
    zones = np.array([metro.time_zone for metro in catalogue.metros])[people.metro[order]]
    numbers: np.ndarray = np.full(len(people), None, dtype=object)
    spare: list[str] = []
    for zone, pool in pools.items():
        rows = order[zones == zone]
        served = min(len(rows), len(pool))
        numbers[rows[:served]] = pool[:served]
        spare += pool[served:]
    without = order[np.array([number is None for number in numbers[order]], dtype=bool)][: len(spare)]
    numbers[without] = spare[: len(without)]
    return pa.table([people.user_ids, pa.array(numbers, pa.string())], schema=CONTACTS_SCHEMA)


def contact_book_bytes(config: MarketConfig) -> bytes:
    """Return the contact book of a world as Parquet; the same world gives the same bytes. For a private file only."""
    return parquet_bytes(draw_contacts(config))


class ParquetContactBook:
    """`core.ports.ContactBook` on a Parquet file.

    Args:
        path: the file, of `contact_book_bytes`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _numbers(self) -> dict[str, str | None]:
        return _read_book("contact", self._path, CONTACTS_SCHEMA)

    @cached_property
    def _accounts(self) -> dict[str, list[str]]:
        return accounts_by_number(self._numbers)

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return {user_id: self._numbers.get(user_id) for user_id in user_ids}

    def accounts_with(self, phone_number: str) -> list[str]:
        return self._accounts.get(phone_number, [])


def mail_address(seed: int, user_id: str) -> str | None:
    """Return the address that somebody typed when they signed up, None when they left it out."""
    draw = unit_interval(seed, "mail_address", user_id)
    if draw < WITHOUT_SHARE:
        return None
    domain = DOMAINS[int(unit_interval(seed, "mail_domain", user_id) * len(DOMAINS))]
    at = " at " if draw < WITHOUT_SHARE + MISTYPED_SHARE else "@"
    return f"p{digest((seed, 'mail_name', user_id), 12)}{at}{domain}"


def mail_book_bytes(config: MarketConfig) -> bytes:
    """Return the mail book of a world as Parquet; the same world gives the same bytes. For a private file only."""
    user_ids = draw_population(config, load_catalogue()).user_ids.tolist()
    addresses = [mail_address(config.seed, user_id) for user_id in user_ids]
    return parquet_bytes(pa.table([pa.array(user_ids), pa.array(addresses, pa.string())], schema=MAIL_SCHEMA))


class ParquetMailBook:
    """The mail addresses of accounts, in a Parquet file.

    Args:
        path: the file that `mail_book_bytes` made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _addresses(self) -> dict[str, str | None]:
        return _read_book("mail", self._path, MAIL_SCHEMA)

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return {user_id: self._addresses.get(user_id) for user_id in user_ids}


def _read_book(kind: str, path: Path, schema: pa.Schema) -> dict[str, str | None]:
    if not path.exists():
        raise NotFoundError(f"there is no {kind} book {path.name}; write {kind}_book_bytes to it")
    try:
        table = pq.read_table(path, columns=schema.names, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError(f"{kind} book {path.name} cannot be read; write it again") from error
    users, values = (table[name].to_pylist() for name in schema.names)
    return dict(zip(users, values, strict=True))


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
