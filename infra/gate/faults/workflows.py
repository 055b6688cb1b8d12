"""Mistakes in workflows.

Belongs here: faults of `.github/workflows`. Does not belong here: the roles that jobs take (`identity`).
"""

from __future__ import annotations

import re

from infra.gate.assertions.workflows import ON
from infra.gate.faults.fault import Tree, fault

RIGHTS = "jobs_may_do_nothing_but_read_and_say_who_they_are"
TAKEN = "a_job_takes_roles_of_its_own_environment"
STRANGERS = "strangers_get_no_identity"
ORDER = "one_image_goes_from_dev_to_staging_to_prod"
LASTS = "a_session_lasts_as_long_as_what_it_applies"
SHOWN = "what_is_applied_was_shown_and_is_proved"


def _steps(workflow: Tree, job: str) -> list[Tree]:
    found: list[Tree] = workflow["jobs"][job]["steps"]
    return found


def _replace(workflow: Tree, job: str, old: str, new: str) -> None:
    for step in _steps(workflow, job):
        if old in step.get("run", ""):
            step["run"] = step["run"].replace(old, new)


@fault("workflows/deploy", RIGHTS)
def jobs_write_to_the_repository(workflow: Tree) -> None:
    """What a build runs can change what is built next."""
    workflow["jobs"]["image"]["permissions"]["contents"] = "write"


@fault("workflows/tests", RIGHTS)
def rights_are_githubs_default(workflow: Tree) -> None:
    """A job that states nothing has whatever the repository's settings give."""
    del workflow["permissions"]


@fault("workflows/pull_request", STRANGERS)
def a_strangers_code_runs_with_our_rights(workflow: Tree) -> None:
    """What a copy of the repository proposes runs as if it were ours."""
    workflow[ON] = "pull_request_target"


@fault("workflows/pull_request", STRANGERS)
def a_copy_says_that_it_is_us(workflow: Tree) -> None:
    """A pull request from anywhere sees what each account holds."""
    del workflow["jobs"]["preview"]["if"]


@fault("workflows/deploy", STRANGERS)
def any_branch_is_deployed(workflow: Tree) -> None:
    """What nobody reviewed is built and goes to dev."""
    workflow[ON]["push"] = None


@fault("workflows/operate", "who_says_who_he_is_names_an_environment")
def a_job_deploys_without_an_environment(workflow: Tree) -> None:
    """Nobody approves it, and its identity is that of a branch."""
    del workflow["jobs"]["operate"]["environment"]


@fault("workflows/environment", TAKEN)
def the_preview_deploys(workflow: Tree) -> None:
    """A job that nobody approves takes the role that executes."""
    _replace(workflow, "plan", "mlife-preview", "mlife-deploy")


@fault("workflows/environment", TAKEN)
def a_job_of_the_witness_reaches_the_environment(workflow: Tree) -> None:
    """Who may write heads could change what they witness."""
    _replace(workflow, "witness", "take_role.sh witness", 'take_role.sh "$ENVIRONMENT"')


@fault("workflows/environment", TAKEN)
def prods_job_is_devs(workflow: Tree) -> None:
    """The job of one environment applies to another's account."""
    workflow["jobs"]["apply"]["env"]["ENVIRONMENT"] = "prod"


@fault("workflows/deploy", "workflows_know_no_secret")
def a_key_is_a_secret_of_the_repository(workflow: Tree) -> None:
    """A key that lives for ever, in place of an identity that lives for an hour."""
    workflow["jobs"]["image"]["env"] = {"AWS_SECRET_ACCESS_KEY": "${{ secrets.AWS_SECRET_ACCESS_KEY }}"}


@fault("workflows/environment", "workflows_know_no_secret")
def all_secrets_are_handed_on(workflow: Tree) -> None:
    """A called workflow gets every secret there is."""
    workflow["jobs"]["plan"]["secrets"] = "inherit"


@fault("workflows/tests", "what_runs_is_pinned")
def an_action_is_named_by_its_tag(workflow: Tree) -> None:
    """Whoever moves the tag runs his code here."""
    _steps(workflow, "ci")[0]["uses"] = "actions/checkout@v5"


