"""Files of `infra/` are read as they are, and what is not there is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlife_assets.adapters.delivery.stacks import read_infra
from mlife_assets.core.errors import InvalidInputError, NotFoundError


def test_templates_are_handed_over_as_they_are_written(repository: Path) -> None:
    files = read_infra(repository / "infra")
    text = (repository / "infra" / "templates" / "30-catalog.yaml").read_text(encoding="utf-8")
    assert files.templates["30-catalog"] == text
    assert files.resources["30-catalog"]["Workgroup"] == "AWS::Athena::WorkGroup"
    text = (repository / "infra" / "parameters" / "prod.yaml").read_text(encoding="utf-8")
    assert f'  FirstDay: "{files.parameters["prod"]["FirstDay"]}"' in text


def test_a_folder_without_stacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="--infra"):
        read_infra(tmp_path)


@pytest.mark.parametrize("text", ["a: [", "just words"])
def test_a_file_that_is_no_mapping_is_named(repository: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(repository / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("gate"))
    (tmp_path / "infra" / "parameters" / "accounts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"accounts\.yaml"):
        read_infra(tmp_path / "infra")
