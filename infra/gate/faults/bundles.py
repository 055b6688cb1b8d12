"""Mistakes about models on their way between environments.

Belongs here: faults of `06-bundles`, of a run's rights there, of the trail where it sees them, and of the workflow
`models`. Does not belong here: others of roles (`identity`), the trail (`operations`) and workflows (`workflows`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, drop, fault, properties, right, statement

BUNDLES, MATRIX = "06-bundles", "roles_do_their_work_and_not_their_neighbours"
FORWARD, ALONE, GONE = "bundles_go_forward", "runs_alone_use_bundles", "bundles_do_not_stay"
JOBS = "a_model_travels_by_jobs_of_both_environments"


def _policy(template: Tree) -> Tree:
    found: Tree = properties(template, "BundlesPolicy")["PolicyDocument"]
    return found


@fault(BUNDLES, FORWARD)
def dev_reads_what_prod_exported(template: Tree) -> None:
    """Rows of people in prod are read by whoever works in dev."""
    for sid in ("DevWritesAndReads", "LaterOnesReadDevs"):
        statement(_policy(template), sid)["Resource"] = {"Fn::Sub": "${BundlesBucket.Arn}/*"}


@fault(BUNDLES, FORWARD)
def staging_writes_in_devs_name(template: Tree) -> None:
    """What lies under dev's name is not dev's, and holds back what is."""
    statement(_policy(template), "LaterOnesReadDevs")["Action"] = ["s3:GetObject", "s3:PutObject"]


@fault(BUNDLES, FORWARD)
def prod_imports_nothing(template: Tree) -> None:
    """What won in dev never gets to prod."""
    drop(_policy(template), "LaterOnesReadDevs")


@fault(BUNDLES, ALONE)
def all_of_dev_reads_bundles(template: Tree) -> None:
    """Each role of the account that may read buckets of others reads rows of people."""
    del statement(_policy(template), "DevWritesAndReads")["Condition"]


@fault(BUNDLES, ALONE)
def who_keeps_images_decrypts_bundles(template: Tree) -> None:
    """The key has the policy that the one of images has: whoever may decrypt by his own policy reads rows of people."""
    statement(properties(template, "BundlesKey")["KeyPolicy"], "AdministeredByTheStacks")["Action"] = "kms:*"


@fault(BUNDLES, MATRIX)
def a_bundle_can_be_replaced(template: Tree) -> None:
    """What was judged and approved is written over before it is imported."""
    drop(_policy(template), "PutIfAbsent")


@fault(BUNDLES, MATRIX)
def a_bundle_is_encrypted_by_awss_key(template: Tree) -> None:
    """S3's own key is no secret from the account: each role there that may read buckets reads rows of people."""
    drop(_policy(template), "OnlyByKms")


@fault(BUNDLES, MATRIX)
def a_bundle_is_encrypted_by_another_key(template: Tree) -> None:
    """Whoever holds that key says who reads, and whoever imports cannot."""
    drop(_policy(template), "OnlyThisKey")


@fault(BUNDLES, MATRIX)
def bundles_go_without_tls(template: Tree) -> None:
    """Plain HTTP is taken for models."""
    drop(_policy(template), "OnlyOverTls")


@fault(BUNDLES, MATRIX)
def what_is_not_there_looks_like_a_missing_right(template: Tree) -> None:
    """S3 answers 403 to whoever may not list, so the first file of a bundle cannot be put."""
    drop(_policy(template), "RunsList")


@fault("45-dagster", MATRIX)
def a_run_exports_nowhere(template: Tree) -> None:
    """A run may put bundles under another name than that of its environment."""
    on = {"Fn::Sub": "arn:${AWS::Partition}:s3:::mlife-bundles-${DeliveryAccountId}/models/*"}
    right(template, "RunRole", "ExportsModels")["Resource"] = on


@fault("00-bootstrap", MATRIX)
def nobody_says_who_signs(template: Tree) -> None:
    """The job that exports a model cannot name the key under which it is imported."""
    (policy,) = properties(template, "DeployRole")["Policies"]
    drop(policy["PolicyDocument"], "SaysWhoSignsHere")


@fault(BUNDLES, GONE)
def bundles_stay(template: Tree) -> None:
    """Rows of people lie there for good, whoever asked to be forgotten."""
    properties(template, "BundlesBucket")["LifecycleConfiguration"]["Rules"].pop()


@fault(BUNDLES, GONE)
def replaced_bundles_stay(template: Tree) -> None:
    """What expires is hidden and stays."""
    del properties(template, "BundlesBucket")["LifecycleConfiguration"]["Rules"][1]["NoncurrentVersionExpiration"]


@fault("80-observability", "the_trail_records_everything")
def nobody_sees_who_read_a_bundle(template: Tree) -> None:
    """The trail names a bucket for bundles in its own account, where there is none."""
    values = properties(template, "Trail")["EventSelectors"][0]["DataResources"][0]["Values"]
    (at,) = (at for at, one in enumerate(values) if "mlife-bundles" in one["Fn::Sub"])
    values[at] = {"Fn::Sub": "arn:${AWS::Partition}:s3:::mlife-bundles-${AWS::AccountId}/"}


@fault("workflows/models", JOBS)
def devs_job_imports_into_prod(workflow: Tree) -> None:
    """Nobody approves what comes into prod."""
    workflow["jobs"]["import"]["environment"] = "${{ inputs.from }}"


@fault("workflows/models", JOBS)
def whoever_starts_it_names_the_key(workflow: Tree) -> None:
    """A key that somebody typed says whose word counts."""
    workflow["jobs"]["import"]["env"]["SIGNED_BY"] = "${{ inputs.reason }}"


@fault("workflows/models", JOBS)
def a_model_goes_to_another_bucket(workflow: Tree) -> None:
    """The place is no bucket that a template makes."""
    for step in workflow["jobs"]["export"]["steps"]:
        step.update({"run": step["run"].replace("mlife-bundles-", "mlife-models-")} if "run" in step else {})


@fault("workflows/models", "a_job_takes_roles_of_its_own_environment")
def the_export_takes_prods_role(workflow: Tree) -> None:
    """The job of one environment works in another's account."""
    workflow["jobs"]["export"]["env"]["ENVIRONMENT"] = "${{ inputs.to }}"
