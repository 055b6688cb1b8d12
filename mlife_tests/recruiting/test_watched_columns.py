"""What is watched of a pair is what the model sees of it."""

from __future__ import annotations

from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.watched_columns import PAIR_COLUMNS


def test_every_feature_is_watched_but_for_how_a_pair_would_be_shown() -> None:
    unwatched = {*JOB_EXAMPLES.features, *JOB_EXAMPLES.categoricals} - set(PAIR_COLUMNS.watched)
    assert unwatched == {"exposure_kind"}


def test_what_is_said_of_a_column_is_said_of_one_that_there_is(job_pairs) -> None:
    pairs = job_pairs.labelled_examples(50).column_names
    rates = {rate.name for rate in JOB_EXAMPLES.rates}
    named = {*PAIR_COLUMNS.unalarmed, *PAIR_COLUMNS.ranged, *PAIR_COLUMNS.residual, *PAIR_COLUMNS.never_zero}
    assert named | set(PAIR_COLUMNS.closed) | set(PAIR_COLUMNS.embedding) <= {*pairs, *JOB_EXAMPLES.features, *rates}
    assert set(PAIR_COLUMNS.entity_blocks) <= set(PAIR_COLUMNS.embedding_blocks)
