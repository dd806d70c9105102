"""The package as a whole: types, surface, conformance runner, examples and demo, each run as a user would."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import imagxp
import pytest
from imagxp import Identity
from support import NOW, ORIGIN, address, policy, reserve, respond, serving, signed

PROJECT = Path(__file__).parents[1]
REPOSITORY = PROJECT.parents[1]
CLI = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug" / "imagxp"
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}


def run(*command: str, cwd: Path = REPOSITORY, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of the repository with this interpreter."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        input=stdin,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_stub_is_the_modules(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    checked = run(
        "-m",
        "mypy.stubtest",
        "imagxp._imagxp",
        "--mypy-config-file",
        "pyproject.toml",
        cwd=PROJECT,
        MYPY_CACHE_DIR=cache,
        PYTHONWARNINGS="",
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_types_are_strict(tmp_path: Path) -> None:
    checked = run("-m", "mypy", "--cache-dir", str(tmp_path), cwd=PROJECT, PYTHONWARNINGS="")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_user_who_asks_a_verdict_for_its_truth_is_told_by_mypy(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "from imagxp import Identity, Policy, Publisher\n"
        "publisher = Publisher(Policy.from_json('{}'))\n"
        "publisher.verify('GET', '/', [('a', 'b')])\n"
        "publisher.verify('GET', '/', [(b'a', b'b')])\n"
        "publisher.verify('GET', '/', {'a': 'b'})\n"
        "publisher.verify('GET', '/', [('a', 1)])  # error\n"
        "identity: str = Identity.generate('bot.example.com')  # error\n"
    )
    checked = run("-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "c"), "use.py", cwd=tmp_path, PYTHONWARNINGS="")
    lines = [int(line.split(":")[1]) for line in checked.stdout.splitlines() if ": error:" in line]
    assert lines == [6, 7], checked.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(imagxp.__file__).parent / "py.typed").exists()
    for name in imagxp.__all__:
        assert getattr(imagxp, name).__doc__ or name in ("PURPOSES", "__version__"), name
    manifest = (REPOSITORY / "Cargo.toml").read_text()
    assert f'version = "{imagxp.__version__}"' in manifest


def test_everything_public_is_documented() -> None:
    for name in imagxp.__all__:
        thing = getattr(imagxp, name)
        if isinstance(thing, type) and thing.__module__ in ("imagxp", "imagxp._imagxp"):
            for attribute, value in vars(thing).items():
                if not attribute.startswith("_"):
                    assert value.__doc__, f"{name}.{attribute}"


def surface() -> Any:
    return json.loads((REPOSITORY / "tests" / "surface.json").read_text())


def test_the_surface_is_what_surface_json_says() -> None:
    for operation in surface()["operations"]:
        symbols = operation["python"]
        if symbols is None:
            assert operation["name"] in surface()["gaps"].get("python", {}), (
                f"{operation['name']}: no reason is given for the gap"
            )
            continue
        for symbol in symbols:
            thing: Any = imagxp
            for part in symbol.split("."):
                thing = getattr(thing, part)


def test_everything_exported_is_on_the_surface() -> None:
    listed = {symbol.split(".")[0] for operation in surface()["operations"] for symbol in operation["python"] or ()}
    # What no operation names: values that operations give and take, constants, exceptions, helpers of other modules.
    values = {"Answer", "Claim", "Explanation", "Need", "Payment", "Step", "Verification", "PURPOSES", "errors"}
    exceptions = {
        name for name in imagxp.__all__ if isinstance(thing := getattr(imagxp, name), type) and issubclass(thing, Exception)
    }
    assert set(imagxp.__all__) == listed | values | exceptions


def conform(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    answered = run("tests/conformance/python/runner.py", stdin=lines)
    assert answered.returncode == 0, answered.stderr
    return [json.loads(line) for line in answered.stdout.splitlines()]


def test_the_conformance_runner_answers_every_line(agent: Identity) -> None:
    document = {"version": 1, "origins": [ORIGIN], "purposes": {"RAG_RETRIEVAL": {}}}
    request = {"method": "GET", "url": "/a", "headers": [list(line) for line in signed(agent)]}
    manifests = {imagxp.manifest_url(agent.agent_id): agent.manifest().to_dict()}
    base = {"policy": document, "now": NOW, "manifests": manifests, "jwks": {}}
    answers = conform(
        {"id": 1, "op": "verify", **base, "request": request},
        {"id": 2, "op": "verify", **base, "policy": {}, "request": request},
        {"id": 3, "op": "sequence", **base, "steps": [{"now": NOW, "request": request}] * 2},
        {"id": 4, "op": "nothing"},
        {"id": 5, "op": "verify"},
        {"id": 6, "op": "canonicalize", "json": '{"b":1,"a":2}'},
        {"id": 7, "op": "canonicalize", "json_b64": "/w=="},
        {"id": 8, "op": "key", "spki": agent.public_key.to_spki_base64()},
        {"id": 9, "op": "key", "pem": "none"},
        {"id": 10, "op": "signature", "key": {"jwk": agent.public_key.to_jwk()}, "message_hex": "", "signature_hex": "00"},
        {"id": 11, "op": "host", "name": "bot.example.com"},
        {
            "id": 12,
            "op": "sign",
            "key": {},
            "agent_id": "x",
            "method": "GET",
            "url": "/",
            "purpose": "SUMMARY",
            "now": NOW,
            "nonce": "n",
        },
    )
    assert [answer["id"] for answer in answers] == list(range(1, 13))
    assert answers[0]["outcome"] == "allow"
    assert answers[1] == {"id": 2, "error_code": "usage.policy"}
    assert [result["code"] for result in answers[2]["results"]] == [None, "replay.nonce_seen"]
    assert answers[3] == {"id": 4, "unsupported": True}
    assert "policy" in answers[4]["error"]
    assert answers[5]["canonical"] == '{"a":2,"b":1}'
    assert answers[6]["code"] == "json.invalid_unicode"
    assert answers[7] == {"id": 8, "thumbprint": agent.key_id, "alg": "ES256"}
    assert answers[8]["code"] == "key.malformed"
    assert answers[9]["valid"] is False
    assert answers[10]["valid"] is True
    assert answers[11]["error_code"] == "key.malformed"


def test_the_shared_verdicts() -> None:
    path = Path(os.environ.get("IMAGXP_VECTORS", REPOSITORY.parent / "shared" / "vectors")) / "imagxp" / "verify.jsonl"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("imagxp/verify.jsonl is missing")
        pytest.skip("SKIPPED: imagxp/verify.jsonl is missing")
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    answers = conform(*cases)
    assert [answer["id"] for answer in answers] == [case["id"] for case in cases]
    assert len(cases) >= 150
    for case, answer in zip(cases, answers, strict=True):
        expected = case["expect"]
        assert agrees(expected, answer["results"] if isinstance(expected, list) else answer), (case["id"], expected, answer)


def agrees(expected: Any, actual: Any) -> bool:
    """Whether everything that is expected is there; there may be more."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(agrees(value, actual.get(name)) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(agrees, expected, actual))
    return bool(expected == actual)


