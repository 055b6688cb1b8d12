"""Two applications on the scores of one day: everybody is scored, each chooses for itself and logs its own reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import dagster as dg
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from mlife_assets.cli import app
from mlife_assets.components.monitoring.inputs import rows_to_score
from mlife_assets.components.predictions.scores import CANDIDATES_TABLE, SCORES_TABLE, log_predictions, user_job_scores
from mlife_assets.core.ids import event_id
from mlife_assets.core.model import Model
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.features import feature_matrix
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging.audience import CHOSEN, application_candidates, reachable_users
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies

MAILS = "email_digest"


@dataclass(frozen=True)
class SecondApplication:
    """A copy of the lived home in which mails were planned on the pairs that texts had been chosen from."""

    home: Any
    day: date
    text: dict[str, Any]
    mail: dict[str, Any]

    def rows(self, prediction_id: str) -> dict[str, dict[str, Any]]:
        """Return the logged rows of a scored pair by application."""
        rows = self.home.platform.event_log.read("prediction", start=self.day, end=self.day)
        found = rows.filter(pc.equal(rows["prediction_id"], prediction_id)).to_pylist()
        assert len({row["application"] for row in found}) == len(found)
        return {row["application"]: row for row in found}


def planned(home: Any, day: date, row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Log the plan of one mail."""
    key = message_id(row["user_id"], MAILS, day)
    plan = {
        "event_id": event_id("message_planned", key), "occurred_at": now, "observed_at": now, "message_id": key,
        "campaign": MAILS, "as_of_date": day, "plan_id": "pln_mails", "cohort": "active", "body": "Five jobs for you",
        "segments": 1, "channel": "email",
        "items": [{"position": 1, "job_id": row["job_id"], "prediction_id": row["prediction_id"]}],
        "policy_version": "pol_mails",
        **{name: row[name] for name in ("user_id", "job_id", "prediction_id", "slice", "propensity")},
    }  # fmt: skip
    schema = EVENT_TYPES["message_planned"].schema
    home.platform.event_log.append("message_planned", pa.Table.from_pylist([plan], schema=schema), writer="mails")
    return plan


@pytest.fixture(scope="module")
def second(lived, lived_world, tmp_path_factory: pytest.TempPathFactory) -> SecondApplication:
    """Mail somebody about the second best job, for which the text of that day has no reasons."""
    home, day = lived.home.copy_to(tmp_path_factory.mktemp("second") / "home"), lived.home.day(1)
    platform = home.platform
    policy = replace(platform.policies.messaging, assignment_salt="mails", exploration_share=0.5)
    users, jobs = (platform.warehouse.read(name, as_of=day) for name in ("user_features", "job_features"))
    scores = platform.tables.read(SCORES_TABLE, day)
    candidates = application_candidates(scores, users, jobs, policy=policy, as_of=day)
    texts = platform.tables.read("message_plan", day).sort_by("user_id").to_pylist()
    ranked = {(row["user_id"], row["rank"]): row for row in candidates.to_pylist()}
    text = next(row for row in texts if row["job_id"] == ranked[row["user_id"], 1]["job_id"])
    own, row = candidates.filter(pc.equal(candidates["user_id"], text["user_id"])), ranked[text["user_id"], 2]
    now = platform.home.times.sending(day)
    ids = pa.chunked_array([[row["prediction_id"]]])
    log_predictions(platform, day, own, ids, now, application=MAILS, policy_version="pol_mails")
    return SecondApplication(home, day, text, planned(home, day, row, now))


def traced(home: Any, key: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["trace", key, "--json", "--home", str(home.settings.home)])
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def test_everybody_with_candidates_is_scored_as_monitoring_samples_them(lived) -> None:
    platform, day = lived.home.platform, lived.home.day(1)
    scores = platform.tables.read(SCORES_TABLE, day)
    assert not set(CHOSEN) & set(scores.column_names)
    user_ids, job_ids = rows_to_score(platform.of_model(), day).ids
    assert scores["user_id"].to_pylist() == user_ids.to_pylist()
    assert scores["job_id"].to_pylist() == job_ids.to_pylist()
    users = platform.warehouse.read("user_features", as_of=day)
    reachable, scored = set(reachable_users(users)["user_id"].to_pylist()), set(scores["user_id"].to_pylist())
    assert scored - reachable, "who may not be texted is scored"
    planned = platform.tables.read("message_plan", day)["user_id"].to_pylist()
    assert planned
    assert set(planned) <= reachable


