"""A private nginx with the module: its own folder, free ports, stopped by its process id."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from ports import free_port  # noqa: E402 (its folder is on no path before)

BUILT = Path(os.environ.get("IMAGXP_NGINX_MODULES", ROOT / "target" / "nginx"))
MODULE = BUILT / "modules-release" / "ngx_http_imagxp_module.so"
ASAN_MODULE = BUILT / "modules-asan" / "ngx_http_imagxp_module.so"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
SNIPPETS = ROOT / "bindings" / "nginx" / "snippets"
# A busy machine, or instrumented code, takes its time.
SECONDS = 60
SANITIZED = "IMAGXP_NGINX_ASAN" in os.environ


def sanitizer_environment():
    """nginx itself is Debian's: the sanitizer comes in before it. nginx keeps memory until it exits, so leaks are valgrind's business."""
    library = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout.strip()
    undefined = subprocess.run(["gcc", "-print-file-name=libubsan.so"], capture_output=True, text=True, check=True).stdout.strip()
    return {
        "LD_PRELOAD": f"{Path(library).resolve()} {Path(undefined).resolve()}",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:detect_odr_violation=0",
    }


CONF = """
{user}
load_module {module};
daemon off;
master_process {master};
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{top}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    log_format verdict '$request|$status|$imagxp_outcome|$imagxp_code|$imagxp_visitor|$imagxp_agent|'
                       '$imagxp_purpose|$imagxp_payment|$imagxp_key_id|$imagxp_trace_id';
{http}
}}
"""


def wait_for(condition, what):
    """Waits until `condition()` is true, and returns what it was."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {SECONDS} s")


class Nginx:
    """One instance. `http` is the inside of the http block; in it, `{port}` is a free port, `{snippets}` and `{shipped}` are folders."""

    def __init__(self, folder, http, *, workers=1, master="on", module=MODULE, top="", wrapper=(), environment=None):
        self.folder = Path(folder)
        self.workers, self.master, self.top = workers, master, top
        self.module = ASAN_MODULE if SANITIZED and module == MODULE else module
        self.wrapper, self.environment = list(wrapper), environment or (sanitizer_environment() if SANITIZED else {})
        self.port = free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        # Workers run as another user when root starts them.
        self.folder.chmod(0o755)
        self.process = None
        self.write(http)

    def write(self, http):
        """Writes the configuration, for a start or a reload."""
        text = CONF.format(
            user="user root;" if os.geteuid() == 0 else "",
            module=self.module,
            master=self.master,
            workers=self.workers,
            folder=self.folder,
            top=self.top,
            http=http.replace("{port}", str(self.port))
            .replace("{folder}", str(self.folder))
            .replace("{snippets}", str(self.patient() if "{snippets}" in http else ""))
            .replace("{shipped}", str(SNIPPETS)),
        )
        (self.folder / "nginx.conf").write_text(text)

    def patient(self):
        """The snippets as they are shipped, but that a server of the tests has half a minute to answer: the machine has other work."""
        folder = self.folder / "snippets"
        folder.mkdir(exist_ok=True)
        for snippet in SNIPPETS.glob("*.conf"):
            (folder / snippet.name).write_text(re.sub(r"(proxy_\w+_timeout) \d+s;", r"\1 30s;", snippet.read_text()))
        return folder

    def command(self, *arguments):
        return [
            *self.wrapper,
            NGINX,
            "-p",
            str(self.folder),
            "-e",
            str(self.folder / "error.log"),
            "-c",
            str(self.folder / "nginx.conf"),
            *arguments,
        ]

    def check(self):
        """What `nginx -t` says, and whether it is content."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=SECONDS, env=environment)
        return done.returncode == 0, done.stderr

    def __enter__(self):
        environment = {**os.environ, **self.environment}
        self.output = (self.folder / "output").open("wb")
        self.process = subprocess.Popen(self.command(), stdout=self.output, stderr=self.output, env=environment)
        try:
            wait_for(self._is_up, "the start of nginx")
        except AssertionError:
            self.__exit__()
            raise AssertionError(f"nginx does not start:\n{self.errors()}\n{(self.folder / 'output').read_text()}") from None
        return self

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("it has ended")
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()

    def errors(self):
        """The error log."""
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log(self, name="access.log"):
        """The lines of an access log."""
        path = self.folder / name
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def worker_ids(self):
        """The process ids of the workers that take requests."""
        found = subprocess.run(["ps", "--ppid", str(self.process.pid), "-o", "pid=,args="], capture_output=True, text=True)
        return [int(line.split()[0]) for line in found.stdout.splitlines() if "worker process" in line and "shutting" not in line]

    def reload(self, http=None):
        """Reads the configuration again and waits for new workers."""
        if http is not None:
            self.write(http)
        before = set(self.worker_ids())
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(now := set(self.worker_ids())) == self.workers and not now & before, "the reload")

    def get(self, path="/", headers=(), method="GET", body=None, host=None):
        """One request on a connection of its own: status, headers as a list, body."""
        return request(self.port, path, headers, method, body, host)

    def raw(self, data, *, wait=True):
        """Sends bytes, and returns everything that comes back until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(data)
            if wait:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            return answer

    def crashed(self):
        """The lines of the error log that no test may leave behind."""
        output = self.folder / "output"
        said = self.errors() + (output.read_text(errors="replace") if output.exists() else "")
        return [
            line
            for line in said.splitlines()
            if re.search(r"exited on signal|\[alert\]|\[emerg\]|AddressSanitizer|runtime error", line)
        ]


def request(port, path="/", headers=(), method="GET", body=None, host=None):
    """One request by Python's own client, header lines as they are given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or "pub.example")
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


class Answer:
    """What came back."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        found = [value for other, value in self.headers if other.lower() == name]
        assert len(found) < 2, f"{name} occurs {len(found)} times"
        return found[0] if found else None

    @property
    def code(self):
        """The code of a refusal."""
        import json

        return json.loads(self.body)["error"]["code"]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"
