"""`mlife models`, and versions that travel from home to home."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.cli.serve import champion_providers
from mlife_assets.components.monitoring.inputs import REFERENCE_REPORT
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.monitoring.reference import STORED_FORM
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.sealing import present_signer
from mlife_assets.deployments.times import OPERATOR_DELAY
from mlife_tests.cli.conftest import add_event

PROD = {"MLIFE_ENVIRONMENT": "prod"}


def judge(home: Any, version: str, outcome: str, day: date) -> None:
    verdict = {
        "model_version": version, "champion_version": home.champions[-1], "as_of_date": day, "outcome": outcome,
        "delta_map": 0.0, "delta_map_lower": 0.0, "delta_map_upper": 0.0, "users_with_positives": 1200,
        "sentences": ["Refused: a tie." if outcome == "refused" else f"{outcome}."], "policy_version": "pol",
    }  # fmt: skip
    home.add("promotion_decided", verdict, run_time(day))


def tamper(home: Any, version: str) -> None:
    """Change one letter of the manifest."""
    path = home.path / "lake" / "models" / version / "manifest.json"
    path.write_text(path.read_text().replace("2026-04-03", "2026-04-04"))


@pytest.fixture
def challenger(home, models) -> str:
    """A third model of the home, which the gate refused."""
    at = run_time(home.newest_day)
    version = home.platform.of_model().registry.register(
        models.tiny_artifact(3, examples=500), as_of=home.newest_day, now=at
    )
    judge(home, version, "refused", home.newest_day)
    return version


def test_the_list_marks_the_champion(run, run_json, lived_home):
    first, second = lived_home.champions
    document = run_json("models", "list", "--home", lived_home.path)
    assert document["champion"] == second
    marks = {row["model_version"]: row["is_champion"] for row in document["models"]}
    assert marks == {first: False, second: True}
    assert {row["gate"] for row in document["models"]} == {"promoted"}
    lines = run("models", "list", "--home", lived_home.path).stdout.splitlines()
    assert [("*" in line) for line in lines if first in line or second in line] == [False, True]


def test_history_tells_changes_and_verdicts(run, run_json, home):
    refusal = {
        "model_version": "mdl_challenger", "champion_version": home.champions[-1], "as_of_date": home.newest_day,
        "outcome": "not_enough_evidence", "delta_map": None, "delta_map_lower": None, "delta_map_upper": None,
        "users_with_positives": 12, "sentences": ["12 users with positives, 1,000 needed."], "policy_version": "pol",
    }  # fmt: skip
    home.add("promotion_decided", refusal, run_time(home.newest_day))
    document = run_json("models", "history")
    assert [change["model_version"] for change in document["changes"]] == list(home.champions)
    assert [verdict["outcome"] for verdict in document["verdicts"]] == ["promoted", "promoted", "not_enough_evidence"]
    text = run("models", "history").stdout
    assert "gate: not enough evidence  mdl_challenger" in text
    assert "12 users with positives, 1,000 needed." in text
    assert "by gate: model 2 won" in text
    assert text.index(f"promoted  {home.champions[0]}") < text.index(f"promoted  {home.champions[1]}")


def test_rollback_is_an_event_and_the_next_prediction_uses_it(run_json, home):
    first, second = home.champions
    provider = champion_providers(home.platform.home)["job_applications"]
    assert provider().model_version == second
    document = run_json("models", "rollback", "--reason", "worse", "--actor", "ann")
    (event,) = home.events("model_rolled_back")
    now = run_time(home.newest_day) + OPERATOR_DELAY
    assert (event["model_version"], event["previous_version"]) == (first, second)
    assert (event["actor"], event["reason"], event["observed_at"]) == ("ann", "worse", now)
    assert (document["model_version"], document["previous_version"]) == (first, second)
    assert document["first_day"] == str(add_days(home.newest_day, 1))
    assert provider().model_version == first
    assert home.platform.of_model().scorers.champion_version(home.newest_day) == second
    assert home.platform.of_model().scorers.champion_version(add_days(home.newest_day, 1)) == first


def test_show_tells_all_that_is_on_record(run, run_json, home):
    first, second = home.champions
    run("models", "rollback", "--reason", "worse", "--actor", "ann")
    document = run_json("models", "show", first[:12])
    assert (document["model_version"], document["is_champion"]) == (first, True)
    assert document["facts"]["training_start_date"] == "2026-04-03"
    assert document["facts"]["examples"] == 600
    assert document["training_data_hash"] == "data-1"
    assert document["vocabularies"]["metro_code"] == ["12060", "16980", "19100", "33100"]
    assert [row["outcome"] for row in document["verdicts"]] == ["promoted"]
    assert [(row["kind"], row["actor"], row["until"] is None) for row in document["served"]] == [
        ("promoted", "gate", False),
        ("rolled_back", "ann", True),
    ]
    assert document["served"][0]["until"] == run_json("models", "show", second)["served"][0]["since"]
    assert (document["card"], document["has_monitoring_reference"]) == (None, False)
    text = run("models", "show", first).stdout
    for words in (
        first,
        "(champion)",
        "training_end_date",
        "600",
        "Promoted: model 1 meets all",
        "by ann: worse",
        "to now",
    ):
        assert words in text
    assert "card                  none was written" in text
    home.platform.of_model().registry.put_card(first, "<p>card</p>")
    place = run_json("models", "show", first)["card"]
    assert Path(place).read_text() == "<p>card</p>"
    assert place in run("models", "show", first).stdout


def test_show_names_the_folds_by_which_a_version_was_judged(run, run_json, home):
    version = home.champions[0]
    assert run_json("models", "show", version)["folds"] == []
    trained = next(
        row["as_of_date"] for row in home.platform.of_model().registry.versions() if row["model_version"] == version
    )
    fold = {"first_day": "2026-05-03", "model_version": "mdl_fold", "trained_to": "2026-04-25"}
    report = {"model_version": version, "folds": [fold | {"examples": 3}]}
    home.platform.of_model().model_tables.write_report("folds", trained, report)
    assert run_json("models", "show", version)["folds"] == [fold]
    words = "the week from 2026-05-03 by mdl_fold, the recipe fitted on days up to 2026-04-25"
    assert words in run("models", "show", version).stdout
    assert run_json("models", "show", home.champions[1])["folds"] == []


def test_show_refuses_the_unknown_the_ambiguous_and_the_tampered(refusal_of, home):
    version = home.champions[0]
    for text, told in (
        ("mdl_nothing", "there is no model mdl_nothing"),
        ("mdl_", "beginning of 2 versions"),
        ("", "empty"),
    ):
        assert told in refusal_of("models", "show", text)
    tamper(home, version)
    assert "was changed" in refusal_of("models", "show", version)


def test_diff_names_what_differs(run, run_json, home, challenger):
    first = home.champions[0]
    document = run_json("models", "diff", first[:14], challenger[:14])
    assert (document["left_version"], document["right_version"]) == (first, challenger)
    facts = {fact["name"]: fact for fact in document["facts"]}
    assert (facts["training_data_hash"]["left"], facts["training_data_hash"]["right"]) == ("data-1", "data-3")
    assert (facts["examples"]["left"], facts["examples"]["right"], facts["examples"]["change"]) == (600, 500, -100)
    assert document["last_verdicts"][first]["outcome"] == "promoted"
    assert document["last_verdicts"][challenger]["outcome"] == "refused"
    text = run("models", "diff", first, challenger).stdout
    assert "They learned from different data." in text
    assert f"{challenger} refused: Refused: a tie." in text
    assert "-100" in text
    assert run_json("models", "diff", first, first)["facts"] == []
    assert f"Both are {first}." in run("models", "diff", first, first).stdout


def test_promote_records_who_and_why_and_serves_from_the_next_day_on(run_json, home):
    first, second = home.champions
    arguments = (
        "models", "promote", first[:12], "--reason", " the  better one ", "--actor", "ann"
    )  # fmt: skip
    document = run_json(*arguments)
    event = home.events("model_promoted")[-1]
    now = run_time(home.newest_day) + OPERATOR_DELAY
    assert (event["model_version"], event["previous_version"]) == (first, second)
    assert (event["actor"], event["reason"], event["observed_at"]) == ("ann", "the better one", now)
    assert (document["gate"], document["has_monitoring_reference"]) == ("promoted", False)
    assert document["first_day"] == str(add_days(home.newest_day, 1))
    assert home.platform.of_model().scorers.champion_version(home.newest_day) == second
    assert home.platform.of_model().scorers.champion_version(add_days(home.newest_day, 1)) == first


def test_promote_against_the_gate_needs_the_flag_and_says_so_on_record(run, refusal_of, home, challenger):
    arguments = ("models", "promote", challenger, "--reason", "a legal order")
    refused = refusal_of(*arguments)
    assert "is: refused" in refused
    assert "--against-the-gate" in refused
    assert len(home.events("model_promoted")) == 2
    told = run(*arguments, "--against-the-gate")
    assert told.exit_code == 0
    assert home.events("model_promoted")[-1]["reason"] == "against the gate (refused): a legal order"
    assert home.platform.of_model().registry.champion() == challenger
    assert "no monitoring reference" in told.stdout
    text = run("models", "history").stdout
    assert "by operator: against the gate (refused): a legal order" in text


def test_the_newest_verdict_counts_and_no_verdict_is_no_promotion(run, refusal_of, home, challenger):
    arguments = ("models", "promote", challenger, "--reason", "r")
    judge(home, challenger, "promoted", add_days(home.newest_day, 1))
    assert run(*arguments).exit_code == 0
    assert home.events("model_promoted")[-1]["reason"] == "r"
    judge(home, home.champions[0], "not_enough_evidence", add_days(home.newest_day, 1))
    again = run("models", "promote", home.champions[0], "--reason", "r")
    assert "is: not enough evidence" in again.stderr
    shutil.rmtree(home.path / "lake" / "events" / "event_type=promotion_decided")
    assert "is: not judged" in refusal_of("models", "promote", home.champions[0], "--reason", "r")


def test_promote_refuses_the_unknown_the_tampered_the_champion_and_a_reason_that_says_nothing(refusal_of, home):
    first, second = home.champions
    for version, reason, told in (
        ("mdl_unknown", "r", "there is no model"),
        (second, "r", "serves already"),
        (first, "  ", "--reason is empty"),
        (first, "call +1 415 555 2671", "phone number"),
    ):
        assert told in refusal_of("models", "promote", version, "--reason", reason)
    tamper(home, first)
    assert "was changed" in refusal_of("models", "promote", first, "--reason", "r", "--against-the-gate")
    assert len(home.events("model_promoted")) == 2


def test_a_damaged_report_does_not_stand_in_the_way_of_a_rollback(run, home):
    """It stops the daily checks, and what the answer says mends that."""
    first, second = home.champions
    write = home.platform.tables.write_report
    write(REFERENCE_REPORT, home.newest_day, {"model_version": first, "form": STORED_FORM})
    later = add_days(home.newest_day, 1)
    write(REFERENCE_REPORT, later, {"model_version": second, "form": STORED_FORM})
    (report,) = (home.path / "lake" / "reports" / REFERENCE_REPORT / f"as_of_date={later}").rglob("report.json")
    report.write_text("{")
    told = run("models", "rollback", "--reason", "r")
    assert told.exit_code == 0, told.stderr
    assert home.platform.of_model().registry.champion() == first
    assert "no monitoring reference that can be read" in told.stdout
    assert f"materialize the asset {REFERENCE_REPORT} for partition {later} again" in told.stdout
    write(REFERENCE_REPORT, later, {"model_version": second, "form": STORED_FORM})
    assert "none that can be read" not in run("models", "show", first).stdout


@pytest.mark.parametrize(("form", "is_read"), [({"form": STORED_FORM}, True), ({"form": 1}, False), ({}, False)])
def test_a_reference_counts_only_in_the_form_that_is_read(run, run_json, home, form, is_read):
    """The newest of a version decides."""
    first, second = home.champions
    unread = {"form": 1} if is_read else {"form": STORED_FORM}
    stored = ((home.newest_day, first, unread), (add_days(home.newest_day, 1), first, form))
    for day, version, written in (*stored, (add_days(home.newest_day, 2), second, {})):
        home.platform.tables.write_report(REFERENCE_REPORT, day, {"model_version": version} | written)
    shown = run("models", "show", first).stdout
    assert ("none that can be read" in shown) != is_read
    document = run_json("models", "rollback", "--to", first[:12], "--reason", "r")
    assert (document["model_version"], document["has_monitoring_reference"]) == (first, is_read)
    told = run("models", "rollback", "--to", second, "--reason", "r").stdout
    assert "no monitoring reference that can be read" in told
    told = run("models", "rollback", "--to", first, "--reason", "r").stdout
    assert ("no monitoring reference that can be read" in told) != is_read


def test_another_model_has_versions_and_champions_of_its_own(run, run_json, home, tiny_models):
    """Commands on one model change nothing of the other, and an unknown name is answered with those there are."""
    before = run_json("models", "history")
    at = run_time(home.newest_day)
    churn = home.platform.of_model("churn_risk")
    first, second = (
        churn.registry.register(tiny_models.tiny_artifact(seed), as_of=home.newest_day, now=at) for seed in (31, 32)
    )
    churn.registry.promote(first, actor="gate", reason="first", now=at)
    promoted = ("models", "promote", second, "--reason", "r", "--against-the-gate", "--model", "churn_risk")
    assert run_json(*promoted)["previous_version"] == first
    assert run_json("models", "list", "--model", "churn_risk")["champion"] == second
    rolled = run_json("models", "rollback", "--reason", "worse", "--model", "churn_risk")
    assert rolled["model_version"] == first
    assert run_json("models", "history") == before
    assert run("models", "show", first).exit_code == 1
    assert run_json("models", "show", first, "--model", "churn_risk")["is_champion"]
    providers = champion_providers(home.platform.home)
    assert {name: provider().model_version for name, provider in providers.items()} == {
        "job_applications": home.champions[1],
        "churn_risk": first,
    }
    unknown = run("models", "list", "--model", "flights")
    assert unknown.exit_code == 1
    assert "there is no model 'flights' here; use one of job_applications, churn_risk" in " ".join(
        unknown.stderr.split()
    )


def test_a_version_is_shown_where_nobody_serves_yet(answer_of, production, tiny_models) -> None:
    registry, there = production.of_model().registry, production.settings.home
    version = registry.register(tiny_models.tiny_artifact(1), as_of=date(2026, 6, 12), now=run_time(date(2026, 6, 12)))
    assert "served\n  never" in answer_of("models", "show", version, "--home", there, env={"MLIFE_ENVIRONMENT": "prod"})


@pytest.fixture
def exported(run_json, home, tmp_path) -> dict[str, Any]:
    """What exporting the champion of a home to a folder said."""
    return run_json("models", "export", "champion", "--to", tmp_path / "place", "--actor", "bob")


@pytest.fixture
def import_there(run, production, tmp_path) -> Any:
    """What imports from that folder into production."""

    def call(*arguments: Any, key: str) -> Any:
        words = ("models", "import", tmp_path / "place", *arguments, "--signed-by", key, "--reason", "won in dev")
        return run(*words, "--actor", "ann", "--home", production.settings.home, env=PROD)

    return call


def add_verdict(platform: BoardPorts, version: str, outcome: str) -> None:
    """Let the gate of a home say something of a version, after all that it said before."""
    at = operator_time(platform.of_model())
    verdict = {
        "model_version": version, "as_of_date": at.date(), "outcome": outcome, "users_with_positives": 1200,
        "sentences": ["Said anew."], "policy_version": "pol",
    }  # fmt: skip
    add_event(platform, "promotion_decided", verdict, at)


def reopened(platform: BoardPorts) -> BoardPorts:
    return board_ports(platform.settings, policies=platform.policies)


def test_a_version_goes_from_home_to_home_and_is_promoted_by_the_gate_it_comes_from(
    run, home, production, exported, import_there
) -> None:
    version = home.champions[1]
    imported = import_there(key=exported["signed_by"])
    assert imported.exit_code == 0, imported.stderr
    for words in (
        f"{version} is registered.",
        "It comes from dev, exported by bob at ",
        "The gate there: promoted. Promoted: model 2 meets all conditions.",
        "It has no monitoring reference that can be read: export it again where it served",
        f"It does not serve: `mlife models promote {version} --reason ...` does that.",
    ):
        assert words in imported.stdout
    there = ("--home", production.settings.home)
    listed = run("models", "list", *there, env=PROD).stdout
    assert "promoted in dev" in listed
    assert "No model was promoted yet." in listed
    shown = run("models", "show", version, *there, env=PROD).stdout
    assert (
        f"from dev, {exported['bundle'].split('/')[1]} signed by {exported['signed_by']}, by ann: won in dev" in shown
    )
    assert "promoted in dev" in shown
    promoted = run("models", "promote", version, "--reason", "tried there", *there, env=PROD)
    assert promoted.exit_code == 0, promoted.stderr
    (change,) = reopened(production).of_model().registry.history()
    assert change.reason == "promoted in dev, not judged here: tried there"
    assert "gate: promoted in dev" in run("models", "history", *there, env=PROD).stdout
    again = import_there(key=exported["signed_by"])
    assert f"{version} is registered, as it was." in again.stdout


def test_what_the_gate_refused_elsewhere_needs_the_flag_here(run, refusal_of, home, production, import_there, tmp_path):
    version, there = home.champions[1], ("--home", production.settings.home)
    add_verdict(home.platform, version, "refused")
    out = run("models", "export", version, "--to", tmp_path / "place")
    assert "The gate's last verdict on it in dev: refused." in out.stdout
    imported = import_there(key=present_signer(home.platform.home).public_key.hex())
    assert "The gate there: refused. Said anew." in imported.stdout
    assert f"the gate's last verdict on {version} is: refused in dev" in refusal_of(
        "models", "promote", version, "--reason", "r", *there, env=PROD
    )
    assert reopened(production).of_model().registry.champion() is None
    forced = run("models", "promote", version, "--reason", "r", "--against-the-gate", *there, env=PROD)
    assert forced.exit_code == 0, forced.stderr
    (change,) = reopened(production).of_model().registry.history()
    assert change.reason == "against the gate (refused in dev): r"


def test_an_older_verdict_that_comes_later_does_not_count(
    run, refusal_of, run_json, home, production, import_there, exported, tmp_path
):
    """Else whoever may import could choose among the verdicts of the other gate."""
    version, key = home.champions[1], exported["signed_by"]
    there = ("--home", production.settings.home)
    add_verdict(home.platform, version, "refused")
    newer = run_json("models", "export", version, "--to", tmp_path / "place")["bundle"]
    first = import_there(newer, key=key)
    assert first.exit_code == 0, first.stderr
    assert "does not count" not in first.stdout
    late = import_there(exported["bundle"], key=key)
    assert late.exit_code == 0, late.stderr
    assert "The gate there: promoted." in late.stdout
    assert "It does not count: what does is refused in dev, of " in late.stdout
    assert f"the gate's last verdict on {version} is: refused in dev" in refusal_of(
        "models", "promote", version, "--reason", "r", *there, env=PROD
    )
    words = (tmp_path / "place", exported["bundle"], "--signed-by", key, "--reason", "r", *there)
    document = orjson.loads(run("models", "import", *words, "--json", env=PROD).stdout)
    assert (document["gate"], document["verdict_counts"]) == ("promoted", False)


def test_an_export_carries_and_says_what_the_gate_here_said_alone(
    answer_of, production, exported, import_there, tmp_path
):
    assert import_there(key=exported["signed_by"]).exit_code == 0
    words = ("models", "export", exported["model_version"], "--to", tmp_path / "next")
    on = answer_of(*words, "--home", production.settings.home, env=PROD)
    assert "The gate's last verdict on it in prod: not judged." in on
    assert "public seed" not in on


def test_the_gate_here_comes_before_the_one_elsewhere(refusal_of, home, production, exported, import_there):
    """It judged the version on rows of this environment, whenever the other verdict came."""
    version, there = home.champions[1], ("--home", production.settings.home)
    add_verdict(reopened(production), version, "refused")
    assert import_there(key=exported["signed_by"]).exit_code == 0
    assert f"the gate's last verdict on {version} is: refused;" in refusal_of(
        "models", "promote", version, "--reason", "r", *there, env=PROD
    )


def test_a_version_that_nobody_judged_says_so(run, home, production, import_there, tiny_models, tmp_path) -> None:
    at = home.platform.home.times.act(home.newest_day)
    version = home.platform.of_model().registry.register(tiny_models.tiny_artifact(3), as_of=home.newest_day, now=at)
    out = run("models", "export", version, "--to", tmp_path / "place")
    assert "last verdict on it in dev: not judged." in out.stdout
    assert "The gate there: not judged." in import_there(key=present_signer(home.platform.home).public_key.hex()).stdout
    there = ("--home", production.settings.home)
    assert "not judged" in run("models", "list", *there, env=PROD).stdout
    refused = run("models", "promote", version, "--reason", "r", *there, env=PROD)
    assert "is: not judged" in refused.stderr


def test_an_export_says_what_it_wrote_and_again_that_it_was_there(run, run_json, home, exported, tmp_path) -> None:
    version, place = home.champions[1], tmp_path / "place"
    assert exported["bundle"] == f"{version}/{exported['bundle'].split('/')[1]}"
    assert {"artifact/manifest.json", "registration.json", "verdicts.json"} <= set(exported["files"])
    assert (exported["environment"], exported["is_new"], exported["has_monitoring_reference"]) == ("dev", True, False)
    again = run("models", "export", version[:12], "--to", place)
    assert again.exit_code == 0, again.stderr
    assert f"{exported['bundle']} was at {place} already, exported by bob:" in again.stdout
    assert "where it comes to serve its checks will stop" in again.stdout
    assert f"Signed by {exported['signed_by']}" in again.stdout
    assert exported["key_is_public"]
    assert "This key derives from a public seed and proves nothing" in again.stdout
    modes = {path.stat().st_mode & 0o077 for path in (place, *place.rglob("*"))}
    assert modes == {0}, "rows of people are for their owner alone"


def test_what_cannot_be_imported_says_why_and_changes_nothing(home, production, exported, import_there, tmp_path):
    key, place = exported["signed_by"], tmp_path / "place"
    before = production.lake.list("")
    own = present_signer(production.home).public_key.hex()
    verdicts = place / "models" / exported["bundle"] / "verdicts.json"
    for arguments, with_key, why in (
        ((), own, "is not signed by the key that was named"),
        ((), "0" * 64, "is not signed by the key that was named"),
        ((), key[:-1], "--signed-by is no public key"),
        (("mdl_nothing",), key, "there is no bundle mdl_nothing"),
        (("--model", "churn_risk"), key, "is a version of job_applications and not of churn_risk"),
    ):
        refused = import_there(*arguments, key=with_key)
        assert refused.exit_code == 1
        assert why in refused.stderr
        assert refused.stdout == ""
    verdicts.write_bytes(verdicts.read_bytes().replace(b"promoted", b"refused!"))
    assert "verdicts.json was changed" in import_there(key=key).stderr
    verdicts.unlink()
    assert "verdicts.json is missing" in import_there(key=key).stderr
    place.rename(tmp_path / "elsewhere")
    assert f"there is no folder {place}" in import_there(key=key).stderr
    assert not place.exists()
    assert production.lake.list("") == before


def test_a_bucket_carries_it_too_and_needs_a_key(run, refusal_of, home, production, s3, s3_place, monkeypatch) -> None:
    """Both homes have their lakes in buckets of the same server, at places of their own."""
    environments = []
    for platform, name in ((home.platform, "dev"), (production, "prod")):
        lake = f"{s3_place.url}/{name}"
        store = ObstoreObjectStore.in_bucket(s3.bucket("lake", f"{s3_place.prefix}/{name}"))
        for key in platform.lake.list(""):
            store.put_if_absent(key, platform.lake.get(key))
        environments.append({**s3.variables(lake), "MLIFE_ENVIRONMENT": name})
    dev, prod = environments
    place, version = f"{s3_place.url}/between", home.champions[1]
    out = run("models", "export", version, "--to", place, env=dev)
    assert out.exit_code == 0, out.stderr
    key = out.stdout.split("Signed by ")[1][:64]
    words = ("models", "import", place, "--signed-by", key, "--reason", "r", "--home", production.settings.home)
    imported = run(*words, env=prod)
    assert imported.exit_code == 0, imported.stderr
    promoted = ("models", "promote", version, "--reason", "r", "--home", production.settings.home)
    assert run(*promoted, env=prod).exit_code == 0
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "--to is a bucket, which needs a key; set AWS_ACCESS_KEY_ID" in refusal_of(
        "models", "export", version, "--to", place
    )
    assert "neither s3://bucket/prefix" in run("models", "export", version, "--to", "gs://x/y").stderr


def test_another_model_that_was_never_trained_here_can_be_imported(
    run, home, production, import_there, tiny_models, tmp_path
):
    """The first version of a model may come from elsewhere; one that does not fit is refused all the same."""
    churn = home.platform.of_model("churn_risk")
    version = churn.registry.register(
        tiny_models.tiny_artifact(31), as_of=home.newest_day, now=home.platform.home.times.act(home.newest_day)
    )
    words = ("models", "export", version, "--to", tmp_path / "place", "--model", "churn_risk")
    assert run(*words).exit_code == 0
    refused = import_there("--model", "churn_risk", key=present_signer(home.platform.home).public_key.hex())
    assert "which is no column of churn_risk here" in refused.stderr
    unknown = import_there("--model", "nothing", key="0" * 64)
    assert "there is no model 'nothing' here; use one of job_applications, churn_risk" in unknown.stderr


def test_in_a_project_the_newest_version_says_what_a_model_may_look_at(
    run, answer_of, project, add_model, tmp_path
) -> None:
    """Commands load no code of the project, so nothing else says it."""
    out = run("models", "export", "champion", "--to", tmp_path / "place")
    assert out.exit_code == 0, out.stderr
    words = ("models", "import", tmp_path / "place", "--signed-by", out.stdout.split("Signed by ")[1][:64])
    assert "It comes from project" in answer_of(*words, "--reason", "r")
