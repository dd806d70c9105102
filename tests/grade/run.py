#!/usr/bin/env python3
"""Our own servers and signers before the grader: each must have full marks.

Usage: run.py [--slow] [--figures FILE] [NAME ...]

Names: python-publisher node-publisher nginx python-httpx node-fetch cli-sign.
Servers listen on free ports of this machine, and end with the run.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = str(TARGET / "debug" / "imagxp")
# Those of the grader's own domains that the policy names.
PORTS = 4


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports():
    """The first of as many free ports in a row, below those that systems hand out by themselves."""
    for base in range(12_000 + os.getpid() % 400 * PORTS, 30_000, PORTS):
        probes = [socket.socket() for _ in range(PORTS)]
        try:
            for port, probe in enumerate(probes, base):
                probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return base
    raise SystemExit(f"there are no {PORTS} free ports in a row")


@contextmanager
def running(command, port, folder, **environment):
    """A server, from when it accepts connections until the end of the block."""
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, env={**os.environ, **environment})
        try:
            end = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if server.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{command} does not start:\n{log.read_text(errors='replace')}")
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait(timeout=20)


def grade(*arguments):
    """One run of the grader: its report."""
    done = subprocess.run([PROGRAM, "grade", *arguments, "--json"], capture_output=True, text=True, check=False, timeout=300)
    if not done.stdout:
        raise SystemExit(f"imagxp grade {' '.join(arguments)}: {done.stderr}")
    report = json.loads(done.stdout)
    full = report["of"] > 0 and report["marks"] == report["of"]
    if full != (done.returncode == 0):
        raise SystemExit(f"{report['marks']} of {report['of']} marks, and exit code {done.returncode}")
    return report


def whole(first, second):
    """The first report, with what a second run of the same site has lost."""
    lost = [{**case, "id": f"{case['id']} (second run)"} for case in second["cases"] if case["result"] == "fail"]
    return {**first, "cases": first["cases"] + lost}


def verifier(command, folder, slow, **environment):
    """Grades the site that a command serves on the port in its environment."""
    port, base = free_port(), free_ports()
    url = f"http://127.0.0.1:{port}/"
    policy = subprocess.run([PROGRAM, "grade", "policy", url, "--port", str(base)], capture_output=True, check=True).stdout
    (folder / "policy.json").write_bytes(policy)
    environment = {"PORT": str(port), "POLICY": str(folder / "policy.json"), **environment}
    with running(command, port, folder, **environment):
        report = grade("verifier", url, "--port", str(base), *(["--slow"] if slow else []))
        # A second time, for what a site remembers of the first.
        return whole(report, grade("verifier", url, "--port", str(base))) if slow else report


def python_publisher(folder, slow):
    """ASGI in uvicorn."""
    return verifier([sys.executable, str(HERE / "publisher.py")], folder, slow)


def node_publisher(folder, slow):
    """Node's own server with the adapter for Fastify."""
    return verifier(["node", str(HERE / "publisher.cjs")], folder, slow)


def nginx(folder, slow):
    """The nginx module, with its own snippet for fetching."""
    folder.chmod(0o755)
    for part in ("html", "temp"):
        (folder / part).mkdir()
    modules = Path(os.environ.get("IMAGXP_NGINX_MODULES", TARGET / "nginx"))
    values = {
        "MODULE": modules / "modules-release" / "ngx_http_imagxp_module.so",
        "SNIPPETS": ROOT / "bindings" / "nginx" / "snippets",
        "USER": "user root;" if os.geteuid() == 0 else "",
        "TEMP": folder / "temp",
    }
    command = [
        "sh",
        "-c",
        f'sed "s,@PORT@,$PORT," nginx.in >nginx.conf && exec {nginx_program()} -p {folder} -e error.log -c nginx.conf',
    ]
    conf = (HERE / "nginx.conf").read_text()
    for mark, value in values.items():
        conf = conf.replace(f"@{mark}@", str(value))
    (folder / "nginx.in").write_text(conf)
    return verifier(command, folder, slow)


def nginx_program():
    """Debian keeps it where only root's PATH leads."""
    return shutil.which("nginx") or "/usr/sbin/nginx"


def signer(command, folder):
    """Grades what a command sends, for an agent whose key and manifest are made here."""
    port = free_port()
    agent = f"127.0.0.1:{port}"
    run = subprocess.run
    run([PROGRAM, "keygen", "--out", "agent.pem"], cwd=folder, check=True, capture_output=True)
    made = [PROGRAM, "manifest", "--agent-id", agent, "--allow-loopback", "--key", "agent.pem"]
    (folder / "manifest.json").write_bytes(run(made, cwd=folder, check=True, capture_output=True).stdout)
    serve = [PROGRAM, "manifest", "serve", "--file", "manifest.json", "--agent-id", agent, "--allow-loopback", "--listen", agent]
    with running(serve, port, folder):
        return grade("signer", f"http://{agent}", "--run", f"AGENT={agent} KEY={folder}/agent.pem {command}")


def python_httpx(folder, _slow):
    """httpx with our authentication class."""
    return signer(f"{sys.executable} {HERE}/agent.py", folder)


def node_fetch(folder, _slow):
    """Node's fetch, wrapped."""
    return signer(f"node {HERE}/agent.cjs", folder)


def cli_sign(folder, _slow):
    """`imagxp sign --format curl`, and curl."""
    return signer(f"PROGRAM={PROGRAM} sh {HERE}/agent.sh", folder)


SUBJECTS = {
    function.__name__.replace("_", "-"): function
    for function in (python_publisher, node_publisher, nginx, python_httpx, node_fetch, cli_sign)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("names", nargs="*", default=list(SUBJECTS))
    options = parser.parse_args()
    wrong, figures, failed = [], {}, set()
    for name in options.names:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.monotonic()
            report = SUBJECTS[name](Path(folder), options.slow)
        print(f"{name:<18} {report['marks']} of {report['of']} marks in {time.monotonic() - begin:.1f} s")
        figures[name] = f"{report['marks']} of {report['of']} marks"
        for case in report["cases"]:
            # Of ours, advice is a fault, too: they do as the profile says of ours.
            if case["result"] in ("fail", "advice"):
                failed.add(name)
                wrong.append(f"{name}: {case['id']}: {case['reason']}")
                print(f"  FAILED {case['id']} ({case['section']} {case['what']}): {case['reason']}")
            elif case["result"] == "skipped":
                # At the start of a line, where scripts/tally.py counts it.
                print(f"SKIPPED: {name}: {case['id']}: {case['reason']}")
    # The cases that were skipped have lines of their own.
    print(f"grade: {len(figures) - len(failed)} passed, {len(failed)} failed")
    if options.figures:
        row = {"pass": not wrong, "seed_fault": False, "seed": None, "figures": figures, "wrong": wrong}
        options.figures.parent.mkdir(parents=True, exist_ok=True)
        options.figures.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
