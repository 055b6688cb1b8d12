"""`python -m infra.gate`: judges `infra/`, with the linters where they are installed, and says so layer by layer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.gate.environments import Sources
from infra.gate.errors import LinterError, TemplateError
from infra.gate.layers import Layer, asserted, faulted, linted, tests_elsewhere, tried
from infra.gate.report import document


def main() -> int:
    """Run the layers and return 1 where one found something."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.gate", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--tools", type=Path, help="folder of the linters; without it only layers 2 and 7 run")
    parser.add_argument("--write", type=Path, help="the page that says what was tested")
    given = parser.parse_args()
    try:
        sources = Sources.read()
        layers = [_shown(asserted(sources))]
        if layers[0].findings:
            return 1
        layers.append(_shown(tried(sources)))
        if given.tools:
            layers.insert(0, _shown(linted(given.tools.absolute())))
            layers.insert(2, _shown(faulted(sources, given.tools.absolute())))
            layers += map(_shown, tests_elsewhere())
            if given.write:
                given.write.write_text(document(layers), encoding="utf-8")
    except (LinterError, TemplateError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(any(layer.findings for layer in layers))


def _shown(layer: Layer) -> Layer:
    print(f"{'FAILED' if layer.findings else layer.run_by or 'ok':<12}{layer.name}: {layer.did}", flush=True)
    for finding in layer.findings:
        print(f"{'':12}{finding}")
    return layer


if __name__ == "__main__":
    sys.exit(main())
