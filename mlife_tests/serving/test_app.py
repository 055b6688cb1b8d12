"""The endpoint, asked over HTTP as a client would, and who is let through."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starlette.responses import PlainTextResponse

from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.estimators import StoredEstimator, usable
from mlife_assets.core.scoring.reasons import first_step_probabilities
from mlife_assets.core.scoring.scorer import LightGBMScorer, scorer_of
from mlife_assets.serving.app import create_app
from mlife_assets.serving.connections import Access, PageHeaders
from mlife_assets.serving.requests import RequestLimits
from mlife_tests.tiny_models import row_record

SECRET = "the password is hunter2"
ODD = [0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-36, 1.7e308, -1.7e308, 1.0, -3.5, 1 / 3]
FOUND = [*ODD, float("nan"), float("inf"), float("-inf")]
TOKEN = "s3cret" * 6


@pytest.fixture(scope="module")
def url(serve: Callable[[Any], Any], scorer: LightGBMScorer) -> Iterator[str]:
    with serve(create_app({"m": lambda: scorer}, RequestLimits(body_bytes=200_000, rows=100))) as address:
        yield address


def records(models: ModuleType, matrix: np.ndarray) -> list[dict[str, Any]]:
    return [row_record(models.SPEC, row) for row in matrix]


def ask(session: requests.Session, url: str, rows: Any) -> requests.Response:
    return session.post(f"{url}/v1/score", data=orjson.dumps({"rows": rows}), timeout=20)


def refused(response: requests.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "remedy", "row", "field"}
    assert error["message"]
    assert error["remedy"]
    return error


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_row_alone_scores_as_in_a_batch_and_at_the_endpoint_to_the_bit(
    url: str, session: requests.Session, scorer: LightGBMScorer, models: ModuleType, data: st.DataObject
) -> None:
    """Invariant 2. Numbers are any doubles, categories any known or unseen value."""
    count = data.draw(st.integers(1, 4))
    number = st.sampled_from(FOUND) | st.floats(width=64)
    vocabularies = dict(models.SPEC.vocabularies)
    matrix, rows = np.empty((count, len(models.SPEC.names))), []
    for place in range(count):
        row: dict[str, Any] = {}
        for column, name in enumerate(models.SPEC.names):
            if name in vocabularies:
                value = data.draw(st.sampled_from([*vocabularies[name], "unseen", None]))
                matrix[place, column] = vocabularies[name].index(value) if value in vocabularies[name] else np.nan
                row[name] = value
            else:
                matrix[place, column] = data.draw(number)
        rows.append({**row_record(models.SPEC, matrix[place]), **row})
    batch = scorer.score(matrix)
    for place in range(count):
        alone = scorer.score(matrix[place : place + 1])
        assert alone.raw.tobytes() == batch.raw[place : place + 1].tobytes()
        assert alone.probability.tobytes() == batch.probability[place : place + 1].tobytes()
    answer = ask(session, url, rows).json()
    assert answer["model_version"] == scorer.model_version
    assert np.array([s["raw"] for s in answer["scores"]]).tobytes() == batch.raw.tobytes()
    assert np.array([s["probability"] for s in answer["scores"]]).tobytes() == batch.probability.tobytes()


def test_a_funnel_tells_the_probability_of_a_click_with_the_bits_of_the_batch(
    serve: Callable[[Any], Any], session: requests.Session, models: ModuleType
) -> None:
    funnel = LightGBMScorer(models.tiny_artifact(3, is_funnel=True), threads=1)
    matrix = models.random_matrix(8, 200)
    with serve(create_app({"m": lambda: funnel})) as url:
        scores = ask(session, url, records(models, matrix)).json()["scores"]
    clicks = np.array([s["click_probability"] for s in scores])
    assert clicks.tobytes() == first_step_probabilities(funnel.score(matrix)).tobytes()
    assert len(set(clicks.tolist())) > 10


def test_an_estimator_of_ones_own_scores_at_the_endpoint_to_the_bit(
    serve: Callable[[Any], Any], session: requests.Session, models: ModuleType
) -> None:
    matrix = models.random_matrix(8, 400)
    seen = models.SPEC.expanded(matrix)
    steps = (SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())
    fitted = make_pipeline(*steps).fit(usable(seen), np.nan_to_num(matrix[:, 0]) > np.nanmedian(matrix[:, 0]))
    own = StoredEstimator.fitted_on(fitted, seen)
    stage = ModelStage("applied", "", Calibrator("sigmoid", (1.0, -0.5), ()), own.to_bytes())
    scorer = scorer_of(ModelArtifact((stage,), models.SPEC, "of a test", {}), threads=2)
    batch = scorer.score(matrix)
    with serve(create_app({"m": lambda: scorer})) as url:
        answers = [
            ask(session, url, rows).json()["scores"] for rows in (records(models, matrix), records(models, matrix[7:8]))
        ]
    for found, expected in zip(answers, (slice(None), slice(7, 8)), strict=True):
        assert np.array([one["raw"] for one in found]).tobytes() == batch.raw[expected].tobytes()
        assert np.array([one["probability"] for one in found]).tobytes() == batch.probability[expected].tobytes()
    assert len(set(batch.raw.tolist())) > 300


def test_a_model_of_one_step_has_null_for_a_click(url: str, session: requests.Session, models: ModuleType) -> None:
    scores = ask(session, url, records(models, models.random_matrix(8, 3))).json()["scores"]
    assert [list(s) for s in scores] == [["raw", "probability", "click_probability"]] * 3
    assert [s["click_probability"] for s in scores] == [None] * 3


@pytest.mark.parametrize("isotonic", [True, False])
def test_a_big_batch_at_the_endpoint_equals_single_rows_for_both_calibrators(
    serve: Callable[[Any], Any], session: requests.Session, models: ModuleType, isotonic: bool
) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(3, isotonic=isotonic), threads=2)
    matrix = models.random_matrix(8, 1_500)
    matrix[:9, 0] = FOUND[:9]
    with serve(create_app({"m": lambda: scorer})) as url:
        scores = ask(session, url, records(models, matrix)).json()["scores"]
        last = ask(session, url, records(models, matrix[-1:])).json()["scores"]
    alone = [scorer.score(row[None, :]) for row in matrix]
    assert [s["raw"] for s in scores] == [float(one.raw[0]) for one in alone]
    assert [s["probability"] for s in scores] == [float(one.probability[0]) for one in alone]
    assert last == scores[-1:]
    assert len({s["raw"] for s in scores}) > 100


def test_no_rows_get_no_scores(url: str, session: requests.Session, scorer: LightGBMScorer) -> None:
    assert ask(session, url, []).json() == {"model_version": scorer.model_version, "scores": []}


def test_the_model_describes_what_a_row_must_hold(
    url: str, session: requests.Session, scorer: LightGBMScorer, models: ModuleType
) -> None:
    description = session.get(f"{url}/v1/model", timeout=20).json()
    assert description["model_version"] == scorer.model_version
    assert description["maximum_rows"] == 100
    assert [feature["name"] for feature in description["features"]] == list(models.SPEC.names)
    by_name = {feature["name"]: feature for feature in description["features"]}
    assert by_name["distance_km"] == {"name": "distance_km", "type": "number"}
    assert by_name["metro_code"] == {"name": "metro_code", "type": "category", "values": list(models.METROS)}


def test_health_tells_that_it_is_well_and_no_more(url: str, session: requests.Session) -> None:
    answer = session.get(f"{url}/health", timeout=20)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_asking_for_health_often_costs_one_look(
    serve: Callable[[Any], Any], session: requests.Session, scorer: LightGBMScorer
) -> None:
    looks: list[None] = []

    def champion() -> LightGBMScorer:
        looks.append(None)
        return scorer

    with serve(create_app({"m": champion})) as url:
        answers = [session.get(f"{url}/health", timeout=20).status_code for _ in range(50)]
    assert answers == [200] * 50
    assert len(looks) < 10


def test_small_requests_that_come_at_once_look_for_the_champion_once(
    serve: Callable[[Any], Any], scorer: LightGBMScorer
) -> None:
    """A look may load a model, which takes seconds. Whoever comes after a failed look gets a new one."""
    looks: list[None] = []

    def champion() -> LightGBMScorer:
        looks.append(None)
        time.sleep(1)
        if len(looks) == 1:
            raise NotFoundError("no model was promoted yet; promote one")
        return scorer

    with serve(create_app({"m": champion})) as url, ThreadPoolExecutor(8) as pool:
        for expected, count in ((503, 1), (200, 2)):
            asked = pool.map(lambda _: requests.post(f"{url}/v1/score", b'{"rows": []}', timeout=20), range(8))
            assert [one.status_code for one in asked] == [expected] * 8
            assert len(looks) == count


def test_a_bad_row_is_refused_with_row_field_and_remedy(
    url: str, session: requests.Session, models: ModuleType
) -> None:
    rows = records(models, models.random_matrix(2, 3))
    del rows[2]["distance_km"]
    error = refused(ask(session, url, rows), 422)
    assert (error["row"], error["field"]) == (2, "distance_km")
    assert "/v1/model" in error["remedy"]


def test_a_body_that_is_no_json_and_too_many_rows_are_refused(url: str, session: requests.Session) -> None:
    refused(session.post(f"{url}/v1/score", data=b"{not json", timeout=20), 422)
    assert "100 rows" in refused(ask(session, url, [{}] * 101), 422)["remedy"]


@pytest.mark.parametrize("size", [200_001, 790_000, 3_000_000])
def test_a_large_body_is_refused_and_the_client_sees_why(url: str, size: int) -> None:
    with requests.Session() as fresh:
        fresh.trust_env = False
        try:
            response = fresh.post(f"{url}/v1/score", data=b" " * size, timeout=20)
        except requests.ConnectionError:
            assert size > 4 * 200_000, "a body of moderate size is drained, so its sender reads the answer"
        else:
            assert "200000 bytes" in refused(response, 413)["message"]
        assert fresh.get(f"{url}/health", timeout=20).status_code == 200


def test_a_chunked_body_without_a_length_is_limited_too(url: str, session: requests.Session) -> None:
    refused(session.post(f"{url}/v1/score", data=(b" " * 50_000 for _ in range(6)), timeout=20), 413)


def test_unknown_routes_and_methods_are_answered_in_json(url: str, session: requests.Session) -> None:
    assert "/v1/scores" in refused(session.get(f"{url}/v1/scores", timeout=20), 404)["message"]
    response = session.get(f"{url}/v1/score", timeout=20)
    refused(response, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (NotFoundError("no model was promoted; promote one"), 503),
        (IntegrityError("the artifact was changed; restore it"), 503),
        (RuntimeError(SECRET), 500),
    ],
)
def test_a_champion_that_cannot_be_loaded_is_no_score(
    serve: Callable[[Any], Any], session: requests.Session, failure: Exception, status: int
) -> None:
    def fail() -> LightGBMScorer:
        raise failure

    with serve(create_app({"m": fail})) as url:
        health = session.get(f"{url}/health", timeout=20)
        assert (health.status_code, health.json()) == (503, {"status": "unavailable"})
        for response in (session.get(f"{url}/v1/model", timeout=20), ask(session, url, [])):
            refused(response, status)
            assert SECRET not in response.text


def test_a_slow_score_blocks_nobody_else(
    serve: Callable[[Any], Any], scorer: LightGBMScorer, models: ModuleType
) -> None:
    """Scoring runs off the event loop: health answers while a score is held."""
    entered, released = threading.Event(), threading.Event()

    class Held(LightGBMScorer):
        def score(self, features: np.ndarray) -> Any:
            entered.set()
            assert released.wait(20)
            return super().score(features)

    held = Held(models.tiny_artifact(1), threads=1)
    rows = records(models, models.random_matrix(4, 1))
    with (
        serve(create_app({"m": lambda: held})) as url,
        ThreadPoolExecutor(1) as pool,
        requests.Session() as slow,
        requests.Session() as quick,
    ):
        slow.trust_env = quick.trust_env = False
        pending = pool.submit(ask, slow, url, rows)
        try:
            assert entered.wait(20)
            assert quick.get(f"{url}/health", timeout=5).status_code == 200
            assert not pending.done()
        finally:
            released.set()
        assert pending.result(20).status_code == 200


def test_many_clients_at_once_get_the_scores_of_one(serve: Callable[[Any], Any], models: ModuleType) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(6), threads=2)
    matrix = models.random_matrix(6, 40)
    expected = LightGBMScorer(models.tiny_artifact(6), threads=1).score(matrix)

    with serve(create_app({"m": lambda: scorer})) as url, ThreadPoolExecutor(8) as pool:

        def one(place: int) -> list[dict[str, float]]:
            with requests.Session() as own:
                own.trust_env = False
                return ask(own, url, records(models, matrix[place : place + 5])).json()["scores"]

        answers = list(pool.map(one, range(0, 40, 5)))
    assert [s["raw"] for part in answers for s in part] == expected.raw.tolist()


def test_each_model_has_paths_of_its_own_and_the_first_the_short_ones(
    serve: Callable[[Any], Any], session: requests.Session, models: ModuleType
) -> None:
    one, two = (LightGBMScorer(models.tiny_artifact(seed), threads=1) for seed in (1, 2))

    def nobody() -> LightGBMScorer:
        raise NotFoundError("no model was promoted; promote one")

    def hurt() -> LightGBMScorer:
        raise IntegrityError("a file was changed; restore it")

    rows = records(models, models.random_matrix(9, 5))
    with serve(create_app({"first": lambda: one, "second": lambda: two, "young": nobody, "hurt": hurt})) as url:
        asked = [session.post(f"{url}/v1/models/{name}/score", json={"rows": rows}) for name in ("first", "second")]
        short = ask(session, url, rows)
        assert [answer.json()["model_version"] for answer in asked] == [one.model_version, two.model_version]
        assert asked[0].content == short.content != asked[1].content
        described = [session.get(f"{url}{path}").json() for path in ("/v1/models/first", "/v1/model")]
        assert described[0] == described[1]
        assert session.get(f"{url}/v1/models/second").json()["model_version"] == two.model_version
        named = {entry["name"]: entry["model_version"] for entry in session.get(f"{url}/v1/models").json()["models"]}
        assert named == {"first": one.model_version, "second": two.model_version, "young": None, "hurt": None}
        refused(session.get(f"{url}/v1/models/young"), 503)
        error = refused(session.get(f"{url}/v1/models/churn"), 404)
        assert (error["message"], error["remedy"]) == (
            "there is no model churn",
            "use one of first, second, young, hurt",
        )
        odd = refused(session.get(f"{url}/v1/models/x%3B%20send%20your%20token%20elsewhere"), 404)
        assert odd["remedy"] == "use one of first, second, young, hurt", "a caller writes no remedy"
        assert session.get(f"{url}/health").status_code == 200
    with serve(create_app({"young": nobody, "hurt": hurt, "second": lambda: two})) as url:
        assert session.get(f"{url}/health").status_code == 200, "what one model lacks takes no other away"


def test_an_endpoint_of_no_model_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="models is empty"):
        create_app({})


def ask_with_token(token: str | None, path: str = "/v1/model", **headers: str) -> tuple[int, dict[str, str]]:
    """Return the status and headers that a GET is answered with."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": raw}
    guarded = Access(PlainTextResponse("hello"), token, lambda status, *_: PlainTextResponse("no", status))
    asyncio.run(guarded(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_the_token_opens_every_path_and_any_host() -> None:
    assert ask_with_token(TOKEN, authorization=f"Bearer {TOKEN}", host="scores.example")[0] == 200
    assert ask_with_token(TOKEN, authorization=f"bearer  {TOKEN} ")[0] == 200


@pytest.mark.parametrize(
    "given",
    ["", "\xff", "Bearer ", TOKEN, f"Basic {TOKEN}", *(f"Bearer {one}" for one in (TOKEN[1:], TOKEN + "x", "s"))],
)
def test_anything_else_is_401(given: str) -> None:
    status, headers = ask_with_token(TOKEN, authorization=given)
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="mlife"')


@pytest.mark.parametrize("path", ["/health/", "/health/../v1/model", "//health", "/HEALTH", "/v1/model#/health"])
def test_health_alone_is_open(path: str) -> None:
    assert ask_with_token(TOKEN, "/health")[0] == 200
    assert ask_with_token(TOKEN, path)[0] == 401
    assert ask_with_token(TOKEN, host="evil.example/health?")[0] == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost", " LocalHost:8000 ", "[::1]", "[::1]:443"])
def test_without_a_token_this_machine_s_names_are_answered(host: str) -> None:
    assert ask_with_token(None, host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1:80:80", "", "[::1", "::1", "evil.example#localhost"]
)
def test_without_a_token_no_other_name_is(host: str) -> None:
    assert ask_with_token(None, host=host)[0] == 421
    assert ask_with_token(None, "/health", host=host)[0] == 421


def test_every_answer_says_what_a_browser_may_do() -> None:
    sent: list[dict[str, Any]] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(PageHeaders(app, {"x-own": "1"})({"type": "http"}, None, send))  # type: ignore[arg-type]
    headers = dict(sent[0]["headers"])
    assert headers[b"x-own"] == b"1"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'")
    assert sent[1] == {"type": "http.response.body", "body": b""}
