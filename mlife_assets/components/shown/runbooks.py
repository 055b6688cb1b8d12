"""Which page a person opens: one runbook per kind of alarm.

Concept: whatever turns red or wakes somebody names the page that says what it means and what to do.
"""

from collections.abc import Mapping, Sequence

from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.reports import MonitoringReport
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
PAGES = (*BY_REPORT.values(), ROW_RECOMPUTE_MISMATCH, NOT_ENOUGH_EVIDENCE, RETRAINING_FAILED, FAILED_RUN)


def runbook_of(name: str, reports: Sequence[MonitoringReport]) -> str:
    """Return the page for reports of the kind `name`: that of the worst of them, of the kind when all is well."""
    if any(finding.method == RECOMPUTE for report in reports for finding in report.alarms):
        return ROW_RECOMPUTE_MISMATCH
    is_quiet = not any(report.status == "alarm" for report in reports)
    if is_quiet and any(report.status == "not_enough_evidence" for report in reports):
        return NOT_ENOUGH_EVIDENCE
    return BY_REPORT[name]


def runbook_of_job(job_name: str) -> str:
    """Return the page for a failed run of a job."""
    return RETRAINING_FAILED if job_name.endswith("retraining_job") else FAILED_RUN
