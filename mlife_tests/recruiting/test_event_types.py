"""Event types of models: a module each, found by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.event_columns import EventType, text
from mlife_assets.recruiting.event_types import with_added

KNOWN = (EventType("seen", "market", (text("place"),)),)
MODULE = """
from mlife_assets.core.event_columns import EventType, text

EVENT_TYPE = EventType("{name}", "market", (text("place"),))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return the name of a package with the modules that the test names, by what they declare."""
    name = f"added_{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    for module, declared in request.param.items():
        (tmp_path / name / f"{module}.py").write_text(declared)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    "package", [{"left": MODULE.format(name="left"), "came": MODULE.format(name="came")}], indirect=True
)
def test_modules_add_their_types_in_order_of_their_names(package: str) -> None:
    assert [one.name for one in with_added(KNOWN, package)] == ["seen", "came", "left"]


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ({"left": ""}, "left declares no event type of its name; set EVENT_TYPE"),
        ({"left": MODULE.format(name="gone")}, "left declares no event type of its name"),
        ({"seen": MODULE.format(name="seen")}, "seen declares an event type that there is already; rename it"),
    ],
    indirect=["package"],
)
def test_a_type_has_the_name_of_its_module_and_one_of_its_own(package: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        with_added(KNOWN, package)
