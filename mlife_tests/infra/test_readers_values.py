"""A reader's own accounts, names and sizes leave the tests green on which the pipeline waits.

Shown: step 1 of `infra/README.md`, in a copy of the checkout: every parameter has another value, the page of costs is
written anew, and what reads `infra/` passes there. Not shown: every test, which CI runs on what is committed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.proof
ACCOUNTS = {
    "111111111111": "918273645001", "222222222222": "918273645002", "333333333333": "918273645003",
    "444444444444": "918273645004", "555555555555": "918273645005",
    "example@1234567/mlife@7654321": "shifts/people-ml", "us-east-1": "eu-central-1",
    "0123456789abcdef" * 4: "ab" * 32,
}  # fmt: skip
OTHER = {
    "RetentionDays": (2, 45, 3000), "TrailRetentionDays": (120, 130, 3000),
    "FirstDay": ('"2025-03-01"', '"2025-04-01"', '"2025-05-01"'),
    "DaysRunByThemselves": ('"false"', '"false"', '"true"'), "TextsPerDay": (700, 800, 90000),
    "VpcPrefix": ('"10.60"', '"10.61"', '"10.62"'), "NatPerZone": ('"true"', '"true"', '"true"'),
    "ScannedBytesMaximum": (20000000000, 20000000000, 20000000000),
    "DatabaseClass": ("db.m7g.large", "db.m7g.large", "db.t4g.medium"), "DatabaseStorageGb": (40, 60, 80),
    "IsMultiAz": ('"true"', '"false"', '"true"'), "BackupDays": (10, 20, 33), "BackupRetentionDays": (20, 40, 399),
    "RunCpu": ('"8192"', '"8192"', '"8192"'), "RunMemory": ('"32768"', '"32768"', '"32768"'),
    "MonthlyBudgetUsd": (490, 800, 4500), "StopsPerThousandMaximum": (15, 15, 15),
    "AlertEmail": ("ops-dev@shifts.io", "ops-staging@shifts.io", "ops@shifts.io"),
    "ClientCidr": ("172.16.0.0/12", "172.16.0.0/12", "172.16.0.0/12"),
    "DomainName": ("ml-dev.shifts.io", "ml-staging.shifts.io", "ml.shifts.io"),
    "HostedZoneId": ("Z9876543210SHIFTA", "Z9876543210SHIFTB", "Z9876543210SHIFTC"),
    "OidcIssuer": ("https://id.shifts.io",) * 3, "OidcAuthorizationEndpoint": ("https://id.shifts.io/a",) * 3,
    "OidcTokenEndpoint": ("https://id.shifts.io/t",) * 3, "OidcUserInfoEndpoint": ("https://id.shifts.io/u",) * 3,
    "OidcClientId": ("people-ml-dev", "people-ml-staging", "people-ml"),
    "ExporterRoleArn": ("arn:aws:iam::918273645009:role/exporter", '""', "arn:aws:iam::918273645009:role/exporter"),
    "PeopleWriterRoleArn": ('""', "arn:aws:iam::918273645009:role/people", '""'),
}  # fmt: skip
"""For dev, staging and prod; the gate takes each."""
KEPT = {"RetentionMode": "prod's is final", "IsProtected": "prod's database is"}
TESTS = (
    "mlife_tests/infra/test_cost.py", "mlife_tests/infra/test_rendering.py", "mlife_tests/infra/test_simulator.py",
    "mlife_tests/infra/test_bi.py", "mlife_tests/infra/test_model_jobs.py", "mlife_tests/infra/test_gate.py",
    "mlife_tests/core/test_delivery.py", "mlife_tests/adapters/delivery/test_run_tasks.py",
    "mlife_tests/docs/test_never_run_on_aws.py", "mlife_tests/test_settings.py",
)  # fmt: skip


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkout with a reader's values in `infra/parameters`."""
    copy = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv*", "var", "__pycache__", ".*_cache")
    shutil.copytree(repository, copy, ignore=ignored, symlinks=True)
    folder = copy / "infra" / "parameters"
    accounts = (folder / "accounts.yaml").read_text(encoding="utf-8")
    for mine, theirs in ACCOUNTS.items():
        accounts = accounts.replace(mine, theirs)
    (folder / "accounts.yaml").write_text(accounts, encoding="utf-8")
    for position, name in enumerate(("dev", "staging", "prod")):
        path = folder / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        for parameter, values in OTHER.items():
            text = re.sub(rf"^  {parameter}: .*$", f"  {parameter}: {values[position]}", text, flags=re.M)
        path.write_text(text, encoding="utf-8")
    return copy


def test_every_parameter_is_tried_with_another_value(repository: Path) -> None:
    for name in ("dev", "staging", "prod"):
        text = (repository / "infra" / "parameters" / f"{name}.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["parameters"].keys() == OTHER.keys() | KEPT.keys()


def test_gate_cost_and_what_make_test_asks_of_infra_are_green_with_a_readers_values(checkout: Path) -> None:
    def run(*words: str) -> None:
        done = subprocess.run([sys.executable, *words], cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-6000:]}{done.stderr[-2000:]}"

    run("-m", "infra.gate")
    run("-m", "infra.cost")
    # The page that infra-check writes is the linters', who are not at hand here.
    page = "not the_page_names_every_fault_and_every_assertion"
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={checkout.parent / 'tests'}", "-k", page, *TESTS)
