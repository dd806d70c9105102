"""examples/c/server: a real server, real requests signed by the command line, and agents' sites that answer in every way.

The server is compiled with ASan, LSan and UBSan by the Makefile of the folder; each test ends it and looks at what they say.
"""

import contextlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tools import ROOT, VERDICT, free_port, run

SANITIZED = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wpedantic -Werror"
ORIGIN = "https://pub.example"
POLICY = {
    "version": 1,
    "origins": [ORIGIN],
    "unsigned": "deny",
    "allow_loopback": True,
    "purposes": {"RAG_RETRIEVAL": {"allow": True}, "CRAWL_TRAINING": {"allow": False}},
    "methods": ["GET", "HEAD", "POST"],
}


def built(prefix, folder, *more):
    """A copy of the folder, built by its Makefile against the installed package."""
    shutil.copytree(ROOT / "examples/c", folder)
    run("make", "-C", folder, f"CFLAGS={' '.join([SANITIZED, *more])}", env={"PKG_CONFIG_PATH": prefix / "lib/pkgconfig"})
    return folder


@pytest.fixture(scope="session")
def examples(prefix, tmp_path_factory):
    """The examples; the server waits longer than a busy machine takes."""
    return built(prefix, tmp_path_factory.mktemp("examples") / "c", "-DMANIFEST_MS=30000")


class Site:
    """The server under test."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def send(self, headers=(), path="/posts/1", method="GET", body=None):
        """One request, its header lines as they are; gives status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        connection.close()
        return said


