"""Mistakes in the lake, the catalogue and the database.

Belongs here: faults of `25-lake`, `30-catalog` and `40-dagster-state`. Does not belong here: the log (`log`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, drop, fault, properties, right, statement

LAKE, CATALOG, STATE = "25-lake", "30-catalog", "40-dagster-state"


@fault(LAKE, "no_bucket_is_public")
def a_bucket_takes_public_policies(template: Tree) -> None:
    """One of the four blocks is missing."""
    properties(template, "LandingBucket")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


@fault(LAKE, "buckets_are_encrypted_by_our_keys")
def a_bucket_is_encrypted_by_awss_key(template: Tree) -> None:
    """S3's own key encrypts, which everybody who may read the bucket may use."""
    (rule,) = properties(template, "LakeBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rule["ServerSideEncryptionByDefault"] = {"SSEAlgorithm": "AES256"}


@fault(LAKE, "buckets_speak_tls_only")
def a_bucket_speaks_without_tls(template: Tree) -> None:
    """Plain HTTP is taken for objects."""
    denied = statement(properties(template, "LakePolicy")["PolicyDocument"], "OnlyOverTls")
    denied["Resource"] = denied["Resource"][:1]


@fault(LAKE, "models_are_written_once")
def a_model_can_be_replaced(template: Tree) -> None:
    """The bytes of the champion can be written over."""
    drop(properties(template, "LakePolicy")["PolicyDocument"], "ModelsAreWrittenOnce")


@fault(LAKE, "models_are_written_once")
def a_card_can_be_written_once_alone(template: Tree) -> None:
    """A model's card is derived and written again by each run that judges it, which fails."""
    denied = statement(properties(template, "LakePolicy")["PolicyDocument"], "ModelsAreWrittenOnce")
    denied["Resource"] = {"Fn::Sub": "${LakeBucket.Arn}/models/*"}


@fault(LAKE, "no_policy_opens_to_everybody")
def anybody_delivers(template: Tree) -> None:
    """The landing bucket takes files of anybody on earth."""
    policy = properties(template, "LandingPolicy")["PolicyDocument"]["Statement"]
    policy.append({"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"})


@fault(LAKE, "keys_rotate_and_go_slowly")
def a_key_never_rotates(template: Tree) -> None:
    """Rotation is off."""
    properties(template, "LakeKey")["EnableKeyRotation"] = False


@fault(CATALOG, "every_event_type_has_its_table")
def a_column_is_missing(template: Tree) -> None:
    """A release added a column and nobody wrote the catalogue anew."""
    properties(template, "PredictionTable")["TableInput"]["StorageDescriptor"]["Columns"].pop()


@fault(CATALOG, "every_event_type_has_its_table")
def an_event_type_is_missing(template: Tree) -> None:
    """A release added an event type and nobody wrote the catalogue anew."""
    del template["Resources"]["ConsentTable"]


@fault(CATALOG, "every_event_type_has_its_table")
def a_table_of_the_lake_is_missing(template: Tree) -> None:
    """A question names a table that Athena does not know."""
    del template["Resources"]["MapOfShownTable"]


@fault(CATALOG, "databases_are_those_that_dbt_names")
def a_database_has_a_prefix(template: Tree) -> None:
    """Models go to `marts` and the template makes `mlife_marts`: no model is ever built."""
    properties(template, "Marts")["DatabaseInput"]["Name"] = "mlife_marts"


@fault("45-dagster", "roles_do_their_work_and_not_their_neighbours")
def athena_cannot_write_a_result(template: Tree) -> None:
    """Athena asks for the place of the bucket before it writes, and every query of every run is refused."""
    allowed = right(template, "RunRole", "AthenaLooksAtTheLake")
    allowed["Action"] = ["s3:ListBucketMultipartUploads"]


@fault("45-dagster", "roles_do_their_work_and_not_their_neighbours")
def a_mart_is_published_once(template: Tree) -> None:
    """A run makes a table and may not change it: Athena and the dashboard stay on the first day."""
    right(template, "RunRole", "PublishesMarts")["Action"].remove("glue:UpdateTable")


@fault(CATALOG, "tables_lie_where_the_log_writes")
def a_table_reads_another_place(template: Tree) -> None:
    """Two tables read the same folder."""
    storage = properties(template, "ClickTable")["TableInput"]["StorageDescriptor"]
    storage["Location"] = {"Fn::Sub": "s3://${EventLogBucketName}/events/event_type=apply/"}


@fault(CATALOG, "partitions_are_projected")
def hours_have_one_digit(template: Tree) -> None:
    """Hours before ten are never found: `hour=9` is not where `hour=09` lies."""
    del properties(template, "ClickTable")["TableInput"]["Parameters"]["projection.hour.digits"]


@fault(CATALOG, "no_query_runs_away")
def a_client_sets_the_cut_off_aside(template: Tree) -> None:
    """The workgroup's settings are suggestions."""
    properties(template, "Workgroup")["WorkGroupConfiguration"]["EnforceWorkGroupConfiguration"] = False


@fault("25-lake", "answers_of_queries_do_not_stay")
def answers_of_queries_are_kept(template: Tree) -> None:
    """What queries answered lies in the lake for good, rows about people among it."""
    rules = properties(template, "LakeBucket")["LifecycleConfiguration"]["Rules"]
    rules[:] = [rule for rule in rules if rule.get("Prefix") != "athena/results/"]


@fault("parameters/prod", "no_query_runs_away")
def a_query_may_read_a_petabyte(parameters: Tree) -> None:
    """Three zeros too many in the cut-off."""
    parameters["ScannedBytesMaximum"] *= 1_000


@fault(STATE, "no_upgrade_of_awss_is_drift")
def the_database_names_a_minor_version(template: Tree) -> None:
    """RDS upgrades it on a Sunday, and each look for drift is red from then on."""
    properties(template, "Database")["EngineVersion"] = "17.10"


@fault(STATE, "the_database_is_private")
def the_database_is_public(template: Tree) -> None:
    """The database has a public address."""
    properties(template, "Database")["PubliclyAccessible"] = True


@fault(STATE, "connections_to_the_database_are_encrypted")
def tls_to_the_database_is_optional(template: Tree) -> None:
    """PostgreSQL takes plain connections."""
    properties(template, "DatabaseParameters")["Parameters"]["rds.force_ssl"] = "0"


@fault(STATE, "connections_to_the_database_are_encrypted")
def the_database_has_default_parameters(template: Tree) -> None:
    """The group that forces TLS is made and not used."""
    del properties(template, "Database")["DBParameterGroupName"]


@fault(STATE, "nobody_knows_the_databases_password")
def the_password_is_a_parameter(template: Tree) -> None:
    """Somebody types the password into a parameter."""
    template["Parameters"]["Password"] = {"Type": "String", "NoEcho": True, "Default": "change-me-please"}
    database = properties(template, "Database")
    del database["ManageMasterUserPassword"], database["MasterUserSecret"]
    database["MasterUserPassword"] = {"Ref": "Password"}


@fault("parameters/prod", "the_database_is_not_deleted_by_mistake")
def prod_can_be_deleted(parameters: Tree) -> None:
    """Prod has dev's protection."""
    parameters["IsProtected"] = "false"


@fault("parameters/prod", "the_database_survives_a_zone_in_prod")
def prod_is_in_one_zone(parameters: Tree) -> None:
    """Prod has dev's single zone."""
    parameters["IsMultiAz"] = "false"


@fault("parameters/prod", "the_database_can_be_had_back")
def prod_is_kept_for_a_week(parameters: Tree) -> None:
    """Prod has dev's backups."""
    parameters["BackupDays"] = 7


@fault(STATE, "the_database_has_no_way_out")
def the_database_is_among_the_tasks(template: Tree) -> None:
    """The database's subnets are those of tasks, which have a way out."""
    template["Parameters"]["DataSubnetIds"]["Default"] = "/mlife/network/task-subnet-ids"


@fault(STATE, "the_key_of_hashes_is_never_lost")
def the_key_of_hashes_goes_with_its_stack(template: Tree) -> None:
    """With another key nobody is recognised who said STOP."""
    template["Resources"]["NumberHashKey"]["DeletionPolicy"] = "Delete"


@fault(LAKE, "buckets_keep_versions")
def what_is_overwritten_is_lost(template: Tree) -> None:
    """Versions are suspended to save money."""
    properties(template, "LakeBucket")["VersioningConfiguration"]["Status"] = "Suspended"


@fault(LAKE, "what_holds_data_outlives_its_stack")
def the_lake_goes_with_its_stack(template: Tree) -> None:
    """A bucket has the default, which is to go."""
    del template["Resources"]["LandingBucket"]["UpdateReplacePolicy"]


@fault(STATE, "secrets_are_made_by_aws")
def a_secret_is_in_the_template(template: Tree) -> None:
    """The token is the same in every environment, and in the history of the repository."""
    token = properties(template, "EndpointToken")
    del token["GenerateSecretString"]
    token["SecretString"] = "0123456789abcdef"


@fault(STATE, "the_database_is_encrypted")
def the_password_is_encrypted_by_awss_key(template: Tree) -> None:
    """Everybody in the account who may read secrets may read this one."""
    del properties(template, "Database")["MasterUserSecret"]
