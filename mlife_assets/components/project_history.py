"""The days of a range in somebody else's project, in order, in this process: what `mlife days` runs.

Concept: a day is its daily job, then the retraining that its decision asks for, both recorded in the project's instance
as if Dagster had launched them. What succeeded before is not run again, so the same call goes on where one stopped.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterHomeNotSetError

from mlife_assets.components.graph.partitions import PARTITION_TAG
from mlife_assets.components.graph.run_requests import DECISION_TAG, RETRAINING_JOB
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.windows import days_between

NO_TAGS: Mapping[str, str] = {}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def live_days(root: Path, model: str | None, first: date, last: date) -> Iterator[tuple[date, str, str | None]]:
    """Run the days [first, last] of a project's model; yields day, verdict and champion.

    Raises:
        InvalidInputError: there is no such model, no instance whose runs are kept, no day in the range, or a day in it
            is no partition of the model.
        PermanentError: a run failed; later days are not run.
    """
    definitions = dg.load_from_defs_folder(path_within_project=root)
    platform = (definitions.resources or {}).get("platform")
    names = list(platform.model_names) if platform else []
    if model is None and len(names) == 1:
        (model,) = names
    if platform is None or model is None or model not in names:
        raise InvalidInputError(f"--model: the project declares {', '.join(names) or 'no model'}; name one of them")
    _check_range(definitions, model, first, last)
    try:
        instance = dg.DagsterInstance.get()
    except DagsterHomeNotSetError as error:
        raise InvalidInputError("DAGSTER_HOME is not set, so no run would be kept; set it to your instance") from error
    with instance as kept:
        view = platform.of_model(model)
        for day in days_between(first, last):
            _run(definitions, kept, f"{model}_daily_job", day)
            decision = next((row for row in decision_rows(view) if row["as_of_date"] == day), None)
            if decision is None:
                raise PermanentError(
                    f"{day}: {model}_daily_job succeeded before, and the home holds no decision of the day; launch the "
                    "job for that day in Dagster, then give the same command again"
                )
            if decision["verdict"] == "retrain":
                tags = {DECISION_TAG: decision["decision_id"]}
                _run(definitions, kept, f"{model}_{RETRAINING_JOB}", day, tags)
            yield day, decision["verdict"], view.registry.champion()


def _check_range(definitions: dg.Definitions, model: str, first: date, last: date) -> None:
    """Raise InvalidInputError unless [first, last] holds days, all of them partitions of the model's daily job."""
    if first > last:
        raise InvalidInputError(f"--from: {first} is after --to, {last}; swap them")
    partitions = definitions.resolve_job_def(f"{model}_daily_job").partitions_def
    held = partitions.get_partition_keys() if partitions else []
    for option, day in (("--from", first), ("--to", last)):
        if day.isoformat() not in held:
            days = f"they are {held[0]} to {held[-1]}" if held else "there are none yet"
            raise InvalidInputError(
                f"{option}: {day} is not among the partitions of {model}: {days}; name another day, or state another "
                "start_date in its defs.yaml"
            )


def _run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, day: date, tags: Mapping[str, str] = NO_TAGS
) -> None:
    """Run a job for a day unless a run of it succeeded. Raises PermanentError naming the failed step and why."""
    done = dg.RunsFilter(
        job_name=job, tags={PARTITION_TAG: day.isoformat(), **tags}, statuses=[dg.DagsterRunStatus.SUCCESS]
    )
    if instance.get_runs(filters=done, limit=1):
        return
    ran = definitions.resolve_job_def(job).execute_in_process(
        partition_key=day.isoformat(), instance=instance, tags=dict(tags), run_config=QUIET, raise_on_error=False
    )
    if ran.success:
        return
    # A resource that cannot be made fails the run, and no step of it.
    failed = next(event for event in ran.all_events if event.is_step_failure or event.is_failure)
    error = failed.step_failure_data.error if failed.is_step_failure else failed.job_failure_data.error
    why = (error.cause or error).message.strip() if error else "no error is on record"
    step = f"{failed.step_key} of {job}" if failed.is_step_failure else job
    raise PermanentError(
        f"{day}: {step} failed, and no later day was run: {why}; mend it and give the same command again, which goes "
        "on there"
    )