@contextlib.contextmanager
def serving(examples, prefix, tmp_path, *wrapper, policy=POLICY):
    """Runs the server; when it is told to stop, it must have lost no memory and done nothing undefined."""
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    environment = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib"), "ASAN_OPTIONS": "detect_leaks=1"}
    # A proxy from the environment must not be asked.
    environment |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    command = [*wrapper, str(examples / "server"), str(tmp_path / "policy.json"), "0", "--allow-loopback"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        try:
            assert line.startswith("listening on http://127.0.0.1:"), line + process.stderr.read()
            yield Site(process, int(line.rsplit(":", 1)[1]))
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "Sanitizer" not in said, said


@pytest.fixture
def site(examples, prefix, tmp_path):
    with serving(examples, prefix, tmp_path) as server:
        yield server


class Agent:
    """An agent with a key; `host` is its domain, and `sign` what the command line signs for it."""

    def __init__(self, prefix, folder, host):
        self.program, self.folder, self.host = prefix / "bin/imagxp", folder, host
        folder.mkdir()
        run(self.program, "keygen", "--out", folder / "key.pem")
        words = ["--agent-id", host, "--key", folder / "key.pem", "--allow-loopback"]
        self.manifest = run(self.program, "manifest", *words).encode()

    def sign(self, path="/posts/1", purpose="RAG_RETRIEVAL", *more):
        words = ["--key", self.folder / "key.pem", "--agent-id", self.host, "--purpose", purpose, "--allow-loopback", *more]
        return json.loads(run(self.program, "sign", *words, "--url", ORIGIN + path, "--format", "json"))["headers"]


@contextlib.contextmanager
def publishing(answer):
    """A web site for a manifest: `answer(handler)` writes each answer. Gives its host and the paths that were asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            with contextlib.suppress(ConnectionError):
                answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def reply(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_the_examples_build_and_run(examples, prefix):
    assert run(examples / "ten_lines", env={"LD_LIBRARY_PATH": prefix / "lib"}) == VERDICT
    data = ROOT / "tests/c/data"
    words = [data / "policy.json", data / "manifest.json", data / "request.http", (data / "now").read_text().strip()]
    assert run(examples / "verify", *words, env={"LD_LIBRARY_PATH": prefix / "lib"}) == "200 agent.example\n"


def test_verifies_a_reader_whose_manifest_is_served_by_the_command_line(site, prefix, tmp_path):
    program = prefix / "bin/imagxp"
    # It may be taken before the program has it, which its first line would tell.
    host = f"127.0.0.1:{free_port()}"
    agent = Agent(prefix, tmp_path / "agent", host)
    (tmp_path / "manifest.json").write_bytes(agent.manifest)
    words = ["manifest", "serve", "--listen", host, "--agent-id", host, "--file", tmp_path / "manifest.json", "--allow-loopback"]
    with subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as manifests:
        try:
            assert host in manifests.stdout.readline()
            headers = agent.sign()
            status, _, body = site.send(headers)
            assert (status, body) == (200, f"hello {host}\n")
            # The same request again, and another without a signature.
            status, _, body = site.send(headers)
            assert (status, json.loads(body)["error"]["code"]) == (409, "replay.nonce_seen")
            assert site.send(agent.sign(purpose="CRAWL_TRAINING"))[0] == 403
            assert site.send(agent.sign("/posts/2"))[0] == 403
            payload = b'{"question": 1}'
            (tmp_path / "body").write_bytes(payload)
            signed = agent.sign("/ask", "RAG_RETRIEVAL", "--method", "POST", "--body", tmp_path / "body")
            assert site.send(signed, "/ask", "POST", b'{"question": 2}')[0] == 400
            signed = agent.sign("/ask", "RAG_RETRIEVAL", "--method", "POST", "--body", tmp_path / "body")
            assert site.send(signed, "/ask", "POST", payload)[0] == 200
        finally:
            manifests.terminate()


def test_the_readme_runs(examples, prefix, tmp_path):
    """The commands of the README, with free ports in the place of those that are written there."""
    block = re.findall(r"```sh\n(.*?)```", (ROOT / "examples/c/README.md").read_text(), re.DOTALL)[1]
    for port in ("8402", "8000"):
        assert port in block
        block = block.replace(port, str(free_port()))
    # A second is enough for people.
    block = block.replace("sleep 1 ", "sleep 3 ")
    shutil.copy(examples / "server", tmp_path)
    environment = {"PATH": f"{prefix}/bin:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(prefix / "lib")}
    # Into a file: what the commands leave running would hold a pipe open.
    with (tmp_path / "said").open("w") as said:
        shell = subprocess.Popen(
            ["sh", "-euc", block], cwd=tmp_path, env=os.environ | environment, stdout=said, stderr=said, start_new_session=True
        )
        try:
            status = shell.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    text = (tmp_path / "said").read_text()
    assert status == 0, text
    assert re.search(r"^hello 127\.0\.0\.1:\d+$", text, re.MULTILINE), text


def test_refuses_and_says_why(site):
    status, headers, body = site.send([("User-Agent", "curl/8")])
    assert (status, json.loads(body)["error"]["code"], headers["content-type"]) == (401, "auth.required", "application/json")
    assert site.send([("x-imagxp-payload", "e30=")])[0] == 400
    # An absolute target would choose its own origin.
    assert site.send(path=f"{ORIGIN}/posts/1")[0] == 400
    status, _, body = site.send(path="/.well-known/imagxp-policy.json")
    assert status == 200
    assert "purposes" in json.loads(body)


def test_too_many_lines_are_refused(site):
    assert site.send([(f"x-{number}", "1") for number in range(300)])[0] == 413


ANSWERS = [
    ("redirect", lambda handler: reply(handler, 302, location="http://127.0.0.1:9/"), 401, "identity.redirect"),
    ("missing", lambda handler: reply(handler, 404), 401, "identity.not_found"),
    ("broken", lambda handler: reply(handler, 500), 503, "identity.fetch_failed"),
    ("large", lambda handler: reply(handler, 200, b" " * 20000), 401, "identity.manifest_invalid"),
    ("encoded", lambda handler: reply(handler, 200, b"{}", content_encoding="gzip"), 401, "identity.manifest_invalid"),
    ("wrong", lambda handler: reply(handler, 200, b"{}"), 401, "identity.manifest_invalid"),
    ("headers", lambda handler: reply(handler, 200, b"{}", x_long="x" * 20000), 401, "identity.manifest_invalid"),
    ("hangs up", lambda handler: handler.connection.close(), 503, "identity.fetch_failed"),
]


@pytest.mark.parametrize(("answer", "status", "code"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
def test_a_manifest_that_is_none(site, prefix, tmp_path, answer, status, code):
    with publishing(answer) as (host, asked):
        got, headers, body = site.send(Agent(prefix, tmp_path / "agent", host).sign())
        assert (got, json.loads(body)["error"]["code"]) == (status, code)
        assert (status == 503) == ("retry-after" in headers)
        assert asked == ["/.well-known/imagxp-agent.json"]


def test_a_slow_manifest_holds_up_nobody_else(prefix, tmp_path):
    """While one agent's site is silent others are served; its readers share one fetch and are answered when the deadline is over."""
    come = threading.Event()
    silent = threading.Event()

    def wait(handler):
        come.set()
        silent.wait(30)

    # As it is shipped, with its deadline of 1.5 s.
    with serving(built(prefix, tmp_path / "c"), prefix, tmp_path) as site, publishing(wait) as (slow_host, slow_asked):
        slow = Agent(prefix, tmp_path / "slow", slow_host)
        known = known_agent(site, prefix, tmp_path)
        with ThreadPoolExecutor(5) as pool:
            waiting = [pool.submit(site.send, signed) for signed in [slow.sign() for _ in range(5)]]
            assert come.wait(30)
            assert site.send(known.sign())[0] == 200
            assert site.send()[0] == 401
            answers = [future.result(30) for future in waiting]
        # The deadline has ended them: the site is still silent.
        silent.set()
        assert {status for status, _, _ in answers} == {503}
        assert all(headers["retry-after"] for _, headers, _ in answers)
        assert slow_asked == ["/.well-known/imagxp-agent.json"]


def known_agent(site, prefix, tmp_path):
    """An agent whose manifest the site has read; on a busy machine the first may come too late."""
    manifests = {}
    with publishing(lambda handler: reply(handler, 200, manifests[handler.headers["host"]], cache_control="max-age=600")) as (
        host,
        _,
    ):
        # Two names of one place are two agents.
        for name in (host, host.replace("127.0.0.1", "localhost")):
            agent = Agent(prefix, tmp_path / name, name)
            manifests[name] = agent.manifest
            if site.send(agent.sign())[0] == 200:
                return agent
    raise AssertionError("no manifest is read within 1.5 s")


def test_readers_that_leave_while_they_wait(site, prefix, tmp_path):
    come = threading.Event()
    go = threading.Event()

    def wait(handler):
        come.set()
        go.wait(30)
        reply(handler, 200, agent.manifest)

    with publishing(wait) as (host, _):
        agent = Agent(prefix, tmp_path / "agent", host)
        lines = "".join(f"{name}: {value}\r\n" for name, value in agent.sign())
        with socket.create_connection(("127.0.0.1", site.port)) as impatient:
            impatient.sendall(f"GET /posts/1 HTTP/1.1\r\nHost: pub.example\r\n{lines}\r\n".encode())
            assert come.wait(30)
        # Somebody else waits for the same manifest, and gets an answer.
        with ThreadPoolExecutor(1) as pool:
            patient = pool.submit(site.send, agent.sign())
            go.set()
            assert patient.result(30)[0] == 200


def test_stops_while_readers_wait(examples, prefix, tmp_path):
    come = threading.Event()
    go = threading.Event()

    def wait(handler):
        come.set()
        go.wait(30)

    with publishing(wait) as (host, _):
        agent = Agent(prefix, tmp_path / "agent", host)
        lines = "".join(f"{name}: {value}\r\n" for name, value in agent.sign())
        with serving(examples, prefix, tmp_path) as server:
            waiting = socket.create_connection(("127.0.0.1", server.port))
            waiting.sendall(f"GET /posts/1 HTTP/1.1\r\nHost: pub.example\r\n{lines}\r\n".encode())
            assert come.wait(30)
        waiting.close()
        go.set()


@pytest.mark.skipif(os.geteuid() != 0, reason="a hosts file of its own can only be given to a process by root")
def test_a_name_that_leads_inside_is_refused(examples, prefix, tmp_path):
    """The name resolves, by a hosts file that only this process sees, to an address that no stranger may make a server connect to."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine gives no mount namespace")
    hosts = tmp_path / "hosts"
    hosts.write_text("10.0.0.1 inside.example\n93.184.215.14 mixed.example\n127.0.0.1 mixed.example\n")
    script = f'mount --bind {hosts} /etc/hosts && exec "$0" "$@"'
    with serving(examples, prefix, tmp_path, "unshare", "--mount", "sh", "-euc", script) as server:
        for name in ("inside.example", "mixed.example"):
            agent = Agent(prefix, tmp_path / name, name)
            status, _, body = server.send(agent.sign())
            assert (status, json.loads(body)["error"]["code"]) == (401, "identity.address_denied")


def test_says_what_is_wrong_with_a_policy(examples, prefix, tmp_path):
    (tmp_path / "policy.json").write_text('{"version": 1, "origin": []}')
    said = run(examples / "server", tmp_path / "policy.json", "0", ok=False, env={"LD_LIBRARY_PATH": prefix / "lib"})
    assert "origin" in said
    run(examples / "server", ok=False, env={"LD_LIBRARY_PATH": prefix / "lib"})
    run(examples / "server", tmp_path / "none.json", "0", ok=False, env={"LD_LIBRARY_PATH": prefix / "lib"})
