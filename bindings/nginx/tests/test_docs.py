"""The guide's and the README's configurations pass `nginx -t`, and the example runs."""

import os
import re
import subprocess
import sys

import imagxp
import pytest
from guide import PAGE, PAID, TOML, blocks, placed
from instance import BUILT, ROOT, SNIPPETS, Nginx
from world import World

PAGES = [PAGE, ROOT / "bindings" / "nginx" / "README.md"]
BLOCKS = [(page.name, number, text) for page in PAGES for number, text in enumerate(blocks(page, "nginx"))]


def test_each_file_of_the_module_is_in_the_table():
    named = set(re.findall(r"`(?:src/ngx_http_imagxp|…)_(\w+)\.c`", PAGES[1].read_text()))
    assert named == {path.stem.removeprefix("ngx_http_imagxp_") for path in (ROOT / "bindings/nginx/src").glob("*.c")}


def test_there_are_blocks():
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_a_configuration_is_accepted(tmp_path, page, number, text):
    world = World(tmp_path / "world")
    world.write("policy.toml", TOML)
    world.write("paid.toml", PAID)
    world.write("human.toml", TOML + '\n[provenance]\norigin = "HUMAN"\n')
    world.write("bot.example.com.json", world.agent.manifest().to_json())
    world.write("key.pem", imagxp.PrivateKey.generate().to_pem())
    good, said = Nginx(tmp_path / "nginx", placed(text, world, tmp_path)).check()
    assert good, said


def test_a_verdict_has_the_names_that_the_broker_gives_it():
    snippet = re.findall(r"^proxy_set_header (\S+)", (SNIPPETS / "imagxp-proxy.conf").read_text(), re.MULTILINE)
    broker = re.findall(r'"(x-imagxp-verdict-[a-z-]+)"', (ROOT / "core/server/src/forward.rs").read_text())
    # One name is its own: the former one of -agent-id.
    assert {name.lower() for name in snippet} - set(broker) == {"x-imagxp-verdict-agent"}
    assert "X-Imagxp-Verdict-Agent-Id" in snippet


@pytest.mark.parametrize(("page", "number", "text"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_a_site_that_judges_reads_long_lines(page, number, text):
    judges = re.search(r"^ *imagxp (enforce|observe);$", text, re.MULTILINE) is not None
    assert ("\nlarge_client_header_buffers 4 16k;\n" in text) == judges


def test_the_example_runs():
    environment = {**os.environ, "IMAGXP_NGINX_MODULES": str(BUILT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "nginx" / "run.py")],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("verified_agent") == 6
