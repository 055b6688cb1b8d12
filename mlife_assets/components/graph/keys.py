"""Asset keys: the names of the graph, and the owners of its groups.

Concept: keys are data, so modules of assets need not import each other.
"""

import dagster as dg

OWNERS: dict[str, list[str]] = {
    "events": ["team:data-platform"],
    "features": ["team:data-platform"],
    "model": ["team:data-science"],
    "monitoring": ["team:data-science"],
    "predictions": ["team:ml-engineering"],
    "messages": ["team:messaging"],
    "metrics": ["team:analytics"],
}
MARKET_EVENTS = dg.AssetKey(["events", "market_events"])
REJECTED_EVENTS = dg.AssetKey(["events", "rejected_events"])
EVENT_CATALOG = dg.AssetKey(["events", "event_catalog"])
USER_FEATURES = dg.AssetKey(["features", "user_features"])
JOB_FEATURES = dg.AssetKey(["features", "job_features"])
LABELLED_EXAMPLES = dg.AssetKey(["features", "labelled_examples"])
APPLIES = dg.AssetKey(["features", "applies"])
EXPOSURES = dg.AssetKey(["features", "exposures"])
TRAINING_SET = dg.AssetKey(["model", "training_set"])
CANDIDATE_MODEL = dg.AssetKey(["model", "candidate_model"])
FOLD_MODELS = dg.AssetKey(["model", "fold_models"])
EVALUATION = dg.AssetKey(["model", "evaluation"])
OFF_POLICY_ESTIMATE = dg.AssetKey(["model", "off_policy_estimate"])
EXPLANATION = dg.AssetKey(["model", "explanation"])
FAIRNESS_AUDIT = dg.AssetKey(["model", "fairness_audit"])
CHAMPION_MODEL = dg.AssetKey(["model", "champion_model"])
LIFECYCLE_BACKTEST = dg.AssetKey(["model", "lifecycle_backtest"])
MONITORING_REFERENCE = dg.AssetKey(["model", "monitoring_reference"])
DATA_QUALITY_REPORT = dg.AssetKey(["monitoring", "data_quality_report"])
DATA_DRIFT_REPORT = dg.AssetKey(["monitoring", "data_drift_report"])
LATENT_DRIFT_REPORT = dg.AssetKey(["monitoring", "latent_drift_report"])
CONCEPT_DRIFT_REPORT = dg.AssetKey(["monitoring", "concept_drift_report"])
RETRAIN_DECISION = dg.AssetKey(["monitoring", "retrain_decision"])
CANDIDATE_PAIRS = dg.AssetKey(["predictions", "candidate_pairs"])
USER_JOB_SCORES = dg.AssetKey(["predictions", "user_job_scores"])
MESSAGE_PLAN = dg.AssetKey(["messages", "message_plan"])
MESSAGE_DELIVERIES = dg.AssetKey(["messages", "message_deliveries"])
INBOUND_MESSAGES = dg.AssetKey(["messages", "inbound_messages"])
KPI_DAILY = dg.AssetKey(["metrics", "kpi_daily"])
APPLICATION_DAILY = dg.AssetKey(["metrics", "application_daily"])
EXPERIMENT_READOUT = dg.AssetKey(["metrics", "experiment_readout"])
LIFT_DAILY = dg.AssetKey(["metrics", "lift_daily"])
DASHBOARD = dg.AssetKey(["metrics", "dashboard"])
