"""Load a server of an exported model of texts from a second process: requests per second and their durations.

The texts of a table are sent one a request by several clients at once, for each number of clients. Beside them stands the model
alone, in this process, one text after the other and in batches. The last line is one JSON object.
"""

import argparse
import asyncio
import csv
import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from aft.evaluation import latency, throughput
from aft.runtime import ExportedModel

CLIENTS = (1, 8, 32)


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> int:
    """Send a text and read the answer. Clients of libraries take longer than the server."""
    body = json.dumps({"inputs": [text]}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    received = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    await reader.readexactly(int(received.partition("content-length:")[2].split()[0]))
    return int(received.split()[1])


async def load(port: int, texts: list[str], clients: int, seconds: float) -> dict[str, float]:
    """Send requests for some time."""
    durations: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def one(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = number
        while time.perf_counter() < end:
            start = time.perf_counter()
            failed += await request(reader, writer, texts[place % len(texts)]) != 200
            durations.append(time.perf_counter() - start)
            place += clients
        writer.close()

    await asyncio.gather(*(one(number) for number in range(clients)))
    ordered = sorted(durations)
    return {
        "clients": clients, "requests_per_second": round(len(durations) / seconds, 1), "failed": failed,
        "p50_ms": round(1000 * statistics.median(ordered), 2), "p99_ms": round(1000 * ordered[int(0.99 * len(ordered))], 2),
    }  # fmt: skip


def main() -> None:
    """Start a server, load it, and measure the model alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exported", type=Path, help="folder that aft export wrote")
    parser.add_argument("table", type=Path, help="table of texts, a .csv file")
    parser.add_argument("--column", default="sentence")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with arguments.table.open(newline="", encoding="utf-8") as file:
        texts = [row[arguments.column] for row in csv.DictReader(file)]
    model = ExportedModel(arguments.exported)
    alone = {
        "one_ms": round(latency(model.predict, texts[:200]), 3),
        "in_batches_per_second": round(throughput(model.predict, texts), 1),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "aft", "serve", str(arguments.exported), "--port", str(port)], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        rows = [asyncio.run(load(port, texts, clients, arguments.seconds)) for clients in CLIENTS]
    finally:
        server.terminate()
        server.wait()
    print(json.dumps({"benchmark": "serve", "model": str(model.description.student), "alone": alone, "served": rows}))


if __name__ == "__main__":
    main()
