"""The private directory of mail addresses: outside the lake, in a private file.

Belongs here: making fictional addresses and the embedded book of them. Does not belong here: phone numbers
(`contacts`), anything that is logged or exported; an address leaves this module only into the hands of a gateway.

Concept: an address follows from seed and account by hash. No random number is drawn, so the rest of the world is the
same with and without addresses. Domains are set aside for examples. Some people have no address, some mistyped it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ids import digest, unit_interval
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig

WITHOUT_SHARE, MISTYPED_SHARE = 0.06, 0.003
DOMAINS = ("home.example", "inbox.example", "post.example")
MAIL_SCHEMA = pa.schema([pa.field("user_id", pa.string(), nullable=False), ("mail_address", pa.string())])


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
        """Remember the file; it is read when the first address is asked for."""
        self._path = path

    @cached_property
    def _addresses(self) -> dict[str, str | None]:
        if not self._path.exists():
            raise NotFoundError(f"there is no mail book {self._path.name}; write mail_book_bytes to it")
        try:
            table = pq.read_table(self._path, columns=MAIL_SCHEMA.names, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInputError(f"mail book {self._path.name} cannot be read; write it again") from error
        users, addresses = (table[name].to_pylist() for name in MAIL_SCHEMA.names)
        return dict(zip(users, addresses, strict=True))

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        """Return user id -> address as it was typed, None without one. Raises when the book cannot be read."""
        return {user_id: self._addresses.get(user_id) for user_id in user_ids}
