"""What AWS answers dbt when it compiles for Athena: who asks, and that the catalogue holds these tables and no others.

Compiling runs no query; asked for one, this fails. dbt-athena asks before each incremental model whether it is there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACCOUNT = "123456789012"
_IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Arn>arn:aws:iam::{ACCOUNT}:role/x</Arn><UserId>x</UserId><Account>{ACCOUNT}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def _table(name: str) -> dict[str, Any]:
    parameters = {"table_type": "ICEBERG"}
    return {"Name": name, "DatabaseName": "marts", "TableType": "EXTERNAL_TABLE", "Parameters": parameters}


@contextmanager
def answered(tables: Sequence[str] = ()) -> Iterator[str]:
    """Answer on a free port; yields the address. The database `marts` holds `tables`."""
    answers = {
        "AWSGlue.GetTables": {"TableList": [_table(name) for name in tables]},
        "AmazonAthena.ListDataCatalogs": {"DataCatalogsSummary": [{"CatalogName": "AwsDataCatalog", "Type": "GLUE"}]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = self.headers.get("X-Amz-Target", "")
            answer = _IDENTITY if "Action=GetCallerIdentity" in body else json.dumps(answers.get(asked, {}))
            is_known = answer is _IDENTITY or asked in answers
            self.send_response(200 if is_known else 400)
            self.send_header("Content-Type", "text/xml" if answer is _IDENTITY else "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

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
