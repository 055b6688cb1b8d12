"""Secrets of Secrets Manager, read by the role of the task.

Belongs here: reading one. Does not belong here: what it is for (`rds_login`, `keyring`).
"""

from __future__ import annotations

from mlife_assets.adapters.aws.clients import aws_errors_explained, client
from mlife_assets.core.errors import PermanentError


def read_secret(name: str, region: str, *, setting: str) -> str:
    """Return a secret's text; `setting` is what names it.

    Raises:
        NotFoundError, PermanentError, TransientError: it is not there, or may not be read; names the setting.
    """
    with aws_errors_explained(setting, "secretsmanager:GetSecretValue"):
        answer = client("secretsmanager", region).get_secret_value(SecretId=name)
    if not (text := answer.get("SecretString")):
        raise PermanentError(f"{setting}: the secret holds no text; name the one that the stacks made")
    return str(text)
