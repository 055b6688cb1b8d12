"""Models on their way between environments: whose bundles a run reads, and how long they lie there."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.environments import ENVIRONMENTS, Environment
from infra.gate.findings import holds
from infra.gate.simulator import Principal, Request, verdict
from infra.gate.targets import target

MOST_DAYS = 90
"""How long a bundle lies there, and with it rows of people: whoever imported it has a copy."""
_FILE = "models/0123/bdl_0123/bundle.json"
_PUT_ONCE = {"s3:if-none-match": "*", "s3:ObjectCreationOperation": "true"}
_EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_USES = ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom")


@holds
def bundles_go_forward(environment: Environment) -> Iterator[str]:
    """Runs put bundles of models under the name of their environment alone, and read its own and those of environments
    before it, whatever their own policies allow: no row of a person in prod gets to dev.
    """
    account, own = environment.accounts["environment"], ENVIRONMENTS.index(environment.name)
    run = Principal(f"arn:aws:iam::{account}:role/mlife/mlife-run", account, (_EVERYTHING,))
    for at, name in enumerate(ENVIRONMENTS):
        for action, should in (("s3:PutObject", at == own), ("s3:GetObject", at <= own)):
            asked = Request(run, action, target(environment, f"bundles:{name}/{_FILE}"), _PUT_ONCE)
            if (verdict(asked) == "allowed") != should:
                yield f"{action} of bundles of {name}"


@holds
def runs_alone_use_bundles(environment: Environment) -> Iterator[str]:
    """Whatever its own policies allow, no role but that of runs reads or writes bundles of models: the bucket lets no
    other in, and in its own account the key, without which nothing is put, encrypts and decrypts for none.
    """
    stack = environment.stack("06-bundles")
    key = target(environment, "key:BundlesKey")
    through_s3 = {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"}
    for account in (environment.accounts["environment"], stack.account):
        who = Principal(f"arn:aws:iam::{account}:role/administrator", account, (_EVERYTHING,))
        asked = [Request(who, use, key, through_s3) for use in _USES]
        on = target(environment, f"bundles:{environment.name}/{_FILE}")
        if account != stack.account:
            asked += [Request(who, action, on, _PUT_ONCE) for action in ("s3:GetObject", "s3:PutObject")]
        asked.append(Request(who, "s3:PutObject", on, {**_PUT_ONCE, "s3:x-amz-server-side-encryption": "AES256"}))
        for one in asked:
            if verdict(one) == "allowed":
                yield f"an administrator of {account}: {one.action}"


@holds
def bundles_do_not_stay(environment: Environment) -> Iterator[str]:
    """Each bundle of a model is gone after ninety days, in all its versions: it holds rows of people, and who imported
    it has a copy.
    """
    (bucket,) = environment.stack("06-bundles").of("AWS::S3::Bucket")
    whole = {"Id", "Status", "ExpirationInDays", "NoncurrentVersionExpiration"}
    for rule in bucket.properties.get("LifecycleConfiguration", {}).get("Rules", ()):
        if rule.keys() == whole and rule["Status"] == "Enabled":
            days = [rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"].get("NoncurrentDays", MOST_DAYS + 1)]
            if max(days) <= MOST_DAYS:
                return
    yield f"{bucket.name} keeps what was exported"


@holds
def a_model_travels_by_jobs_of_both_environments(environment: Environment) -> Iterator[str]:
    """A model is exported to the bucket for bundles by a job of its environment, and imported by a later one of the
    other, where prod's reviewers approve it, from the place and under the key that the first names; KMS says the key.
    """
    jobs = environment.workflows["models"]["jobs"]
    (bucket,) = environment.stack("06-bundles").of("AWS::S3::Bucket")
    place = bucket.properties["BucketName"].replace(environment.accounts["delivery"], "$delivery")
    exports, imports = ("\n".join(step.get("run", "") for step in jobs[name]["steps"]) for name in ("export", "import"))
    if jobs["export"]["environment"] != "${{ inputs.from }}" or f'place="s3://{place}/$ENVIRONMENT"' not in exports:
        yield "a model is exported elsewhere"
    if jobs["import"]["environment"] != "${{ inputs.to }}" or jobs["import"]["needs"] != "export":
        yield "a model is imported by a job of another environment, or before the export"
    given = {name: jobs["import"]["env"].get(name.upper()) for name in ("place", "signed_by")}
    if given != {name: f"${{{{ needs.export.outputs.{name} }}}}" for name in given}:
        yield f"a model is imported from another place, or under another key: {given}"
    if "signed_by=$(aws kms get-public-key" not in exports or '--signed-by "$SIGNED_BY"' not in imports:
        yield "nobody asks KMS who signs"
