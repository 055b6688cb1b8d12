"""The small deployment that homes of released versions are of, and how one is packed and unpacked.

A released version makes its home once, with `make_home.py`; every later version opens it. So this file uses only what
all versions since 0.1.0 have: settings by name, policies, definitions.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.windows import add_days
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

USERS, JOBS, HISTORY_DAYS, LIVED_DAYS = 400, 70, 45, 2

POLICIES = Policies(
    promotion=PromotionPolicy(
        minimum_users_with_positives=30, gate_weeks=2, bootstrap_resamples=200, calibration_slope_minimum=0.2,
        calibration_slope_maximum=5.0, calibration_level_minimum=0.2, calibration_level_maximum=5.0,
    ),
    monitoring=MonitoringPolicy(
        sample_rows_per_day=300, reference_days=8, reference_examples=2_000, domain_classifier_sample_rows=200,
        explained_rows_per_day=200, minimum_mature_positives=30,
    ),
    retrain=RetrainPolicy(minimum_new_mature_positives=1_000_000),
    training=TrainingPolicy(
        trees_maximum=30, learning_rate=0.1, minimum_child_examples=20, minimum_examples=300, minimum_positives=10
    ),
    messaging=MessagingPolicy(auto_approve_within_limits=True, maximum_messages_per_day=60),
)  # fmt: skip
UNAPPROVED = replace(POLICIES, messaging=replace(POLICIES.messaging, auto_approve_within_limits=False))
"""Policies under which a small market trains in seconds and no sensor starts a retraining."""


@dataclass(frozen=True)
class SmallHome:
    """An opened home."""

    settings: Settings
    definitions: dg.Definitions
    platform: BoardPorts

    def day(self, number: int) -> date:
        """Return a lived day, 1 being the first."""
        return add_days(self.settings.days.first_lived_date, number - 1)


def open_home(folder: Path, policies: Policies = POLICIES) -> SmallHome:
    """Return the home in `folder`, with connections of its own."""
    settings = Settings(
        home=folder, market_users=USERS, market_jobs=JOBS, history_days=HISTORY_DAYS, demo_days=LIVED_DAYS,
        demo_faults=False,
    )  # fmt: skip
    definitions = build_definitions(settings, policies=policies)
    return SmallHome(settings, definitions, definitions.resources["platform"])


def pack(folder: Path, kept: list[Path]) -> bytes:
    """Return files of `folder` as .tar.xz: same files, same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(kept):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            data = path.read_bytes()
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def unpack(archive: Path, folder: Path) -> None:
    """Write what `pack` returned to `folder`."""
    with tarfile.open(archive, "r:xz") as packed:
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # since Python 3.11.4
        packed.extractall(folder, **safely)
