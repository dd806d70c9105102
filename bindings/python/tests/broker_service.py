"""The broker itself, as a process of its own: `imagxp serve --dev` in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagxp import BrokerClient

REPOSITORY = Path(__file__).parents[3]
sys.path.insert(0, str(REPOSITORY / "tests"))

from ports import free_port  # noqa: E402 (its folder is on no path before)

PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug" / "imagxp"


class Service:
    """A running broker and its operator."""

    def __init__(self, issuer: str, token: str, port: int) -> None:
        self.issuer = issuer
        self.token = token
        self.port = port
        self.operator = BrokerClient.operator(issuer, token, allow_loopback=True)


@contextmanager
def broker(folder: Path, issuer: str | None = None) -> Iterator[Service]:
    """Runs a broker inside the block; `issuer` is what others reach it by, through a proxy for example."""
    assert PROGRAM.exists(), "the command line is not built: cargo build -p imagxp-cli"
    port = free_port()
    command = [PROGRAM, "--json", "serve", "--dev", "--data", folder]
    command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0"]
    if issuer is not None:
        command += ["--issuer", issuer]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGXP_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()
            told = json.loads(line)
            yield Service(told["issuer"], told["operator_token"], port)
        finally:
            process.terminate()
            process.wait(timeout=30)
            if process.stdout is not None:
                process.stdout.close()
