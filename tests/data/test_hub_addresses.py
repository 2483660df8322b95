"""Tables at addresses of the Hugging Face Hub, of which only parts are fetched: a stand-in for the hub on this machine."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tests.data.test_remote_tables import parquet_bytes

ROWS = 1000
PATH = "data/train.parquet"
READ = """
import aft
dataset = aft.Dataset.from_table("hf://datasets/{}", text="sentence", label="label")
print(dataset, dataset[999].input, dataset[998].label)
"""


class Hub(BaseHTTPRequestHandler):
    """Answers what a reader of one table asks of the hub, and counts the bytes of the table that it sends."""

    def do_GET(self):
        path = self.path.partition("?")[0]
        table = self.server.table
        if path == "/api/datasets/me/reviews":
            self._answer(200, {"id": "me/reviews", "sha": "0" * 40, "siblings": []})
        elif path.startswith("/api/datasets/me/reviews/tree/"):
            self._answer(200, [{"type": "file", "path": PATH, "size": len(table), "oid": "1" * 40}])
        elif path == f"/datasets/me/reviews/resolve/main/{PATH}":
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            self.server.sent += last + 1 - first
            self._answer(206, table[first : last + 1])
        else:
            self._answer(404, {"error": "Repository not found."})

    def _answer(self, status, content):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.sent = 0
    server.table = parquet_bytes(
        sentence=[f"text {number}" for number in range(ROWS)],
        label=[number % 2 for number in range(ROWS)],
        picture=[np.random.default_rng(number).bytes(2000) for number in range(ROWS)],
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(hub, path):
    # A process of its own, since the hub's client reads its variables when it is imported.
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}",
        "HF_HUB_OFFLINE": "0",
    }
    command = [sys.executable, "-c", READ.format(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_of_a_table_of_the_hub_only_the_named_columns_are_fetched(hub):
    done = read(hub, f"me/reviews/{PATH}")
    assert done.stdout.strip() == "Dataset(1000 text samples, 1000 with a label) text 999 0", done.stderr
    assert hub.sent < 200_000 < len(hub.table)


def test_a_missing_table_or_dataset_of_the_hub_is_said_in_one_line(hub):
    missing = read(hub, "me/reviews/data/test.parquet").stderr.splitlines()[-1]
    assert "there is no file 'hf://datasets/me/reviews/data/test.parquet'; check the path" in missing
    unknown = read(hub, "me/other/data/test.parquet").stderr.splitlines()[-1]
    assert "404" in unknown
    assert unknown.endswith("check the address, the credentials and the network")
