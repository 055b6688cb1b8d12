"""An emulator of AWS for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def aws_packages(aws_accounts: ModuleType, repository: Path) -> None:
    """Make packages of `.venv-aws` importable."""
    aws_accounts.add_aws_packages(repository)


@pytest.fixture(scope="session")
def emulator(aws_accounts: ModuleType, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aws_accounts.running_emulator(repository, tmp_path_factory.mktemp("emulator")) as address:
        yield address


@pytest.fixture
def account(aws_accounts: ModuleType, emulator: str) -> Callable[[str], Callable[[str], Any]]:
    return aws_accounts.accounts(emulator)
