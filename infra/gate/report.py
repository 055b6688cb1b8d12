"""`docs/infra_tests.md`: what was tested, in a line for each layer.

Concept: the run writes it, and it holds nothing that differs from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.gate.findings import ASSERTIONS
from infra.gate.judged import RENDERS
from infra.gate.layers import Layer
from infra.gate.matrix import MATRIX, REACHED, TAKEN, TRIED

ALL = (*ASSERTIONS, RENDERS, MATRIX, TAKEN, REACHED, TRIED)
"""Whatever a fault may be caught by: assertions, and what is true beside them."""
_HEAD = """# How the templates are tested

`make infra-check` wrote this page. Templates are rendered for dev, staging and prod, in the order in which they are
applied, and judged by what they say then. There is no AWS account behind this: what only AWS can show is not shown
here, but [listed](never_run_on_aws.md). Layers 4 to 6 and 8 are tests, which the check counts and does not run. Those
of `make aws` run on [what stands in for AWS](infra_emulators.md).

An assertion is a function of [infra/gate/assertions](../infra/gate/assertions), named by what is true when it is green,
or a row of [infra/wiring.yaml](../infra/wiring.yaml), which names what must be the same in two places. Each was seen to
fail: [infra/faults.yaml](../infra/faults.yaml) has a mistake for each, and for what only a linter looks at.

| layer | what was done | found |
|---|---|---|
"""


def document(layers: Sequence[Layer]) -> str:
    """Return the page."""
    return _HEAD + "".join(f"| {layer.name} | {layer.did} | {_found(layer)} |\n" for layer in layers)


def _found(layer: Layer) -> str:
    return str(len(layer.findings)) if layer.findings else f"by `{layer.run_by}`" if layer.run_by else "nothing"
