#!/usr/bin/env python3
"""Requests made from the broker's own OpenAPI document by Schemathesis, right and wrong ones, as an operator and as an agent.

    tests/faults/openapi.py [--requests 5000] [--examples 40] [--seed-fault]

No answer may be a 500, or of a status that the document does not name. `--seed-fault`: the document is one in which the refusals of one
operation are missing, which must be noticed. Schemathesis is not among the packages of the tests: it is
installed into target/schemathesis when it is missing (needs the network the first time).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import check
from imagxp import Identity, sign_assertion
from server import AgentDomain, Victim, stage

ROOT = Path(__file__).resolve().parents[2]
VERSION = "4.32.5"
# A stream has no end.
NOT = ("/v1/events",)
# Whose refusals are not in the document of the seeded fault.
UNDOCUMENTED = "/v1/visas/{jti}"


def installed() -> Path | None:
    """The program; None when it cannot be installed."""
    folder = ROOT / "target" / "schemathesis"
    program = folder / "bin" / "st"
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"schemathesis=={VERSION}"]
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        if subprocess.run(pip, check=False).returncode:
            return None
    return program


def access_token(broker: Victim, agent: Identity) -> str:
    """A token for everything that the agent may do."""
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign_assertion(agent, f"{broker.issuer}/oauth/token"),
    }
    return str(broker.client.post(f"{broker.issuer}/oauth/token", data=form).raise_for_status().json()["access_token"])


def tested(program: Path, broker: Victim, token: str, arguments: object, folder: Path) -> tuple[list[str], Counter[str]]:
    """What was wrong as this one, and how many answers of each status there were."""
    report = folder / "report.ndjson"
    document = broker.client.get(f"{broker.issuer}/openapi.json").raise_for_status().json()
    if arguments.seed_fault:  # type: ignore[attr-defined]
        declared = document["paths"][UNDOCUMENTED]["get"]["responses"]
        for status in [status for status in declared if status.startswith("4")]:
            del declared[status]
    written = folder / "openapi.json"
    written.write_text(json.dumps(document))
    command = [program, "run", written, "--url", broker.issuer, "--header", f"Authorization: Bearer {token}"]
    command += [
        "--checks",
        "status_code_conformance",
        "--continue-on-failure",
        "--no-shrink",
        "--phases",
        "examples,coverage,fuzzing",
    ]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]  # type: ignore[attr-defined]
    command += ["--report", "ndjson", "--report-ndjson-path", report, "--request-timeout", "30", "--suppress-health-check", "all"]
    for path in NOT:
        command += ["--exclude-path", path]
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=folder)
    statuses: Counter[str] = Counter()
    for line in report.read_text().splitlines():
        statuses.update(found_in(json.loads(line)))
    found = [] if ran.returncode == 0 else failures(ran.stdout) or [ran.stdout[-3000:] + ran.stderr[-1000:]]
    return found + ([f"{statuses['500']} answers were 500"] if statuses["500"] else []), statuses


def failures(told: str) -> list[str]:
    """What Schemathesis says of each operation that failed."""
    section = re.search(r"(?ms)^=+ FAILURES =+$(.*?)^=+ [A-Z]+ =+$", told)
    parts = re.split(r"(?m)^_+ (.+) _+$", section[1]) if section else []
    return [f"{name}: {text.strip()}" for name, text in zip(parts[1::2], parts[2::2], strict=True)]


def found_in(event: object) -> list[str]:
    """The statuses of all answers that an event tells of."""
    if isinstance(event, dict):
        here = [str(event["status_code"])] if "status_code" in event and "headers" in event else []
        return here + [status for value in event.values() for status in found_in(value)]
    if isinstance(event, list):
        return [status for value in event for status in found_in(value)]
    return []


def main() -> int:
    """Exit code 0 when every answer is as documented; with `--seed-fault`, when it was seen that one is not."""
    parser = check.parser(__doc__)
    parser.add_argument("--requests", type=int, default=5000, help="fewer are a failure")
    parser.add_argument("--examples", type=int, default=40, help="of each operation, at most")
    arguments = parser.parse_args()
    program = installed()
    if program is None:
        return check.missing(arguments, f"schemathesis {VERSION} cannot be installed")
    with stage("sqlite") as (folder, town, broker):
        agent = AgentDomain(town).identity
        broker.deposit(agent.agent_id, "1000000")
        found, figures = [], {}
        for who, token in (("operator", broker.token), ("agent", access_token(broker, agent))):
            wrong, statuses = tested(program, broker, token, arguments, folder)
            found += [f"as {who}: {line}" for line in wrong]
            figures |= {f"{who}_requests": sum(statuses.values()), f"{who}_statuses": dict(sorted(statuses.items()))}
            if sum(statuses.values()) < arguments.requests / 2:
                found.append(f"as {who}: only {sum(statuses.values())} requests")
        found += broker.audit() + broker.panics()
    seen = rf"(?s): GET {re.escape(UNDOCUMENTED)}: .*Undocumented status code"
    return check.conclude(arguments, found, figures, seen)


if __name__ == "__main__":
    sys.exit(main())
