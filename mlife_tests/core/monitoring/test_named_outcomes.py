"""Names of outcomes: plain for the label, the step in front for what comes before it."""

from __future__ import annotations

from mlife_assets.core.monitoring.named_outcomes import LABEL, PLAIN_WORDS, Wording, capitalised, prefix_of
from mlife_assets.core.monitoring.outcomes import keys_of


def test_statistics_of_the_label_have_plain_names_and_those_of_a_step_its_own() -> None:
    assert (prefix_of(LABEL), prefix_of("quote")) == ("", "quote_")
    plain, of_quotes = keys_of(["size"]), keys_of(["size"], "quote")
    assert of_quotes == [(f"quote_{method}", column) for method, column in plain]


def test_a_model_that_says_no_words_has_outcomes_that_convert() -> None:
    assert {LABEL: Wording("outcomes", "converts")} == PLAIN_WORDS


def test_a_sentence_begins_with_the_words_as_they_were_given() -> None:
    assert [capitalised(words) for words in ("SMS replies", "quotes", "")] == [
        "SMS replies",
        "Quotes",
        "",
    ]
