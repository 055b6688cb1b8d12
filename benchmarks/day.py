"""What a day costs: seconds of compute against seconds of orchestration, stage by stage.

Run: `python benchmarks/day.py [HOME]`. Without HOME a small world runs first (2,000 people, 5 days) in a
temporary folder; with the home of a finished demo (`var/demo`) its own runs are read. Compute is the time inside
steps, orchestration all other time of a run: planning, event writes, launching. Both are from the same runs, so their
ratio does not depend on the machine being quiet.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import dagster as dg

STAGES = {
    "market_events": "land",
    "rejected_events": "land",
    "feature_tables": "features",
    "data_quality_report": "monitor",
    "data_drift_report": "monitor",
    "latent_drift_report": "monitor",
    "concept_drift_report": "monitor",
    "retrain_decision": "decide",
    "candidate_pairs": "score",
    "user_job_scores": "score",
    "message_plan": "plan",
    "message_deliveries": "send",
}


def stage_of(step_key: str) -> str:
    """Return the stage of a step; checks count to the asset that they look at."""
    return next((stage for name, stage in STAGES.items() if name in step_key), "other")


def live_small_world(home: Path) -> None:
    """Live five days of a small world in `home`."""
    from dataclasses import replace

    from mlife_assets.components.running.demo_summary import Demo, prepare_home
    from mlife_assets.components.running.instance import open_instance
    from mlife_assets.core.policies import PromotionPolicy
    from mlife_assets.definitions import build_definitions
    from mlife_assets.recruiting.messaging_policy import MessagingPolicy
    from mlife_assets.recruiting.policies import Policies
    from mlife_assets.settings import Settings

    prepare_home(home)
    settings = Settings(home=home, market_users=2_000, market_jobs=200, demo_days=5, demo_faults=False)
    small = replace(PromotionPolicy(), minimum_users_with_positives=100)
    policies = Policies(promotion=small, messaging=MessagingPolicy(auto_approve_within_limits=True))
    definitions = build_definitions(settings, policies=policies)
    with open_instance(home) as instance:
        demo = Demo(definitions, instance, definitions.resources["platform"])  # type: ignore[index]
        demo.run_history()
        demo.train_first_champion()
        for result in demo.run_days():
            print(f"ran {result.day}", file=sys.stderr)


def measured_days(instance: dg.DagsterInstance) -> list[dict[str, float]]:
    """Return seconds by stage, and of orchestration, for each finished run of the daily job."""
    days = []
    for run in instance.get_runs(filters=dg.RunsFilter(job_name="daily_lifecycle_job")):
        totals = instance.get_run_stats(run.run_id)
        if totals.start_time is None or totals.end_time is None:
            continue
        seconds: dict[str, float] = defaultdict(float)
        for step in instance.get_run_step_stats(run.run_id):
            if step.start_time is not None and step.end_time is not None:
                seconds[stage_of(step.step_key)] += step.end_time - step.start_time
        seconds["orchestration"] = totals.end_time - totals.start_time - sum(seconds.values())
        days.append(dict(seconds))
    return days


def main() -> None:
    """Print the median day."""
    from mlife_assets.components.running.instance import open_instance

    if len(sys.argv) > 1:
        home = Path(sys.argv[1])
    else:
        home = Path(tempfile.mkdtemp(prefix="mlife-bench-"))
        live_small_world(home)
    with open_instance(home) as instance:
        days = measured_days(instance)
    if not days:
        sys.exit(f"{home} has no finished daily run; live a day first (`mlife demo` or `mlife day`)")
    stages = [*dict.fromkeys(STAGES.values()), "other", "orchestration"]
    medians = {stage: statistics.median(day.get(stage, 0.0) for day in days) for stage in stages}
    compute = sum(value for stage, value in medians.items() if stage != "orchestration")
    print(f"median of {len(days)} days")
    for stage, value in medians.items():
        print(f"  {stage:<14} {value:7.2f} s  {value / (compute + medians['orchestration']):6.1%}")
    print(f"  compute / orchestration = {compute / max(medians['orchestration'], 1e-9):.1f}")


if __name__ == "__main__":
    main()
