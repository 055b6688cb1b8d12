"""The code location: everything that Dagster loads.

Concept: one function builds the definitions for tests, the CLI and deployments; it needs no network and no earlier dbt
run, and reads the environment only through the settings it is given.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._utils.warnings import suppress_dagster_warnings

from mlife_assets import defs as declared
from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.json_logs import log_as_json
from mlife_assets.components.acts.acts import ACT_JOBS
from mlife_assets.components.events import event_catalog
from mlife_assets.components.events import landing as events
from mlife_assets.components.features.dbt import build_dbt_assets
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.graph.due_days import build_due_days_sensor, build_next_day_sensor, last_partition
from mlife_assets.components.graph.jobs import build_jobs
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import DAILY, with_days
from mlife_assets.components.graph.sensors import SENSORS, alert_delivery_job, build_schedules, pruning_job
from mlife_assets.components.messages import texts as messages
from mlife_assets.components.metrics import dashboard as metrics
from mlife_assets.components.metrics import marts_on_athena
from mlife_assets.components.model_parts import ModelParts, build_model_parts
from mlife_assets.components.platform_model import Application, PlatformModel
from mlife_assets.components.running.driver import LOCATION
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.training.training_set import least_history_days
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.places import require_places_are_there
from mlife_assets.garbage import rare_collections
from mlife_assets.home_settings import PROJECT_ROOT
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DBT_PROJECT_FOLDER, DEFS_FOLDER, Settings

MODULES: tuple[ModuleType, ...] = (events, event_catalog, metrics)
"""What all models share; the assets of each of them are in `components.model_parts`, of applications in `messages`."""


def build_definitions(
    settings: Settings,
    *,
    policies: Policies | None = None,
    platform: BoardPorts | None = None,
    last: date | None = None,
    instances: dg.Definitions | None = None,
) -> dg.Definitions:
    """Return the whole graph for one deployment.

    Args:
        settings: where things are and which environment this is.
        policies: business and scientific choices; by default those of `settings.policies()`.
        platform: adapters, models and policies; by default the embedded world.
        last: the last day that has a partition; by default partitions follow the machine's clock.
        instances: what Dagster made of the files that declare models; by default the same is made of the records.

    Raises:
        InvalidInputError: the history is too short for the first model under these policies.
    """
    platform = platform or board_ports(settings, policies=policies or settings.policies())
    applications = [ApplicationGraph(application) for application in platform.home.applications]
    _require_known_models(platform)
    parts = _parts_made(platform, applications) if instances is None else _parts_loaded(instances, platform)
    _require_enough_history(settings.days.history_days, platform.home.models[0])
    runs_days = settings.days.run_in(settings.environment)
    status = dg.DefaultScheduleStatus.RUNNING if runs_days else dg.DefaultScheduleStatus.STOPPED
    due_status, today = dg.DefaultSensorStatus[status.name], SystemClock().now().date()
    shared = [asset for module in MODULES for asset in module.ASSETS]
    if platform.deployment.services is not None:
        shared += marts_on_athena.ASSETS
    jobs = [*build_jobs([ModelGraph(model) for model in platform.home.models], applications), *parts.jobs]
    assets = [*shared, *parts.assets, *build_dbt_assets(DBT_PROJECT_FOLDER)]
    return dg.Definitions(
        assets=_of_home(assets, settings, last, today),
        asset_checks=[*(check for module in MODULES for check in getattr(module, "CHECKS", ())), *parts.checks],
        jobs=[*jobs, *ACT_JOBS, alert_delivery_job, pruning_job],
        schedules=[*build_schedules(status, runs_days=platform.days.is_simulated), *parts.schedules],
        sensors=[
            *parts.sensors,
            *SENSORS,
            build_next_day_sensor(last, loaded_on=today),
            *([] if platform.days.is_simulated else [build_due_days_sensor(due_status, jobs, last=last)]),
        ],
        resources={**parts.resources, "platform": platform},
        executor=dg.in_process_executor,  # a click on an asset: a process of its own would cost seconds a step
        metadata=None if instances is None else instances.metadata,
    )


def _of_home(assets: Sequence[Any], settings: Settings, last: date | None, today: date) -> Sequence[Any]:
    """Return assets with the days of a home; as they are where those are the ones that they were declared with."""
    first = settings.days.first_partition
    if last is None and first.isoformat() == DAILY.get_first_partition_key():
        return assets
    return with_days(assets, first=first, last=last, today=today)


def _parts_made(platform: BoardPorts, applications: Sequence[ApplicationGraph]) -> ModelParts:
    """Return the parts of all models and applications, made of their records."""
    parts = build_model_parts(platform.home.models)
    sending = [asset for application in applications for asset in messages.build_assets(application)]
    checks = [check for application in applications for check in messages.build_checks(application)]
    return replace(parts, assets=[*sending, *parts.assets], checks=[*checks, *parts.checks])


def _parts_loaded(instances: dg.Definitions, platform: BoardPorts) -> ModelParts:
    """Return what Dagster made of a folder of instances, after a look at whether the command line reads the same."""
    tree = instances.component_tree
    models = [] if tree is None else [one.declared.name for one in tree.get_all_components(PlatformModel)]
    applications = [] if tree is None else [one.declared.name for one in tree.get_all_components(Application)]
    for kind, loaded, read in (
        ("models", models, [model.name for model in platform.home.models]),
        ("applications", applications, [application.name for application in platform.home.applications]),
    ):
        if sorted(loaded) != sorted(read):
            raise InvalidInputError(
                f"Dagster loads the {kind} {', '.join(sorted(loaded))}, but the files that the command line reads "
                f"declare {', '.join(sorted(read))}; declare each in a defs.yaml, of a type of mlife_assets.components"
            )
    return ModelParts(
        assets=list(instances.assets or ()),
        checks=list(instances.asset_checks or ()),
        jobs=list(instances.jobs or ()),
        sensors=list(instances.sensors or ()),
        schedules=list(instances.schedules or ()),
        resources=instances.resources or {},
    )


def _require_known_models(platform: BoardPorts) -> None:
    """Refuse an application whose model is not there, or that has the name of one: both would be one group."""
    models = {model.name for model in platform.home.models}
    for application in platform.home.applications:
        for name in {application.model_name, application.audience.model_name or application.model_name}:
            if name not in models:
                known = ", ".join(sorted(models))
                raise InvalidInputError(f"application {application.name} uses model {name}; known are {known}")
        if application.name in models:
            raise InvalidInputError(f"an application and a model are called {application.name}; rename one")


def _require_enough_history(history_days: int, model: Model) -> None:
    """Refuse now what would fail after minutes of simulated history: a first model without an example to fit on.

    Other models wait until they have enough to learn from, which their governors say.
    """
    least = least_history_days(model)
    if history_days < least:
        validation = model.training.validation_days
        weeks = 1 if model.promotion.judged_by == "folds" else model.promotion.gate_weeks
        raise InvalidInputError(
            f"MLIFE_HISTORY_DAYS is {history_days}, under these policies the first model needs {least}: "
            f"labels, {validation} days of validation and {7 * weeks} days of the gate come after the days that it "
            f"learns from; set it to {least} or more"
        )


def build_location(
    settings: Settings, *, platform: BoardPorts | None = None, instances: dg.Definitions | None = None
) -> dg.Definitions:
    """Return the graph as people see it in the UI: its partitions end with the next day that can run.

    Raises:
        InvalidInputError: see `build_definitions`.
    """
    platform = platform or board_ports(settings)
    return build_definitions(settings, platform=platform, last=last_partition(platform), instances=instances)


@dg.definitions
@rare_collections()
def defs() -> dg.Definitions:
    """Return the definitions of the environment that this process runs in.

    Raises:
        InvalidInputError: a file declares what cannot be; names the file, the instance and the attribute. Or the lake
            or the database cannot be read; names the setting and the remedy.
    """
    settings = Settings()
    if settings.log_format == "json":
        log_as_json()
    platform = board_ports(settings)
    require_places_are_there(settings)  # said now, not by each run
    if not platform.home.models:  # read before Dagster reads them, whose errors hide the cause in a tree
        raise InvalidInputError(f"{DEFS_FOLDER} declares no model; restore it")
    return build_location(settings, platform=platform, instances=_load_instances())


@suppress_dagster_warnings  # as the function of Dagster that this stands for
def _load_instances() -> dg.Definitions:
    """Return what Dagster makes of the files that declare models and applications.

    `dg.load_from_defs_folder` would also import every installed package that offers components, dagster_dbt and dbt
    among them, to list these in the UI. The list is that of Dagster and mlife. For the same reason the location keeps
    the tree to itself: Dagster's server would name each component's type by all packages.
    """
    from dagster.components.core.load_defs import PLUGIN_COMPONENT_TYPES_JSON_METADATA_KEY
    from dagster.components.core.package_entry import discover_package_objects
    from dagster.components.core.snapshot import get_package_entry_snap
    from dagster_shared.serdes.objects.package_entry import json_for_all_components

    # `for_project` would find the same in pyproject.toml, which it reads three times.
    tree = dg.ComponentTree(defs_module=declared, project_root=PROJECT_ROOT, code_location_name=LOCATION)
    offered = discover_package_objects(["dagster", "mlife_assets.components"])
    listed = json_for_all_components([get_package_entry_snap(key, thing) for key, thing in offered.items()])
    return dg.Definitions.merge(
        tree.build_defs(DEFS_FOLDER),
        dg.Definitions(metadata={PLUGIN_COMPONENT_TYPES_JSON_METADATA_KEY: listed}, component_tree=tree),
    )
