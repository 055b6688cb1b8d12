"""Each check is green where AWS does what it should, red where it does not; refusals say whether to try again.

Shown: what mlife makes of AWS's answers; the emulator, which enforces no policy of a bucket, must not pass. Not shown:
that AWS gives these answers, which is what the checks are for.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import MemoryStore

from mlife_assets.adapters import owners_table
from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.adapters.delivery import smoke
from mlife_assets.adapters.delivery.smoke import CHECKS, PLANS, Inside, SmokePlaces, log_in_of
from mlife_assets.adapters.delivery.stacks import refusals_named, refused_with, require_account, waited
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.messages.sending import PLAN_REPORT
from mlife_assets.core import errors
from mlife_assets.core.errors import GateClosedError, IntegrityError, NotFoundError, PermanentError, TransientError

pytestmark = pytest.mark.aws
DENIED = "User: mlife-run is not authorized to perform: s3:it on resource: log with an explicit deny in a policy of it"
NOT_ALLOWED = "User: mlife-run is not authorized because no identity-based policy allows the s3:it action"
NOW = datetime(2026, 6, 10, 18, tzinfo=UTC)
AT = SmokePlaces(
    environment="dev", region="us-east-1", ui="127.0.0.1", log_in="https://login.example.com/authorize",
    made="2026-04-01T08:00:00+00:00", lake="lake", event_log="log", log_heads="heads", people="people",
    people_key="arn:aws:kms:us-east-1:111111111111:key/people", workgroup="mlife",
    alerts="arn:aws:sns:us-east-1:111111111111:mlife-alerts", runs_days=True,
)  # fmt: skip


def refusal(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")


def raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.fixture(autouse=True)
def packages(aws_packages: None) -> None:
    """Every test here needs botocore."""


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", PermanentError), ("Throttling", TransientError)])
def test_a_refusal_is_permanent_unless_it_passes(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=code), refusals_named():
        raise refusal(code)


def test_missing_credentials_are_an_error_on_purpose_and_a_defect_stays_one() -> None:
    from botocore.exceptions import NoCredentialsError

    with pytest.raises(PermanentError, match="credentials"), refusals_named():
        raise NoCredentialsError
    with pytest.raises(KeyError), refusals_named():
        raise KeyError("a")


def test_the_code_of_a_refusal_is_read_and_nothing_else() -> None:
    assert code_of(refusal("AccessDenied")) == "AccessDenied"
    assert code_of(ValueError("AccessDenied")) == ""
    assert refused_with(raising(refusal("PreconditionFailed"))) == "PreconditionFailed"
    assert refused_with(lambda: None) == ""
    with pytest.raises(KeyError):
        refused_with(raising(KeyError("a")))


def test_an_account_is_required(account: Callable[[str], Any]) -> None:
    require_account(account("111111111111"), "111111111111")
    with pytest.raises(GateClosedError, match="of account 111111111111"):
        require_account(account("111111111111"), "222222222222")


def test_waiting_ends() -> None:
    seen, slept = iter(range(10)), []
    assert waited(lambda: next(seen), lambda one: one == 3, "three", seconds=60, sleep=slept.append) == 3
    assert len(slept) == 3
    with pytest.raises(TransientError, match="never was not over after 4 seconds"):
        waited(lambda: 0, lambda _: False, "never", seconds=4, sleep=slept.append)
    assert len(slept) == 5


def answering(**answers: Any) -> Any:
    """Return a client each of whose calls gives an answer, or is refused with a code."""
    from botocore.exceptions import ClientError

    class Client:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(*_: Any, **asked: Any) -> Any:
                answer = answers[name]
                if isinstance(answer, str):
                    raise ClientError({"Error": {"Code": answer, "Message": answers.get("message", DENIED)}}, name)
                return answer(**asked) if callable(answer) else answer

            return call

    return Client()


def run(check: Callable[[Inside], str], at: SmokePlaces = AT, **answers: Any) -> str:
    client = answering(**{"list_objects_v2": {}} | answers)
    return check(Inside(at, lambda _: client, NOW, lambda _: None, lambda: "0123", lambda: "4567"))


def holding(body: bytes) -> dict[str, Any]:
    listed = {"Contents": [{"Key": "manifests/1"}]}
    return {"list_objects_v2": listed, "get_object": lambda **_: {"Body": BytesIO(body)}}


def test_a_put_that_could_replace_must_be_denied() -> None:
    check = smoke.log_refuses_a_put_that_could_replace
    assert run(check, **holding(b"a"), put_object="AccessDenied") == "a put is refused"
    for wrong, said in (({}, "success"), ("NoSuchBucket", "NoSuchBucket")):
        with pytest.raises(IntegrityError, match=said):
            run(check, **holding(b"a"), put_object=wrong)


def test_a_role_without_the_right_does_not_prove_that_the_bucket_denies() -> None:
    answers: dict[str, Any] = dict.fromkeys(("put_object", "delete_object", "put_object_retention"), "AccessDenied")
    for check in (smoke.log_refuses_a_put_that_could_replace, smoke.log_refuses_deletion):
        with pytest.raises(IntegrityError, match="no identity-based policy"):
            run(check, **holding(b"a"), **answers, message=NOT_ALLOWED)


def test_a_second_put_must_fail_its_condition() -> None:
    def put(**asked: Any) -> dict[str, Any]:
        assert (asked["Key"], asked["IfNoneMatch"]) == ("manifests/1", "*")
        return {}

    assert "manifests/1" in run(smoke.log_is_put_once, **holding(b"a"), put_object="PreconditionFailed")
    with pytest.raises(IntegrityError, match="success"):
        run(smoke.log_is_put_once, **holding(b"a"), put_object=put)
    with pytest.raises(NotFoundError, match="run a day"):
        run(smoke.log_is_put_once, list_objects_v2={})


@pytest.mark.parametrize("opened", ["delete_object", "put_object_retention"])
def test_deleting_and_shortening_must_be_denied(opened: str) -> None:
    denied = {"delete_object": "AccessDenied", "put_object_retention": "AccessDenied"}
    assert run(smoke.log_refuses_deletion, **denied).count("is refused") == 3
    with pytest.raises(IntegrityError, match="success"):
        run(smoke.log_refuses_deletion, **{**denied, opened: {}})


def test_bypassing_retention_must_be_denied_where_deleting_is() -> None:
    def delete(**asked: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        if not asked.get("BypassGovernanceRetention"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": DENIED}}, "DeleteObject")
        return {}

    with pytest.raises(IntegrityError, match="deleting past retention is answered with success"):
        run(smoke.log_refuses_deletion, delete_object=delete, put_object_retention="AccessDenied")


def test_what_must_be_refused_harms_nothing_where_it_goes_through() -> None:
    tried: list[tuple[str, bytes | None]] = []

    def note(**asked: Any) -> dict[str, Any]:
        tried.append((asked["Key"], asked.get("Body")))
        return {}

    for check in (smoke.log_refuses_a_put_that_could_replace, smoke.log_is_put_once, smoke.log_refuses_deletion):
        with pytest.raises(IntegrityError):
            run(check, **holding(b"a"), put_object=note, delete_object=note, put_object_retention=note)
    assert set(tried) == {("manifests/1", b"a"), (smoke.NEVER_WRITTEN, None)}


def pages(*written: tuple[str, datetime]) -> Any:
    contents = [{"Key": key, "LastModified": at} for key, at in written]
    return answering(paginate=lambda **_: [{"Contents": contents[:1]}, {"Contents": contents[1:]}])


def test_a_head_must_be_there_and_new() -> None:
    check = smoke.heads_lie_with_the_witness
    planned = {"Contents": [{"LastModified": NOW - timedelta(days=40)}]}
    old, new = ("heads/1.json", NOW - timedelta(days=40)), ("heads/2.json", NOW - timedelta(hours=20))
    assert run(check, get_paginator=pages(old, new)) == "heads/2.json"
    with pytest.raises(IntegrityError, match="no day ended since; due_days_sensor says"):
        run(check, get_paginator=pages(old), list_objects_v2=planned)
    paused = replace(AT, runs_days=False)
    assert run(check, paused, get_paginator=pages(old)) == "heads/1.json"
    with pytest.raises(NotFoundError, match="no head"):
        run(check, paused, get_paginator=pages())
    with pytest.raises(NotFoundError, match="no head"):
        run(check, get_paginator=pages())


TABLES_OF_PEOPLE: dict[str, dict[str, list[str]]] = {
    "contacts/contacts.parquet": {"user_id": ["u1", "u2"], "phone_number": ["+12125550101", "+12125550102"]},
    "audit/audit.parquet": {"user_id": ["u1"], "sex": ["unknown"], "race_ethnicity": ["unknown"]},
}
BY_ITS_KEY = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": AT.people_key}


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    store = MemoryStore()
    monkeypatch.setattr(owners_table, "open_bucket", lambda place, **_: store)
    for key, columns in TABLES_OF_PEOPLE.items():
        pq.write_table(pa.table(columns), body := BytesIO())
        obstore.put(store, key, body.getvalue())
    return store


def test_contact_book_and_audit_table_must_be_read(people: MemoryStore) -> None:
    asked: list[str] = []

    def get(**of: str) -> dict[str, str]:
        asked.append(f"{of['Bucket']}/{of['Key']}")
        return BY_ITS_KEY

    said = run(smoke.people_can_be_read, get_object=get)
    assert said == "contacts/contacts.parquet has 2 people; audit/audit.parquet has 1 people"
    assert asked == ["people/contacts/contacts.parquet", "people/audit/audit.parquet"]
    with pytest.raises(IntegrityError, match="cannot be read: AccessDenied"):
        run(smoke.people_can_be_read, get_object="AccessDenied")


def test_a_table_of_people_that_is_none_is_red(people: MemoryStore) -> None:
    obstore.put(people, "audit/audit.parquet", b"no table")
    with pytest.raises(
        errors.InvalidInputError, match=r"MLIFE_AUDIT_TABLE: s3://people/audit/audit\.parquet cannot be read"
    ):
        run(smoke.people_can_be_read, get_object=BY_ITS_KEY)


@pytest.mark.parametrize(
    "answer", [{"ServerSideEncryption": "AES256"}, {**BY_ITS_KEY, "SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/a"}]
)
def test_a_table_of_people_under_another_key_is_red(people: MemoryStore, answer: dict[str, str]) -> None:
    with pytest.raises(IntegrityError, match=r"contacts\.parquet is encrypted by .* and not by arn:.*:key/people"):
        run(smoke.people_can_be_read, get_object=answer)


def test_before_the_first_upload_it_is_said_what_does_not_happen() -> None:
    assert run(smoke.people_can_be_read, get_object="NoSuchKey") == (
        "contacts/contacts.parquet is not uploaded yet, so nobody is sent anything; "
        "audit/audit.parquet is not uploaded yet, so no model is promoted"
    )
    with pytest.raises(IntegrityError, match="NoSuchBucket"):
        run(smoke.people_can_be_read, get_object="NoSuchBucket")


def test_what_is_looked_for_is_what_the_task_of_runs_names(repository: Path) -> None:
    template = (repository / "infra" / "templates" / "45-dagster.yaml").read_text(encoding="utf-8")
    assert all(f"s3://${{PeopleBucketName}}/{key}" in template for key in smoke.PEOPLE)


def asked(state: str, *values: str) -> dict[str, Any]:
    return {
        "start_query_execution": {"QueryExecutionId": "q"},
        "get_query_execution": {"QueryExecution": {"Status": {"State": state}}},
        "get_query_results": {"ResultSet": {"Rows": [{}, {"Data": [{"VarCharValue": one} for one in values]}]}},
    }


def test_athena_must_succeed() -> None:
    states = map(asked, ["QUEUED", "RUNNING", "SUCCEEDED"])
    answers = asked("", "12") | {"get_query_execution": lambda **_: next(states)["get_query_execution"]}
    assert run(smoke.athena_answers, **answers).startswith("12 clicks")
    nothing = asked("SUCCEEDED", "0")
    with pytest.raises(NotFoundError, match="no click"):
        run(smoke.athena_answers, **nothing)
    said = run(smoke.athena_answers, replace(AT, runs_days=False), **nothing)
    assert said == "no click of seven days, in which no day had to run"
    failed = {"QueryExecution": {"Status": {"State": "FAILED", "StateChangeReason": "no table"}}}
    with pytest.raises(IntegrityError, match="no table"):
        run(smoke.athena_answers, **{**nothing, "get_query_execution": failed})


NOBODY_HEARS = {"SubscriptionsConfirmed": "0", "SubscriptionsPending": "1"}
WAITING: dict[Callable[[Inside], str], dict[str, Any]] = {
    smoke.log_refuses_a_put_that_could_replace: {},
    smoke.log_is_put_once: {},
    smoke.heads_lie_with_the_witness: {"get_paginator": lambda **_: pages(("heads/1.json", NOW - timedelta(days=5)))},
    smoke.athena_answers: asked("SUCCEEDED", "0"),
    smoke.athena_has_the_marts: asked("FAILED"),
    smoke.somebody_hears_alerts: {"get_topic_attributes": {"Attributes": NOBODY_HEARS}},
}
"""What AWS answers where no day has ended: history may have landed, and the heads of it are older than two days."""


@pytest.mark.parametrize("check", WAITING, ids=lambda check: check.__name__)
def test_what_a_day_leaves_waits_for_the_first_and_never_for_ever(check: Callable[[Inside], str]) -> None:
    """In the log's first week nothing is red; from then on, or once metrics should have followed a plan, all is."""

    def says(made: datetime, planned: datetime | None = None) -> str:
        def listed(Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803  as the client has it
            is_found = planned and (Bucket, Prefix, MaxKeys) == ("lake", PLANS, 1)
            return {"Contents": [{"LastModified": planned}]} if is_found else {}

        with pytest.raises((NotFoundError, IntegrityError)) as seen:
            run(check, replace(AT, made=made.isoformat()), list_objects_v2=listed, **WAITING[check])
        return ("not yet: " if isinstance(seen.value, smoke.NotYetError) else "red: ") + str(seen.value)

    second, week = timedelta(seconds=1), timedelta(days=7)
    assert says(NOW - week + second).startswith("not yet: this is red from 2026-06-10 18:00 UTC on: ")
    assert says(NOW - week).startswith("red: no day ended since 2026-06-03") or check is smoke.athena_has_the_marts
    assert says(NOW - week).startswith("red: ")
    assert says(NOW - second, NOW - timedelta(hours=26)).startswith("red: ")
    assert says(NOW - 9 * week, NOW - timedelta(hours=26) + second).startswith("not yet: ")


def test_each_check_that_asks_for_a_day_is_tried_without_one() -> None:
    asks = {check for check in CHECKS.values() if {"_missing", "_written"} & set(check.__code__.co_names)}
    assert asks == WAITING.keys()


def test_a_day_that_ended_is_one_whose_plan_lies_in_the_lake() -> None:
    assert TableStore(MemoryStore()).report_key(PLAN_REPORT, NOW.date()).startswith(smoke.PLANS)


def test_marts_on_athena_must_hold_a_day() -> None:
    answers = asked("SUCCEEDED")
    for cell, said in (({"VarCharValue": "2026-06-10"}, "figures until 2026-06-10"), ({}, None)):
        answers["get_query_results"] = {"ResultSet": {"Rows": [{}, {"Data": [cell]}]}}
        if said:
            assert run(smoke.athena_has_the_marts, **answers) == said
            continue
        with pytest.raises(NotFoundError, match="run a day and metrics_job"):
            run(smoke.athena_has_the_marts, **answers)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Parameter": {"Value": "false"}}, "it says false"),
        ({"Parameter": {"Value": "true"}}, "it says true"),
        ("ParameterNotFound", "nothing was ever stopped"),
    ],
)
def test_the_flag_is_read(answer: Any, said: str) -> None:
    assert run(smoke.stop_flag_is_read, get_parameter=answer) == said