def test_each_message_is_traced_to_its_own_reasons(second) -> None:
    mail, text = traced(second.home, second.mail["message_id"]), traced(second.home, second.text["message_id"])
    logged = second.rows(second.mail["prediction_id"])
    assert set(logged) == {JOB_OF_THE_DAY, MAILS}
    assert logged[JOB_OF_THE_DAY]["reasons"] == [], "the text was not about this job"
    assert mail["reasons"] == logged[MAILS]["reasons"]
    assert len(mail["reasons"]) == 3
    assert mail["is_recomputed"]
    assert text["reasons"] == second.rows(second.text["prediction_id"])[JOB_OF_THE_DAY]["reasons"]
    for story, application in ((mail, MAILS), (text, JOB_OF_THE_DAY)):
        (hop,) = (hop for hop in story["hops"] if hop["event_type"] == "prediction")
        assert hop["details"]["application"] == application
        assert len({row["job_id"] for row in story["alternatives"]}) == len(story["alternatives"])


def test_each_row_says_how_its_application_chose(second) -> None:
    logged = second.rows(second.mail["prediction_id"])
    mail, text = logged[MAILS], logged[JOB_OF_THE_DAY]
    for name in ("raw_score", "probability", "rank", "features", "candidate_set_hash"):
        assert mail[name] == text[name], name
    assert mail["event_id"] != text["event_id"]
    assert text["event_id"] == event_id("prediction", text["prediction_id"]), "as 0.1.0 named it"
    assert (mail["propensity"], mail["policy_version"]) == (second.mail["propensity"], "pol_mails")
    assert mail["propensity"] > text["propensity"] > 0
    assert (text["slice"], mail["slice"]) == ("exploit", second.mail["slice"])
    assert (mail["exploration_salt"], text["exploration_salt"]) == (
        "mails",
        second.home.platform.policies.messaging.assignment_salt,
    )


def test_logging_again_adds_nothing(second) -> None:
    """The first application's rows of the day, scored and chosen once more, are the files that are there."""
    home, day = second.home, second.day
    platform, policy = home.platform, home.platform.policies.messaging
    before = {path: path.read_bytes() for path in (home.settings.places.lake / "events").rglob("*.parquet")}
    users, jobs = (platform.warehouse.read(name, as_of=day) for name in ("user_features", "job_features"))
    scores = platform.tables.read(SCORES_TABLE, day)
    candidates = application_candidates(scores, users, jobs, policy=policy, as_of=day)
    plan = platform.tables.read("message_plan", day)
    texted = candidates.filter(pc.is_in(candidates["user_id"], value_set=pc.unique(plan["user_id"])))
    version = plan["policy_version"][0].as_py()
    ids, now = plan["prediction_id"], platform.home.times.sending(day)
    log_predictions(platform, day, texted, ids, now, application=JOB_OF_THE_DAY, policy_version=version)
    after = {path: path.read_bytes() for path in (home.settings.places.lake / "events").rglob("*.parquet")}
    assert after == before


def letters(policies: Policies) -> Model:
    """Return the model as it would be declared if jobs were shown in letters, which nobody has ever got."""
    model = job_applications(policies)
    assert model.rows is not None
    return replace(model, rows=replace(model.rows, constants=(("exposure_kind", "letter"),)))


def test_a_kind_of_exposure_that_is_new_to_the_champion_is_missing_and_named(lived, lived_world, tmp_path) -> None:
    home, day = lived.home.copy_to(tmp_path / "home"), lived.home.day(1)
    platform = board_ports(home.settings, policies=home.platform.policies, declared=(letters,))
    with dg.build_asset_context(partition_key=day.isoformat()) as context:
        made = user_job_scores(context, platform=platform)
    version, pairs = made.metadata["model_version"], platform.tables.read(CANDIDATES_TABLE, day)
    assert made.metadata["scored_as_missing"].value == (
        "- exposure_kind is 'letter' in all rows, which the model has not learned from (it knows impression, message): "
        "it is scored as missing."
    )
    scorer = platform.of_model().scorers.of(version)
    matrix = feature_matrix(pairs, scorer.feature_spec, exposure_kind="message")
    texted = scorer.score(matrix)
    matrix[:, scorer.feature_spec.names.index("exposure_kind")] = np.nan
    scores = platform.tables.read(SCORES_TABLE, day)
    assert scores["raw_score"].to_numpy().tobytes() == scorer.score(matrix).raw.tobytes()
    stored = lived.home.platform.tables.read(SCORES_TABLE, day)
    assert stored["raw_score"].to_numpy().tobytes() == texted.raw.tobytes()
