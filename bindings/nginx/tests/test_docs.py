"""The guide's and the README's configurations pass `nginx -t`, and the example runs."""

import os
import re
import subprocess
import sys

import imagxp
import pytest
from instance import BUILT, ROOT, SNIPPETS, Nginx
from world import World

PAGES = [ROOT / "docs" / "guide-nginx.md", ROOT / "bindings" / "nginx" / "README.md"]
BLOCKS = [
    (page.name, number, text)
    for page in PAGES
    for number, text in enumerate(re.findall(r"^```nginx\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
]
TOML, PAID = re.findall(r"^```toml\n(.*?)^```$", PAGES[0].read_text(), re.MULTILINE | re.DOTALL)


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
    for theirs, ours in (
        ("/etc/nginx/imagxp", world.folder),
        ("/etc/nginx/snippets", SNIPPETS),
        ("/var/log/nginx", tmp_path),
        ("/var/www/html", world.folder / "html"),
    ):
        text = text.replace(theirs, str(ours))
    good, said = Nginx(tmp_path / "nginx", text).check()
    assert good, said


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
