"""AWS on this machine, for tests: a control plane, a KMS that signs with Ed25519, the role of a task, a real S3.

moto knows no Ed25519, so KMS is answered here: with a real key, and with KMS's own limit on what it signs. What it does
not know, it refuses. What none of them do as AWS does is found by `infra/test_stand_ins.py`.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

REGION, ACCOUNT = "eu-west-1", "123456789012"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
RAW_BYTES_MAXIMUM = 4096
_DENIED, _MISSING = "AccessDeniedException", "NotFoundException"


class Kms:
    """One key that signs; `denies` are the calls that the role may not make."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        self.denies: set[str] = set()

    def answer(self, call: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if call in self.denies:
            return 400, {"__type": _DENIED}
        if asked.get("KeyId") != KEY_ARN:
            return 400, {"__type": _MISSING}
        if call == "GetPublicKey":
            der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            spec = {
                "KeySpec": "ECC_NIST_EDWARDS25519",
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ["ED25519_SHA_512"],
            }
            return 200, {"KeyId": KEY_ARN, "PublicKey": base64.b64encode(der).decode(), **spec}
        message = base64.b64decode(asked.get("Message", ""))
        is_valid = call == "Sign" and 0 < len(message) <= RAW_BYTES_MAXIMUM
        if not is_valid or (asked["MessageType"], asked["SigningAlgorithm"]) != ("RAW", "ED25519_SHA_512"):
            return 400, {"__type": "ValidationException"}
        return 200, {"KeyId": KEY_ARN, "Signature": base64.b64encode(self.key.sign(message)).decode()}


@dataclass
class AwsServices:
    """What runs: the addresses, and KMS for those who look into it."""

    address: str
    kms_address: str
    role_address: str
    kms: Kms = field(repr=False)

    def variables(self) -> dict[str, str]:
        """Return what a task of ECS has in its environment, and where AWS is here."""
        return {
            "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.address,
            "AWS_ENDPOINT_URL_KMS": self.kms_address, "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.role_address,
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def client(self, service: str) -> Any:
        """Return a client of whoever made the stacks."""
        import boto3

        key = {"aws_access_key_id": "stacks", "aws_secret_access_key": "stacks"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.address, **key)


@contextmanager
def running_moto() -> Iterator[str]:
    """Run moto in this process, empty, and yield its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # it remembers per process
        yield f"http://{host}:{port}"
    finally:
        moto.stop()


@contextmanager
def running_aws(
    access_key_id: str, secret_access_key: str, control_plane: AbstractContextManager[str] | None = None
) -> Iterator[AwsServices]:
    """Run all of it; the role of a task has the key that is given, and `control_plane` takes moto's place."""
    role = {
        "AccessKeyId": access_key_id,
        "SecretAccessKey": secret_access_key,
        "Expiration": "2099-01-01T00:00:00Z",
        "Token": "",
    }
    kms = Kms()
    with ExitStack() as stack:
        address = stack.enter_context(control_plane or running_moto())
        kms_address = stack.enter_context(_answered(lambda call, asked: kms.answer(call, asked)))
        role_address = stack.enter_context(_answered(lambda _call, _asked: (200, role)))
        yield AwsServices(address, kms_address, role_address, kms)


@contextmanager
def _answered(answer: Any) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            self._say(*answer(self.headers.get("X-Amz-Target", "").rpartition(".")[2], asked))

        def do_GET(self) -> None:
            self._say(*answer("", {}))

        def _say(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
