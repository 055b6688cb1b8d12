"""The state of the market between two days, and its file.

Belongs here: everything that the next day needs and the seed does not give; writing and reading it. Does not belong
here: how a day changes it (`simulation`).

Concept: one `npz` file without pickle, replaced in one step, so a crash leaves the state of a whole day. It names the
world that it belongs to.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

import numpy as np

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.windows import add_days
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.outcomes import Outcomes, no_outcomes
from mlife_assets.market.vacancies import Vacancies, first_postings
from mlife_assets.market.world import RELEASED_CALIBRATION, MarketConfig

STATE_FILE = "market_state.npz"


@dataclass(frozen=True)
class MarketState:
    """What the market remembers at the end of a day.

    Attributes:
        day: the last simulated day.
        vacancies: all postings so far.
        queue: outcomes that have not happened yet.
        outbox: outcomes that happened and wait for their export.
        applied: (person, job) pairs that applied, as person * 2**32 + job, ascending.
        text_person, text_day: delivered texts of the last 28 days; days since 1970.
        has_revoked: people who took their consent back, bool (people,).
    """

    day: date
    vacancies: Vacancies
    queue: Outcomes
    outbox: Outcomes
    applied: np.ndarray
    text_person: np.ndarray
    text_day: np.ndarray
    has_revoked: np.ndarray


def first_state(config: MarketConfig, catalogue: Catalogue) -> MarketState:
    """Return the state before the first day."""
    nothing = np.zeros(0, dtype=np.int64)
    return MarketState(
        day=add_days(config.start_date, -1),
        vacancies=first_postings(config, catalogue),
        queue=no_outcomes(),
        outbox=no_outcomes(),
        applied=nothing,
        text_person=nothing,
        text_day=nothing,
        has_revoked=np.zeros(config.users + config.dormant_users, dtype=bool),
    )


def _arrays(prefix: str, table: Vacancies | Outcomes) -> dict[str, np.ndarray]:
    return {f"{prefix}.{field.name}": getattr(table, field.name) for field in fields(table)}


def save_state(state: MarketState, config: MarketConfig, folder: Path) -> None:
    """Write the state file of `folder` in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = _arrays("vacancies", state.vacancies) | _arrays("queue", state.queue) | _arrays("outbox", state.outbox)
    arrays |= {name: getattr(state, name) for name in ("applied", "text_person", "text_day", "has_revoked")}
    arrays |= {"day": np.array(state.day.isoformat()), "fingerprint": np.array(config.fingerprint)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    partial = folder / f"{STATE_FILE}.partial"
    with partial.open("wb") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / STATE_FILE)


def continued_config(config: MarketConfig, folder: Path) -> MarketConfig:
    """Return the world in which `folder` goes on: `config`, but as release 0.1.0 had it where its state is of then."""
    path = folder / STATE_FILE
    if path.exists():
        released = replace(config, calibration=RELEASED_CALIBRATION)
        with np.load(path, allow_pickle=False) as file:
            if str(file["fingerprint"]) == released.fingerprint:
                return released
    return config


def load_state(config: MarketConfig, folder: Path) -> MarketState | None:
    """Return the saved state, None when there is none. Raises UpstreamMismatchError when it is of another world."""
    path = folder / STATE_FILE
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if str(arrays["fingerprint"]) != config.fingerprint:
        raise UpstreamMismatchError(
            f"{STATE_FILE} belongs to market {arrays['fingerprint']}, the configuration is {config.fingerprint}; "
            "use another home folder or delete this one"
        )
    tables = {
        prefix: {field.name: arrays[f"{prefix}.{field.name}"] for field in fields(kind)}
        for prefix, kind in (("vacancies", Vacancies), ("queue", Outcomes), ("outbox", Outcomes))
    }
    return MarketState(
        day=date.fromisoformat(str(arrays["day"])),
        vacancies=Vacancies(**tables["vacancies"]),
        queue=Outcomes(**tables["queue"]),
        outbox=Outcomes(**tables["outbox"]),
        **{name: arrays[name] for name in ("applied", "text_person", "text_day", "has_revoked")},
    )