@pytest.mark.parametrize("answer", [{"Parameter": {"Value": "maybe"}}, "AccessDeniedException"])
def test_a_flag_that_cannot_be_read_is_red(answer: Any) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        run(smoke.stop_flag_is_read, get_parameter=answer)


def test_a_run_and_an_alert_are_named() -> None:
    assert run(smoke.dagster_launches_a_run_as_a_task) == "run 0123"
    assert run(smoke.training_gets_a_larger_task) == "run 4567"
    assert run(smoke.alerts_are_taken, publish={"MessageId": "m"}) == "message m"


@pytest.mark.parametrize(
    ("confirmed", "pending", "said"), [("1", "0", "1 subscribed"), ("2", "1", "2 subscribed, 1 did")]
)
def test_somebody_must_have_confirmed_to_hear(confirmed: str, pending: str, said: str) -> None:
    answer = {"Attributes": {"SubscriptionsConfirmed": confirmed, "SubscriptionsPending": pending}}
    assert run(smoke.somebody_hears_alerts, get_topic_attributes=answer).startswith(said)


def test_a_subscription_that_nobody_confirmed_is_red() -> None:
    answer = {"Attributes": NOBODY_HEARS}
    with pytest.raises(NotFoundError, match="1 did not confirm yet: `aws sns confirm-subscription` with the token"):
        run(smoke.somebody_hears_alerts, get_topic_attributes=answer)


