"""Failures with their reason in the first line.

Concept: Dagster hides an unexpected error between its own line and a stack trace. A deliberate error of the project
names the fault and the remedy, so people should read it first. The same holds for a missing package of an extra. Any
other error keeps its trace. The original is the failure's `__context__`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import dagster as dg

from mlife_assets.core.errors import MlifeError
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.training.gate.verdict import RUNBOOK
from mlife_assets.recruiting.recompute.compare import METHOD as RECOMPUTE

FOLDER = "docs/runbooks"
DATA_QUALITY_FAULT = f"{FOLDER}/data_quality_fault.md"
ROW_RECOMPUTE_MISMATCH = f"{FOLDER}/row_recompute_mismatch.md"
DATA_DRIFT = f"{FOLDER}/data_drift.md"
LATENT_DRIFT = f"{FOLDER}/latent_drift.md"
CONCEPT_DRIFT = f"{FOLDER}/concept_drift.md"
NOT_ENOUGH_EVIDENCE = f"{FOLDER}/not_enough_evidence.md"
RETRAINING_FAILED = f"{FOLDER}/retraining_failed.md"
FAILED_RUN = f"{FOLDER}/failed_run.md"
BY_REPORT: Mapping[str, str] = {
    quality.REPORT: DATA_QUALITY_FAULT,
    drift.REPORT: DATA_DRIFT,
    latent.REPORT: LATENT_DRIFT,
    concept.REPORT: CONCEPT_DRIFT,
}
PAGES = (*BY_REPORT.values(), RUNBOOK, ROW_RECOMPUTE_MISMATCH, NOT_ENOUGH_EVIDENCE, RETRAINING_FAILED, FAILED_RUN)
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=Callable[..., dg.AssetCheckResult])


def says_why(function: F) -> F:
    """Decorate the function of an asset, a check or an op."""
    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generating(*arguments: Any, **keywords: Any) -> Iterator[Any]:
            try:
                yield from function(*arguments, **keywords)
            except (MlifeError, ImportError) as error:
                raise _shown(error) from None

        return cast("F", generating)

    @wraps(function)
    def returning(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except (MlifeError, ImportError) as error:
            raise _shown(error) from None

    return cast("F", returning)


def _shown(error: MlifeError | ImportError) -> Exception:
    """Return the error for the UI; an ImportError is unchanged unless a package of an extra is missing."""
    said = missing_extra(error) if isinstance(error, ImportError) else error
    return error if said is None else failure_of(said)


def failure_of(error: MlifeError) -> dg.Failure:
    return dg.Failure(description=str(error), metadata={"kind": type(error).__name__}, allow_retries=False)


def blocks_and_says_why(function: C) -> C:
    """Decorate the function of a blocking check: if it is red, the step fails with the check's own words.

    Dagster itself would name the check and not its reason.
    """

    @wraps(function)
    def checking(*arguments: Any, **keywords: Any) -> Iterator[dg.AssetCheckResult]:
        result = function(*arguments, **keywords)
        yield result
        if not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
            raise dg.Failure(description=result.description, metadata=dict(result.metadata), allow_retries=False)

    return cast("C", says_why(checking))


def runbook_of(name: str, reports: Sequence[MonitoringReport]) -> str:
    """Return the runbook for reports of the kind `name`: the worst report's, the kind's if all is well."""
    if any(finding.method == RECOMPUTE for report in reports for finding in report.alarms):
        return ROW_RECOMPUTE_MISMATCH
    is_quiet = not any(report.status == "alarm" for report in reports)
    if is_quiet and any(report.status == "not_enough_evidence" for report in reports):
        return NOT_ENOUGH_EVIDENCE
    return BY_REPORT[name]


def runbook_words(page: str) -> str:
    """Return a runbook by its name: a project that uses mlife does not have the file."""
    return f"Runbook of mlife: {PurePosixPath(page).stem}."


def runbook_of_job(job_name: str) -> str:
    return RETRAINING_FAILED if job_name.endswith("retraining_job") else FAILED_RUN