@fault("workflows/deploy", "what_runs_is_pinned")
def what_reads_our_image_is_named_by_its_tag(workflow: Tree) -> None:
    """What reads our image is whatever its owner pushed last, and it has the socket of Docker."""
    for step in _steps(workflow, "image"):
        if "run" in step:
            step["run"] = re.sub("@sha256:[0-9a-f]{64}", "", step["run"])


@fault("workflows/operate", "nobody_writes_into_a_shell")
def what_somebody_typed_is_run(workflow: Tree) -> None:
    """The name of an environment is a command."""
    _replace(workflow, "operate", '"$ENVIRONMENT"', "${{ inputs.environment }}")


@fault("workflows/pull_request", "a_step_that_fails_ends_its_job")
def a_pipe_hides_a_failure(workflow: Tree) -> None:
    """A preview that could not be made is green, as what writes it down succeeded."""
    del workflow["defaults"]


@fault("workflows/environment", "a_step_that_fails_ends_its_job")
def a_failed_smoke_test_is_let_pass(workflow: Tree) -> None:
    """The next environment gets what failed in this one."""
    next(step for step in _steps(workflow, "apply") if "infra smoke" in step.get("run", ""))["continue-on-error"] = True


@fault("workflows/deploy", ORDER)
def prod_does_not_wait_for_staging(workflow: Tree) -> None:
    """What was tried in dev alone is in prod."""
    workflow["jobs"]["prod"]["needs"] = ["image", "dev"]


@fault("workflows/deploy", ORDER)
def prod_gets_an_image_of_its_own(workflow: Tree) -> None:
    """What runs in prod is not what was tested."""
    workflow["jobs"]["prod"]["with"]["image"] = "${{ needs.image.outputs.prod }}"


@fault("workflows/deploy", ORDER)
def an_image_is_built_without_tests(workflow: Tree) -> None:
    """A red main is deployed."""
    del workflow["jobs"]["registry"]["needs"]
    workflow["jobs"]["registry"]["needs"] = "image"


@fault("workflows/deploy", ORDER)
def an_image_has_no_base(workflow: Tree) -> None:
    """The recipe names no base of itself, so that no image is ever built."""
    for step in _steps(workflow, "image"):
        if "run" in step:
            step["run"] = step["run"].replace('--build-arg "PYTHON_BASE=$base" ', "")


@fault("workflows/environment", LASTS)
def nobody_goes_back_from_a_long_apply(workflow: Tree) -> None:
    """The job ends as soon as applying may, and a job that ends by its time takes no step that goes back."""
    workflow["jobs"]["apply"]["timeout-minutes"] = 120


@fault("workflows/environment", LASTS)
def applying_is_cut_off(workflow: Tree) -> None:
    """A session of an hour ends while a database is made: the stack is finished and never protected."""
    _replace(workflow, "apply", "mlife-deploy 7200", "mlife-deploy")


@fault("00-bootstrap", LASTS)
def the_role_is_given_for_an_hour(template: Tree) -> None:
    """AWS refuses the session that the job asks for."""
    template["Resources"]["DeployRole"]["Properties"]["MaxSessionDuration"] = 3600


@fault("workflows/environment", SHOWN)
def only_what_was_applied_whole_goes_back(workflow: Tree) -> None:
    """A stack after Dagster's could not be applied, and the new image goes on running, neither migrated nor proved."""
    for step in _steps(workflow, "apply"):
        if "if" in step:
            step["if"] = step["if"].replace("!= 'skipped'", "== 'success'")


@fault("workflows/environment", SHOWN)
def nothing_goes_back_by_itself(workflow: Tree) -> None:
    """A failed smoke test leaves what failed running."""
    _steps(workflow, "apply").pop()


@fault("workflows/environment", SHOWN)
def nothing_proves_what_was_applied(workflow: Tree) -> None:
    """An environment that does not work is deployed, and the next one after it."""
    _replace(workflow, "apply", "mlife infra smoke", "mlife infra drift")


@fault("workflows/operate", "a_person_starts_each_machine_by_a_job")
def nobody_pulls_the_kill_switch(workflow: Tree) -> None:
    """Whoever sees that texts are wrong has no command that stops them."""
    _replace(workflow, "operate", "infra/start_machine.sh kill-switch", "echo stop")
