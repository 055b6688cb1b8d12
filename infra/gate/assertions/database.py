"""PostgreSQL: private, encrypted, and not lost."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.environments import Environment
from infra.gate.findings import holds

LEAST_BACKUP_DAYS = {"dev": 7, "staging": 14, "prod": 30}


@holds
def no_upgrade_of_awss_is_drift(environment: Environment) -> Iterator[str]:
    """A database that takes minor versions by itself is named by its major version alone."""
    for _, database in environment.of("AWS::RDS::DBInstance"):
        given = database.properties
        if given.get("AutoMinorVersionUpgrade") is not False and not str(given["EngineVersion"]).isdecimal():
            yield f"{database.name} is {given['EngineVersion']} and takes minor versions by itself"


@holds
def connections_to_the_database_are_encrypted(environment: Environment) -> Iterator[str]:
    """PostgreSQL refuses a connection without TLS."""
    stack = environment.stack("40-dagster-state")
    groups = {group.name: group.properties["Parameters"] for group in stack.of("AWS::RDS::DBParameterGroup")}
    for database in stack.of("AWS::RDS::DBInstance"):
        used = groups.get(str(database.properties.get("DBParameterGroupName")), {})
        if used.get("rds.force_ssl") != "1":
            yield f"{database.name} takes plain connections"


@holds
def nobody_knows_the_databases_password(environment: Environment) -> Iterator[str]:
    """RDS makes, keeps and rotates the password; no template, parameter or person has it."""
    for _, database in environment.of("AWS::RDS::DBInstance"):
        if database.properties.get("ManageMasterUserPassword") is not True:
            yield f"{database.name} has a password that somebody made"
        if "MasterUserPassword" in database.properties:
            yield f"{database.name} has its password in the template"


@holds
def the_database_is_not_deleted_by_mistake(environment: Environment) -> Iterator[str]:
    """Outside dev the database refuses to be deleted; everywhere a last snapshot is taken."""
    for _, database in environment.of("AWS::RDS::DBInstance"):
        if {database.declared.get("DeletionPolicy"), database.declared.get("UpdateReplacePolicy")} != {"Snapshot"}:
            yield f"{database.name} goes without a snapshot"
        if environment.name != "dev" and str(database.properties.get("DeletionProtection")).lower() != "true":
            yield f"{database.name} can be deleted"


@holds
def the_database_can_be_had_back(environment: Environment) -> Iterator[str]:
    """Any second of the last weeks can be restored: seven days in dev, fourteen in staging, thirty in prod."""
    for _, database in environment.of("AWS::RDS::DBInstance"):
        days = database.properties.get("BackupRetentionPeriod", 1)
        if days < LEAST_BACKUP_DAYS[environment.name]:
            yield f"{database.name} can be had back for {days} days"


@holds
def the_database_survives_a_zone_in_prod(environment: Environment) -> Iterator[str]:
    """In prod the database has a standby in another zone, and its storage grows."""
    for _, database in environment.of("AWS::RDS::DBInstance"):
        if environment.name == "prod" and str(database.properties.get("MultiAZ")).lower() != "true":
            yield f"{database.name} is in one zone"
        if database.properties.get("MaxAllocatedStorage", 0) <= int(database.properties["AllocatedStorage"]):
            yield f"{database.name} does not grow"


@holds
def secrets_are_made_by_aws(environment: Environment) -> Iterator[str]:
    """Each secret is made at random, encrypted by our key, and none has its value in a template."""
    for _, secret in environment.of("AWS::SecretsManager::Secret"):
        if "SecretString" in secret.properties or "GenerateSecretString" not in secret.properties:
            yield f"{secret.name} has its value in the template"
        if not str(secret.properties.get("KmsKeyId")).endswith("/StateKey"):
            yield f"{secret.name} is encrypted by a key that is not ours"


@holds
def the_key_of_hashes_is_never_lost(environment: Environment) -> Iterator[str]:
    """The key by which people are recognised outlives its stack: with another one, who said STOP would be texted."""
    kept = [
        secret
        for _, secret in environment.of("AWS::SecretsManager::Secret")
        if secret.properties["Name"] == "mlife/number-hash-key" and secret.outlives_its_stack
    ]
    if len(kept) != 1:
        yield "mlife/number-hash-key"
