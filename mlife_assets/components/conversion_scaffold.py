"""The file that `dg scaffold defs` writes for a model over a project's own tables.

Belongs here: a `defs.yaml` that loads as it is, once the two assets exist. Does not belong here: the attributes
(`conversion_model`).

Concept: Dagster's own scaffolder writes `attributes: {}`, which does not load and says nothing. This one writes every
attribute that is needed with a comment, so that filling in is all that is left to do.
"""

from typing import Any

import dagster as dg

from mlife_assets.core.errors import InvalidInputError

TEMPLATE = """type: {type_name}
attributes:
  # Lower-case words joined by underscores: the group, and the first part of every asset key.
  name: {name}
  title: Who converts
  # Finishes the sentence "the chance that".
  outcome: a person converts
  # Two daily-partitioned assets of this project. Partition D of the examples holds the rows whose outcome became
  # known for good by the morning of D; partition D of the rows holds those to score on D.
  examples: {name}_examples
  rows: {name}_rows
  start_date: "2026-01-01"
  # As the partitions of the two assets have it. 1: today has a partition, so that a row is scored on its day. 0: it has
  # one tomorrow.
  end_offset: 1
  # After so many days every label of a day is final; with a column `label_time` a row may say an earlier day.
  maturity_days: 7
  columns:
    entity: person_id
    time: day
    label: is_converted
    features: [visits_7d]
    categoricals: []
  # Policies are mlife's own unless fields are stated, for example:
  # promotion:
  #   gate_weeks: 2
"""


class ConversionModelScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` whose attributes are there and explained."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file. Raises InvalidInputError for another format than YAML, and for a file of another instance."""
        if request.scaffold_format != "yaml":
            raise InvalidInputError(f"format: it is {request.scaffold_format}; a ConversionModel is declared in YAML")
        if request.append:
            raise InvalidInputError(
                f"{request.target_path} declares something already; scaffold each ConversionModel into a folder of its "
                "own"
            )
        name = request.target_path.name.lower().replace("-", "_")
        text = TEMPLATE.format(type_name=request.type_name, name=name)
        (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")
