"""The dashboard against the API of QuickSight, as AWS publishes it: every shape, length, pattern and word."""

from __future__ import annotations

import copy
import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.gate.environments import Sources, rendered

pytestmark = pytest.mark.aws
OPERATIONS = {
    "AWS::QuickSight::Analysis": "CreateAnalysis", "AWS::QuickSight::Dashboard": "CreateDashboard",
    "AWS::QuickSight::DataSet": "CreateDataSet", "AWS::QuickSight::DataSource": "CreateDataSource",
    "AWS::QuickSight::Group": "CreateGroup", "AWS::QuickSight::RefreshSchedule": "CreateRefreshSchedule",
}  # fmt: skip
RENAMED = {"TimeZone": "Timezone"}
"""What CloudFormation names differently from the API."""
OF_CLOUDFORMATION = {"IngestionWaitPolicy"}
"""Properties that the handlers keep to themselves."""
MODEL = "lib/python3.11/site-packages/botocore/data/quicksight/2018-04-01/service-2.json.gz"
Shapes = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    path = Path(__file__).resolve().parents[2] / ".venv-aws" / MODEL
    assert path.exists(), "`make aws` makes the environment that holds botocore"
    found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def as_the_api_says(value: Any) -> Any:
    """Return a value with the names of the API."""
    if isinstance(value, dict):
        return {RENAMED.get(key, key): as_the_api_says(item) for key, item in value.items()}
    return [as_the_api_says(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def requests() -> list[tuple[str, str, dict[str, Any]]]:
    """Name, operation and request of every resource, in prod."""
    environment = rendered(Sources.read(), "prod")
    found = []
    for stack, one in environment.of(*OPERATIONS):
        given = {key: value for key, value in one.properties.items() if key not in OF_CLOUDFORMATION}
        found.append((one.name, OPERATIONS[one.kind], as_the_api_says({"AwsAccountId": stack.account, **given})))
    return found


def faults(shapes: Shapes, name: str, value: Any, path: str) -> Iterator[str]:
    """Yield what the service would refuse of a value of a shape."""
    shape = shapes[name]
    kind, least, most = shape["type"], shape.get("min", 0), shape.get("max", sys.maxsize)
    types = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool}
    if not isinstance(value, types.get(kind, int | float)) or (kind not in types and isinstance(value, bool)):
        yield f"{path} is no {kind}"
    elif kind == "structure":
        yield from (f"{path} lacks {one}" for one in shape.get("required", ()) if one not in value)
        for key, item in value.items():
            if key in shape["members"]:
                yield from faults(shapes, shape["members"][key]["shape"], item, f"{path}.{key}")
            else:
                yield f"{path} has {key}, which nothing takes"
    elif kind not in types:
        if not shape.get("min", value) <= value <= most:
            yield f"{path} is {value}"
    elif kind == "boolean":
        return
    elif not least <= len(value) <= most:
        yield f"{path} has a length of {len(value)}"
    elif kind == "string":
        if value not in shape.get("enum", (value,)):
            yield f"{path} is {value}, not one of {shape['enum']}"
        if not re.fullmatch(shape.get("pattern", "(?s:.*)"), value):
            yield f"{path} is {value}, which {shape['pattern']} does not allow"
    elif kind == "list":
        for number, item in enumerate(value):
            yield from faults(shapes, shape["member"]["shape"], item, f"{path}.{number}")
    else:
        for key, item in value.items():
            yield from faults(shapes, shape["key"]["shape"], key, f"{path}.{key}")
            yield from faults(shapes, shape["value"]["shape"], item, f"{path}.{key}")


def refused(model: dict[str, Any], operation: str, request: dict[str, Any]) -> list[str]:
    """Return what the service would refuse of a request."""
    return [*faults(model["shapes"], model["operations"][operation]["input"]["shape"], request, operation)]


def test_quicksight_takes_every_resource(model, requests) -> None:
    assert {operation for _, operation, _ in requests} == {*OPERATIONS.values()}
    assert len(requests) > 15
    for name, operation, request in requests:
        assert refused(model, operation, request) == [], name


def at(request: dict[str, Any], *path: Any) -> Any:
    for part in path:
        request = request[part]
    return request


VISUAL = ("Definition", "Sheets", 0, "Visuals", 0, "LineChartVisual")
WELLS = (*VISUAL, "ChartConfiguration", "FieldWells", "LineChartAggregatedFieldWells")


@pytest.mark.parametrize(
    ("place", "key", "value", "said"),
    [
        (WELLS, "Colours", [], "which nothing takes"),
        ((*WELLS, "Category", 0, "DateDimensionField"), "DateGranularity", "FORTNIGHT", "not one of"),
        ((*WELLS, "Values", 0, "NumericalMeasureField"), "FieldId", "", "has a length of 0"),
        (VISUAL, "VisualId", "a visual", "does not allow"),
        (("Definition",), "Sheets", {}, "is no list"),
        (("Definition", "Sheets", 0, "Layouts", 0), "Configuration", [], "is no structure"),
        (("Definition", "DataSetIdentifierDeclarations", 0), "DataSetArn", 7, "is no string"),
        ((), "Permissions", [], "has a length of 0"),
    ],
)
def test_what_quicksight_does_not_take_is_seen(model, requests, place, key: str, value: Any, said: str) -> None:
    (request,) = (one for _, operation, one in requests if operation == "CreateDashboard")
    planted = copy.deepcopy(dict(request))
    at(planted, *place)[key] = value
    assert [said in one for one in refused(model, "CreateDashboard", planted)] == [True]


def test_a_request_that_lacks_something_is_seen(model, requests) -> None:
    (request,) = (one for _, operation, one in requests if operation == "CreateDataSource")
    planted = {key: value for key, value in request.items() if key != "Type"}
    assert refused(model, "CreateDataSource", planted) == ["CreateDataSource lacks Type"]