def test_the_topic_says_how_many_confirmed(account: Callable[[str], Any]) -> None:
    of = account("700000009997")
    of("s3").create_bucket(Bucket="lake")
    topic = of("sns").create_topic(Name="mlife-alerts")["TopicArn"]
    inside = Inside(replace(AT, alerts=topic), of, NOW, lambda _: None, str, str)
    with pytest.raises(NotFoundError, match="nobody hears arn"):
        smoke.somebody_hears_alerts(inside)


def test_the_ui_must_send_away_to_log_in() -> None:
    assert log_in_of(302, f"{AT.log_in}?client_id=mlife", AT.log_in) == f"sent to {AT.log_in}"
    for status, location in ((200, ""), (302, "https://elsewhere.example.com"), (503, AT.log_in)):
        with pytest.raises(IntegrityError):
            log_in_of(status, location, AT.log_in)


class Balancer(BaseHTTPRequestHandler):
    """Sends whoever asks to log in."""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{AT.log_in}?client_id=mlife")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def balancer(certificate: tuple[Path, Path]) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HTTPServer(("127.0.0.1", 0), Balancer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_certificate_must_be_one_that_somebody_vouches_for(
    balancer: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(replace(AT, ui=balancer), lambda _: None, NOW, lambda _: None, str, str)
    with pytest.raises(ssl.SSLCertVerificationError):
        smoke.ui_asks_who_you_are(inside)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert smoke.ui_asks_who_you_are(inside) == f"sent to {AT.log_in}"


def test_an_emulator_that_enforces_nothing_does_not_pass(account: Callable[[str], Any]) -> None:
    of = account("700000009999")
    of("s3").create_bucket(Bucket="log")
    of("s3").put_object(Bucket="log", Key="manifests/1", Body=b"a")
    for check in (smoke.log_refuses_a_put_that_could_replace, smoke.log_refuses_deletion):
        with pytest.raises(IntegrityError, match="answered with"):
            check(Inside(AT, of, NOW, lambda _: None, str, str))


def test_each_check_says_what_is_true_when_it_is_green() -> None:
    assert all(check.__doc__ and check.__name__ == name for name, check in CHECKS.items())