@pytest.mark.parametrize("fault", [False, True])
def test_the_demo_passes_and_can_fail(fault: bool) -> None:
    demo = run("examples/demo/demo.py", *(["--seed-fault"] if fault else []), IMAGXP_CLI=str(CLI))
    assert demo.returncode == (1 if fault else 0), demo.stdout + demo.stderr
    rows = re.findall(r"^ ?\w+  .* (yes|NO)$", demo.stdout, re.MULTILINE)
    assert rows.count("NO") == (1 if fault else 0)
    assert len(rows) == 11 + 16
    assert "\x1b" not in demo.stdout, "no colours in a file"
    assert max(map(len, demo.stdout.splitlines())) <= 100
    assert demo.stdout.endswith("FAILED\n" if fault else "PASSED\n")
    assert not demo.stderr


def test_the_demo_does_not_trust_a_command_line_that_says_nothing() -> None:
    for program in (sys.executable, "/bin/true"):
        demo = run("examples/demo/demo.py", IMAGXP_CLI=program)
        assert demo.returncode == 1, demo.stdout


def test_the_examples_talk_to_each_other(tmp_path: Path) -> None:
    """The crawler's command line against the publisher's application, with the policy moved to loopback."""
    domain_at, site_at = reserve(), reserve()
    origin = f"http://{address(site_at)}"
    agent_id = address(domain_at)
    identity = Identity.generate(agent_id, allow_loopback=True)
    identity.save(tmp_path / "key.pem")
    text = (REPOSITORY / "examples" / "python-publisher" / "policy.toml").read_text()
    text = text.replace("https://publisher.example", f"http://{address(site_at)}").replace(
        "version = 1", "version = 1\nallow_loopback = true"
    )
    (tmp_path / "policy.toml").write_text(text)

    crawler = [
        "examples/python-crawler/crawler.py",
        "--allow-loopback",
        "--agent-id",
        agent_id,
        "--key",
        str(tmp_path / "key.pem"),
    ]
    manifest = run(*crawler, "--manifest").stdout.encode()

    async def domain(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, 200, manifest)

    command = [sys.executable, "-m", "uvicorn", "--fd", str(site_at.fileno()), "--log-level", "error", "publisher:app"]
    with serving(domain, domain_at, lifespan="off"):
        site = subprocess.Popen(
            command,
            cwd=REPOSITORY / "examples" / "python-publisher",
            env={**ENVIRONMENT, "IMAGXP_POLICY": str(tmp_path / "policy.toml")},
            pass_fds=[site_at.fileno()],
        )
        site_at.close()
        try:
            # The socket listens already: the crawler waits until the publisher has started.
            good = run(*crawler, f"{origin}/posts/1", f"{origin}/posts/2")
            assert (good.returncode, good.stderr) == (0, "")
            size = len(f"Article 1, for {agent_id}.\n")
            assert sorted(good.stdout.splitlines()) == [f"{origin}/posts/{number}: 200, {size} bytes" for number in (1, 2)]
            paid = run(*crawler, f"{origin}/premium/1")
            assert paid.returncode == 1
            assert "402 payment.required" in paid.stdout
            assert "0.05 EUR" in paid.stdout
            training = run(*crawler, "--purpose", "CRAWL_TRAINING", f"{origin}/posts/1")
            assert "403 policy.purpose_denied" in training.stdout
        finally:
            site.terminate()
            site.wait(timeout=10)


