"""The broker as a service of systemd: its unit is one, and what the operator's guide says to do can be done, word for word."""

import os
import re
import shutil
import stat
import subprocess

import pytest
from tools import BUILT, ROOT, free_port, run

UNIT = ROOT / "packaging/systemd/imagxp.service"
GUIDE = (ROOT / "docs/guide-broker-operator.md").read_text()
# Stands for systemctl: there is no systemd to ask.
SYSTEMCTL = '#!/bin/sh\necho "$@" >>"$SYSTEMCTL_SAID"\n'


def blocks(after, language):
    """The blocks of the guide from a text on."""
    assert after in GUIDE
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.split(after, 1)[1], re.MULTILINE | re.DOTALL)


def verify(path):
    """What systemd says of a unit; nothing when it is well."""
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60)
    # It looks at the units of this machine, too.
    return [line for line in done.stderr.splitlines() if path.name in line]


def test_the_guide_shows_the_unit_that_is_shipped():
    assert blocks("\nThe unit:\n", "ini")[0] == UNIT.read_text()


def test_the_unit_names_the_program_that_is_installed(prefix):
    installed = prefix / "share/doc/imagxp/examples/imagxp.service"
    assert f"\nExecStart={prefix}/bin/imagxp serve " in installed.read_text()
    assert installed.read_text().replace(f"{prefix}/", "/usr/") == UNIT.read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_takes_the_unit(prefix, tmp_path):
    for folder in ("good", "bad", "good/imagxp.service.d"):
        (tmp_path / folder).mkdir()
    text = (prefix / "share/doc/imagxp/examples/imagxp.service").read_text()
    good, bad = tmp_path / "good/imagxp.service", tmp_path / "bad/imagxp.service"
    good.write_text(text)
    # What the guide adds for port 443.
    (tmp_path / "good/imagxp.service.d/override.conf").write_text(blocks("\nThe unit:\n", "ini")[1])
    bad.write_text(text.replace("RestartSec=", "RestartSecond="))
    assert verify(good) == []
    assert verify(bad) != []


def may_unshare():
    """Whether this process may have mounts of its own."""
    return os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(["unshare", "-m", "true"]).returncode == 0


@pytest.fixture
def machine(tmp_path):
    """Runs shell as root on a machine that has another /etc, /var/lib, /usr/share/doc and /usr/local/bin; the first two are given back."""
    if not may_unshare():
        pytest.skip("only root may put another /etc in its place")
    if not shutil.which("systemd-sysusers"):
        pytest.skip("there is no systemd-sysusers")
    folders = {
        name: tmp_path / name.strip("/").replace("/", "-") for name in ("/etc", "/var/lib", "/usr/share/doc", "/usr/local/bin")
    }
    shutil.copytree("/etc", folders["/etc"], symlinks=True)
    examples = folders["/usr/share/doc"] / "imagxp/examples"
    shutil.copytree(UNIT.parent, examples)
    for name in ("/var/lib", "/usr/local/bin"):
        folders[name].mkdir()
    programs = folders["/usr/local/bin"]
    shutil.copy(BUILT / "imagxp", programs)
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    mounts = "".join(f"mount --bind {folder} {name}\n" for name, folder in folders.items())

    def shell(text, cwd):
        environment = {"PATH": f"/usr/local/bin:{os.environ['PATH']}", "SYSTEMCTL_SAID": tmp_path / "systemctl.txt"}
        return run("unshare", "-m", "sh", "-euc", f"{mounts}{text}", env=environment, cwd=cwd)

    shell.etc, shell.data, shell.said = folders["/etc"], folders["/var/lib"] / "imagxp", tmp_path / "systemctl.txt"
    return shell


# As the unit starts it, until it is ready.
START = """
runuser -u imagxp -- imagxp serve --config /etc/imagxp/broker.toml --listen 127.0.0.1:{} --admin-listen 127.0.0.1:{} &
started=$!
trap 'kill $started; wait $started || true' EXIT
until curl -sf http://127.0.0.1:{}/health/ready; do kill -0 $started; sleep 0.2; done
"""


def test_what_the_guide_says_can_be_done(machine, tmp_path):
    """From the file of the guide to a service that is ready: no user, no folder and no key is there before."""
    here = tmp_path / "here"
    here.mkdir()
    file = next(block for block in blocks("\n## For real\n", "sh") if "etc/broker.toml" in block)
    made = file.split("imagxp config check", 1)[0]
    commands = next(block for block in blocks("\nAs a service of systemd", "sh") if "systemd-sysusers" in block)
    admin = free_port()
    machine(made + commands + START.format(free_port(), admin, admin), here)
    user = next(line for line in (machine.etc / "passwd").read_text().splitlines() if line.startswith("imagxp:"))
    uid = int(user.split(":")[2])
    assert user.split(":")[5] == "/var/lib/imagxp"
    for path in (machine.data, *machine.data.rglob("*")):
        found = path.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode) & 0o077) == (uid, 0), path
    assert (machine.data / "keys").is_dir()
    assert (here / "alice.token").read_text().startswith("imagxp_op_")
    assert stat.S_IMODE((here / "alice.token").stat().st_mode) == 0o600
    assert (machine.etc / "systemd/system/imagxp.service").read_text() == UNIT.read_text()
    assert machine.said.read_text() == "daemon-reload\nenable --now imagxp.service\n"
