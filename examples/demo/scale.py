"""The same broker as two processes on one PostgreSQL and one Redis, behind nginx. All of them are private and end with the demo."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from broker import Broker, free_port

NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream broker {{ server 127.0.0.1:{first}; server 127.0.0.1:{second}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://broker; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    }}
  }}
}}
"""


class ScaledBroker(Broker):
    """Requests come to either process, as nginx likes."""

    # More for initdb.
    initdb: tuple[str, ...] = ()

    def start(self) -> None:
        """Databases, two processes, nginx."""
        first, second, redis = (free_port() for _ in range(3))
        database = self._postgres()
        # Nothing is written to a disk: nonces are short-lived.
        self.run([found("redis-server"), "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        for port in (first, second):
            self.serve(port, f"database.url={database}", f"replay.url=redis://127.0.0.1:{redis}")
        port = int(self.issuer.rpartition(":")[2])
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, port=port, first=first, second=second))
        self.run([found("nginx"), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "nginx.log")])

    def _postgres(self) -> str:
        """A new instance on a Unix socket; it refuses to be root."""
        user = "postgres" if os.geteuid() == 0 else None
        data = self.folder / "postgres"
        data.mkdir(exist_ok=True)
        if user:
            account = pwd.getpwnam(user)
            os.chown(data, account.pw_uid, account.pw_gid)
            # So that it reaches its folder.
            self.folder.chmod(0o755)
        setup = [found("initdb"), "--username=postgres", "--auth=trust", "--no-sync", *self.initdb, "-D", str(data / "data")]
        subprocess.run(setup, check=True, capture_output=True, user=user, cwd=data)  # noqa: S603 (installed by the set-up)
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}"]
        self.run([found("postgres"), "-D", str(data / "data"), *settings], user=user)
        ready = [found("pg_isready"), "-q", "-h", str(data), "-U", "postgres", "-t", "10"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if subprocess.run(ready, check=False, capture_output=True).returncode == 0:  # noqa: S603 (as above)
                return f"host={data} user=postgres dbname=postgres"
            time.sleep(0.02)
        raise RuntimeError("PostgreSQL does not start")


def found(program: str) -> str:
    """Where a program is; Debian keeps the server's programs out of the path."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]
    path = shutil.which(program, path=os.pathsep.join(places))
    if path is None:
        raise RuntimeError(f"{program} is not installed: run `make demo-scale`")
    return path
