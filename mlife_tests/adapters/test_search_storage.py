"""The journal of a search survives the process that wrote it."""

from __future__ import annotations

from pathlib import Path

import optuna

from mlife_assets.adapters.search_storage import open_search_storage


def test_trials_are_there_when_the_journal_is_opened_again(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path / "new" / "search.journal"
    study = optuna.create_study(storage=open_search_storage(path), study_name="one")
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0, 1))
    again = optuna.load_study(storage=open_search_storage(path), study_name="one")
    assert [one.value for one in again.trials] == [one.value for one in study.trials]
