"""`mlife day` and `mlife status`.

Belongs here: living one day and saying where things stand. Does not belong here: the demo's story (`demo`).

Concept: a day from the command line is the same run and the same sensor ticks as in the demo or the UI.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.session import Session, newest_day
from mlife_assets.core.errors import NotFoundError

if TYPE_CHECKING:
    from mlife_assets.defs.resources import Platform


def live_day(session: Session, day: date | None) -> bool:
    """Live `day`, by default the one after the newest; return whether it was blocked.

    Raises:
        NotFoundError: there is no champion yet.
        PermanentError: a run failed for another reason than a quality fault.
    """
    from mlife_assets.core.windows import add_days
    from mlife_assets.definitions import build_definitions
    from mlife_assets.defs.demo import Demo
    from mlife_assets.defs.instance import open_instance

    settings = session.settings
    _require_home(session)
    definitions = build_definitions(settings)
    platform: Platform = definitions.resources["platform"]  # type: ignore[index]
    newest = newest_day(platform)
    wanted = day or (add_days(newest, 1) if newest else settings.first_lived_date)
    platform.champion_version(wanted)
    with open_instance(settings.home) as instance:
        demo = Demo(definitions, instance, platform)
        with session.console.status(f"living {wanted}"):
            lived = demo.live_day((wanted - settings.first_lived_date).days + 1, wanted)
        with session.console.status("rebuilding metrics"):
            demo.driver.run_unpartitioned("metrics_job").require_success()
    session.tell(f"{lived.day:%A} {lived.day}: {lived.verdict}")
    for reason in lived.reasons:
        session.tell(f"  {reason}")
    session.tell(f"  texts: {lived.planned:,} planned, {lived.submitted:,} submitted, {lived.delivered:,} delivered")
    if lived.planned and not lived.submitted:
        session.tell("  nothing was sent: approval is off; --approve lets the console gateway send")
    if lived.promotion:
        session.tell(f"  gate: {lived.promotion}")
    session.answer(lived)
    return lived.verdict == "block"


def _require_home(session: Session) -> None:
    if not session.settings.lake_folder.exists():
        raise NotFoundError(
            f"{session.settings.home} holds no deployment; run `mlife demo` first or name another folder with --home"
        )


def tell_status(session: Session) -> None:
    """Print where things stand. Raises NotFoundError where nothing was lived yet."""
    _require_home(session)
    platform = session.platform
    found = _status(platform)
    session.answer(found)
    if session.is_json:
        return
    session.tell(f"home           {session.settings.home}")
    session.tell(f"newest day     {found['newest_day'] or 'none; `mlife day` lives the first'}")
    session.tell(f"champion       {found['champion'] or 'none'}")
    if found["decision"]:
        session.tell(f"verdict        {found['decision']['verdict']}: {found['decision']['sentences'][0]}")
    session.tell(f"sending        {'PAUSED' if found['is_paused'] else 'on'}")
    session.tell("texts          " + (", ".join(f"{n:,} {state}" for state, n in found["sends"].items()) or "none yet"))
    if found["sample_message_id"]:
        session.tell(f"trace one      mlife trace {found['sample_message_id']}")
    for alert in found["alerts"]:
        session.tell(f"failed run     {alert}")


def _status(platform: Platform) -> dict[str, Any]:
    from collections import Counter

    from mlife_assets.defs.demo_summary import sample_message

    day = newest_day(platform)
    decisions = platform.event_log.read("retrain_decided").to_pylist()
    decision = next((row for row in decisions if row["as_of_date"] == day), None)
    sends = Counter(row.state for row in platform.ledger.rows(as_of_date=day)) if day else Counter[str]()
    return {
        "newest_day": day.isoformat() if day else None,
        "champion": platform.registry.champion(),
        "decision": {name: decision[name] for name in ("verdict", "codes", "sentences")} if decision else None,
        "is_paused": platform.ledger.is_paused(),
        "sends": dict(sorted(sends.items())),
        "sample_message_id": sample_message(platform, platform.settings.first_lived_date),
        "alerts": platform.lake.list("alerts"),
    }
