"""The flag that stops sends: absent it lets send, `false` too, and whatever else comes back stops."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters import aws_clients as clients
from mlife_assets.adapters.aws.sending_stop import PARAMETER, ParameterStop

pytestmark = pytest.mark.aws
REGION = "eu-west-1"


def test_the_flag_is_asked_each_time(aws: Any) -> None:
    stop, ssm = ParameterStop(REGION), aws.client("ssm")
    assert not stop.is_stopped(), "it was never set"
    for value, is_stopped in (("true", True), ("false", False), ("False", True), ("0", True), ("false ", True)):
        ssm.put_parameter(Name=PARAMETER, Type="String", Value=value, Overwrite=True)
        assert stop.is_stopped() is is_stopped, value


def test_it_is_the_flag_that_the_kill_switch_sets(repository: Path) -> None:
    template = (repository / "infra/templates/65-triggers.yaml").read_text(encoding="utf-8")
    assert f'Parameters: {{Name: {PARAMETER}, Value: "true", Type: String, Overwrite: true}}' in template


def test_who_cannot_ask_does_not_send(
    aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from botocore.exceptions import ClientError

    for error in (
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter"),
        ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParameter"),
        RuntimeError("anything"),
    ):

        def fails(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(clients.client("ssm", REGION), "get_parameter", fails, raising=False)
        with caplog.at_level(logging.ERROR):
            assert ParameterStop(REGION).is_stopped()
    assert "cannot be read (AccessDeniedException), so nothing is sent" in caplog.text


def test_a_service_that_is_down_stops(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")
    clients.client.cache_clear()
    assert ParameterStop(REGION).is_stopped()