def test_the_scrapy_example_crawls_and_pays() -> None:
    crawled = run("examples/python-crawler/demo.py", PYTHONWARNINGS="", IMAGXP_CLI=str(CLI))
    assert crawled.returncode == 0, crawled.stdout + crawled.stderr
    assert crawled.stdout.endswith("PASSED\n")
    assert not crawled.stderr, crawled.stderr


def test_the_examples_policy_is_meant_as_it_is() -> None:
    example = imagxp.Policy.from_file(REPOSITORY / "examples" / "python-publisher" / "policy.toml")
    assert example.remarks() == ["`unsigned: browsers` is a guess: a browser can be imitated"]
    assert policy().remarks() == []


def test_importing_needs_nothing_but_the_package() -> None:
    """`import imagxp` works without httpx; the parts that need it say so by their ImportError."""
    code = (
        "import sys; sys.modules['httpx'] = None\n"
        "import imagxp; imagxp.Identity.generate('bot.example.com')\n"
        "import imagxp.asgi\n"
        "try: import imagxp.httpx\n"
        "except ImportError as error: assert 'httpx' in str(error)\n"
        "else: raise SystemExit('imported')\n"
    )
    assert run("-c", code).returncode == 0


@pytest.mark.parametrize("name", ["httpx", "requests", "aiohttp", "scrapy", "django", "flask", "fastapi"])
def test_a_missing_framework_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"imagxp.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'imagxp\[{name}\]'"):
        importlib.import_module(f"imagxp.{name}")
