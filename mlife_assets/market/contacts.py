"""The private directories of phone numbers and mail addresses: outside the lake, in private files.

Concept: every number is 555-0100 to 555-0199 under a real area code of the person's time zone: set aside for fiction,
valid in form, unique. There are 100 per area code; a world with more people than numbers has people without one.

An address follows from seed and account by hash. No random number is drawn, so the rest of the world is the same with
and without addresses. Domains are set aside for examples. Some people have no address, some mistyped it.
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
from mlife_assets.market.catalogue import area_codes, load_catalogue
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig, Stream, generator
from mlife_assets.recruiting.messaging.people import accounts_by_number

NUMBERS_PER_AREA_CODE = 100
CONTACTS_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), ("phone_number", pa.string())])

WITHOUT_SHARE, MISTYPED_SHARE = 0.06, 0.003
DOMAINS = ("home.example", "inbox.example", "post.example")
MAIL_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), ("mail_address", pa.string())])


def _numbers_of(codes: tuple[str, ...]) -> list[str]:
    """Return all fictional numbers of area codes, spread over the codes: the first of each, the second of each."""
    return [f"+1{code}555{100 + last:04d}" for last in range(NUMBERS_PER_AREA_CODE) for code in codes]


def draw_contacts(config: MarketConfig) -> pa.Table:
    """Return user_id and E.164 phone_number (null where numbers ran out) of all people of a world."""
    catalogue = load_catalogue()
    people = draw_population(config, catalogue)
    rng = generator(config.seed, Stream.CONTACTS)
    order = rng.permutation(len(people))
    pools = {zone: _numbers_of(codes) for zone, codes in area_codes().items()}
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
        """Return user id -> E.164 number, None without one. Raises when the book cannot be read."""
        return {user_id: self._numbers.get(user_id) for user_id in user_ids}

    def accounts_with(self, phone_number: str) -> list[str]:
        """Return the user ids whose number is this one, in E.164, sorted. Raises when the book cannot be read."""
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
    """The mail addresses of accounts, on a Parquet file.

    Args:
        path: the file, of `mail_book_bytes`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _addresses(self) -> dict[str, str | None]:
        return _read_book("mail", self._path, MAIL_SCHEMA)

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        """Return user id -> address as it was typed, None without one. Raises when the book cannot be read."""
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
