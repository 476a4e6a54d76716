"""The recorded sites of ../shared, served on loopback at a chosen moment, and the real program pointed at them."""

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
START = "2025-09-19T00:00:00Z"


@dataclass(frozen=True)
class Sites:
    """A running server of recorded sites; `sources` is the YAML of their feeds."""

    http: int
    https: int
    ca: Path
    sources: Path

    def clock(self, now: str) -> None:
        """Move the sites to another moment."""
        self._ask(f"/__clock?now={now}")

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far."""
        return [json.loads(line) for line in self._ask("/__log").splitlines()]

    def _ask(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=60) as answer:
            body: bytes = answer.read()
        return body.decode()


@contextmanager
def serve(shared: Path, folder: Path, now: str = START) -> Iterator[Sites]:
    """The recorded sites, until the block ends."""
    ca, sources = folder / "ca.pem", folder / "sources.yaml"
    command = [sys.executable, str(shared / "replay" / "serve.py"), str(shared / "corpus"), "--now", now]
    process = subprocess.Popen(
        [*command, "--ca-out", str(ca), "--config-out", str(sources), "--minutes", "20"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Sites(http=told["http"], https=told["https"], ca=ca, sources=sources)
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


def configure(folder: Path, sites: Sites, database: str, **poll: str | int) -> Path:
    """A configuration that sends every request to the recorded sites, without waiting between requests to one host."""
    settings = {
        "database": database,
        "sources": [str(sites.sources)],
        "taxonomy": str(ROOT / "config" / "taxonomy.yaml"),
        "poll": {"interval": "1s", "min_interval": "1s", **poll},
        "http": {
            "contact": "https://example.org/bot",
            "ca_bundle": str(sites.ca),
            "connect_to": {"*:443": f"127.0.0.1:{sites.https}", "*:80": f"127.0.0.1:{sites.http}"},
            "per_host": {"concurrency": 8, "spacing": "0s"},
        },
        "web": None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "aggregator.yaml"
    path.write_text(json.dumps(settings))
    return path


def aggregator(*arguments: str, config: Path, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """The real program, started."""
    command = [sys.executable, "-m", "aggregator", *arguments, "--config", str(config)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AGGREGATOR_")}
    return subprocess.Popen(command, stdout=output, stderr=output, text=True, env=environment, cwd=ROOT)


def run(*arguments: str, config: Path, timeout: float = 240) -> tuple[int, str, str]:
    """The real program, to its end: exit code, output, errors."""
    process = aggregator(*arguments, config=config)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def statuses(requests: list[dict[str, Any]]) -> Counter[int]:
    return Counter(request["status"] for request in requests)
