"""Which columns are watched: kinds that follow each other, and blocks of embeddings."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.monitoring.columns import (
    LABEL,
    PLAIN_WORDS,
    MonitoringColumns,
    Wording,
    capitalised,
    examples_of,
    prefix_of,
)
from mlife_assets.core.monitoring.outcomes import keys_of
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

LOANS = ExampleSpec("client", "day", "repaid", "known_on", ("amount",))
ROWS = pa.table(
    {"client": ["a", "b"], "day": [date(2026, 1, 1)] * 2, "known_on": [date(2026, 1, 8)] * 2, "amount": [1.0, 2.0]}
)


def test_every_restricted_kind_of_column_follows() -> None:
    columns = PAIR_COLUMNS.restricted_to(["distance_km", "metro_code", "text_1", "tenure_days"])
    assert columns.watched == ("distance_km", "tenure_days", "metro_code")
    assert (columns.embedding, columns.ranged, columns.never_zero) == (("text_1",), ("distance_km",), ("distance_km",))
    assert (columns.alarming, columns.closed) == (("distance_km", "metro_code"), {})
    assert columns.unalarmed == PAIR_COLUMNS.unalarmed, "also what a sample lacks stays hidden from SHAP values"


def test_the_columns_of_an_embedding_are_one_block() -> None:
    columns = MonitoringColumns(embedding=("taste_1", "taste_2", "job_text_1"))
    assert columns.embedding_blocks == {
        "taste_embeddings": ("taste_1", "taste_2"),
        "job_text_embeddings": ("job_text_1",),
    }


def test_statistics_of_the_label_have_plain_names_and_those_of_a_step_its_own() -> None:
    assert (prefix_of(LABEL), prefix_of("quote")) == ("", "quote_")
    plain, of_quotes = keys_of(["size"]), keys_of(["size"], "quote")
    assert of_quotes == [(f"quote_{method}", column) for method, column in plain]


def test_a_model_that_says_no_words_has_outcomes_that_convert() -> None:
    assert {LABEL: Wording("outcomes", "converts")} == PLAIN_WORDS


def test_a_sentence_begins_with_the_words_as_they_were_given() -> None:
    assert [capitalised(words) for words in ("SMS replies", "quotes", "")] == ["SMS replies", "Quotes", ""]


def test_days_have_the_names_of_monitoring_and_nothing_else_changes() -> None:
    found = examples_of(ROWS, LOANS)
    assert found["exposure_date"].equals(ROWS["day"])
    assert found["label_mature_date"].equals(ROWS["known_on"])
    assert found.select(ROWS.column_names).equals(ROWS)


def test_rows_that_are_called_so_stay_as_they_are(job_pairs) -> None:
    rows = job_pairs.labelled_examples(20)
    assert examples_of(rows, JOB_EXAMPLES) is rows


def test_no_column_is_overwritten_and_none_is_missed() -> None:
    with pytest.raises(InvalidInputError, match="a column exposure_date beside day"):
        examples_of(ROWS.append_column("exposure_date", ROWS["day"]), LOANS)
    with pytest.raises(InvalidInputError, match="lack column known_on"):
        examples_of(ROWS.drop_columns(["known_on"]), LOANS)
