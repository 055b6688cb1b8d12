"""`docs/infra_tests.md`: what was tested, and who sees which mistake.

Belongs here: the document. Does not belong here: running anything (`layers`).

Concept: the run writes it, and it holds nothing that differs from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from infra.gate.faults.fault import FAULTS
from infra.gate.findings import ASSERTIONS
from infra.gate.judged import RENDERS
from infra.gate.layers import Caught, Layer
from infra.gate.matrix import MATRIX, REACHED, TAKEN, TRIED

_BESIDE = {
    RENDERS: "Functions, references and parameters are all known, and each value is written before it is read.",
    MATRIX: "Every call of `infra/roles.yaml` goes through for the roles that list it, and for no other.",
    TAKEN: "Every role is taken by the services and GitHub jobs that `infra/roles.yaml` names, and by nobody else.",
    REACHED: "Who may start a task has the rights of its role, so `infra/roles.yaml` names whom that is meant for.",
    TRIED: "No role may do what no line of `infra/roles.yaml` does.",
}
_HEAD = """# How the templates are tested

`make infra-check` wrote this page. Templates are rendered for dev, staging and prod, in the order in which they are
applied, and judged by what they say then. There is no AWS account behind this: what only AWS can show is not shown
here, but [listed](never_run_on_aws.md). Layers 4 to 6 and 8 are tests, which the check counts and does not run. Those
of `make aws` run on [what stands in for AWS](infra_emulators.md).
"""


def document(layers: Sequence[Layer], caught: Sequence[Caught]) -> str:
    """Return the page."""
    lines = [_HEAD, "## Layers", "| layer | what was done | found |", "|---|---|---|"]
    lines += [f"| {layer.name} | {layer.did} | {_found(layer)} |" for layer in layers]
    lines += [
        "",
        "## Planted faults",
        "A fault is one mistake in one file. The gate must find each by the assertion that it was planted for. The",
        "last two columns are the rules by which cfn-lint and checkov, alone, object to the fault and not to the file",
        "without it: *no* is silence, a dash a file that they do not read. Those in bold are of the six kinds that",
        "other tools were known to miss. W2001 is no more than a parameter that the mistake left unused.",
        "",
        "| fault | in | what somebody did | caught by | cfn-lint | checkov |",
        "|---|---|---|---|---|---|",
    ]
    for one in caught:
        fault = FAULTS[one.fault]
        name = f"**{fault.name}**" if fault.is_of_the_reference else fault.name
        by = fault.caught_by if one.by_gate else "nobody"
        cells = [name, fault.file, fault.sentence, by, _rules(one.by_cfn_lint), _rules(one.by_checkov)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Assertions", "| true when green | |", "|---|---|"]
    lines += [f"| {name} | {sentence} |" for name, sentence in sentences().items()]
    return "\n".join(lines) + "\n"


def sentences() -> dict[str, str]:
    """Return every assertion with what is true when it is green."""
    return {**{name: assertion.sentence for name, assertion in ASSERTIONS.items()}, **_BESIDE}


def _found(layer: Layer) -> str:
    return str(len(layer.findings)) if layer.findings else f"by `{layer.run_by}`" if layer.run_by else "nothing"


def _rules(said: tuple[str, ...] | None) -> str:
    if said is None:
        return "-"
    return ", ".join(said) or "no"
