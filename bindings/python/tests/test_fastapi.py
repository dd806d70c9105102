"""What FastAPI alone has; what all adapters have is in test_servers.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import imagxp
import pytest
from fastapi import Depends, FastAPI
from imagxp import Identity, UsageError, Verdict
from imagxp import fastapi as imagxp_fastapi
from support import AGENT_UA, BROWSER, ORIGIN, PURPOSES, Bank, fresh, knowing, policy, reserve, serving, signed


@contextmanager
def fastapi_site(agent: Identity, **members: Any) -> Iterator[httpx.Client]:
    app = FastAPI(openapi_url=None)
    publisher = knowing(agent, now=None, methods=["GET", "POST"], purposes=PURPOSES, **members)
    site = imagxp_fastapi.Imagxp(app, publisher=publisher, everywhere=False)
    assert site.publisher is publisher

    @app.get("/open")
    async def free() -> str:
        return "not verified"

    @app.get("/summary")
    async def summary(verdict: Verdict = Depends(site.purpose("SUMMARY"))) -> str:  # noqa: B008 (as FastAPI has it)
        return str(verdict.agent_id)

    @app.post("/words")
    async def words_of(words: dict[str, str], verdict: Verdict = Depends(site)) -> str:  # noqa: B008 (as FastAPI has it)
        return f"{words['word']} by {verdict.agent_id}"

    with serving(app, reserve(), lifespan="off") as server, httpx.Client(base_url=server.origin, trust_env=False) as client:
        yield client


def test_fastapi_operations_choose_their_purposes(agent: Identity) -> None:
    with fastapi_site(agent, unsigned="browsers") as client:
        assert client.get("/open").json() == "not verified"
        assert client.get("/summary", headers=fresh(agent, "/summary", "SUMMARY")).json() == agent.agent_id
        other = client.get("/summary", headers=fresh(agent, "/summary", "RAG_RETRIEVAL"))
        assert (other.status_code, other.json()["error"]["code"]) == (403, "policy.purpose_denied")
        assert client.get("/summary", headers=BROWSER).headers["www-authenticate"] == "IMAGXP"
        assert client.get("/summary", headers={**fresh(agent, "/a", "SUMMARY")}).status_code == 403


def test_a_body_that_fastapi_has_read_already_is_still_checked(agent: Identity) -> None:
    with fastapi_site(agent) as client:

        def post(said: bytes, sent: bytes) -> httpx.Response:
            signed = agent.sign("POST", ORIGIN + "/words", "SUMMARY", content_digest=imagxp.content_digest(said))
            kind = ("Content-Type", "application/json")
            return client.post("/words", headers=[*signed, AGENT_UA, kind], content=sent)

        assert post(b'{"word": "yes"}', b'{"word": "yes"}').json() == f"yes by {agent.agent_id}"
        changed = post(b'{"word": "yes"}', b'{"word": "not"}')
        assert (changed.status_code, changed.json()["error"]["code"]) == (400, "claim.digest_mismatch")


def test_a_purpose_that_an_operation_refuses_costs_no_visa(agent: Identity) -> None:
    bank, asked = Bank(), []

    async def redeem(need: Any, visa: str, presented: Any) -> str:
        asked.append(visa)
        return "accepted"

    app = FastAPI(openapi_url=None)
    publisher = knowing(agent, now=None, purposes={**PURPOSES, "QUOTATION": {}}, **bank.members("redeem"))
    bank.introduce(publisher)
    site = imagxp_fastapi.Imagxp(app, publisher=publisher, everywhere=False, redeem=redeem)
    app.get("/summary", dependencies=[Depends(site.purpose("SUMMARY"))])(lambda: "in")
    visa = bank.visa(agent)
    with serving(app, reserve(), lifespan="off") as server, httpx.Client(base_url=server.origin, trust_env=False) as client:

        def read(purpose: str) -> httpx.Response:
            return client.get("/summary", headers=dict(signed(agent, "/summary", purpose, now=None, payment=visa)))

        other = read("QUOTATION")
        assert (other.status_code, other.json()["error"]["code"], asked) == (403, "policy.purpose_denied", [])
        assert (read("SUMMARY").json(), asked) == ("in", [visa])


def test_below_a_mount_a_refusal_is_the_answer(agent: Identity, caplog: pytest.LogCaptureFixture) -> None:
    bank = Bank()
    app, mounted = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    publisher = knowing(agent, now=None, purposes=PURPOSES, **bank.members("offline"))
    site = imagxp_fastapi.Imagxp(app, publisher=publisher, everywhere=False)
    for each, path in ((app, "/page"), (mounted, "/page")):
        each.get(path)(lambda verdict=Depends(site): "in")  # noqa: B008 (as FastAPI has it)
    app.mount("/inner", mounted)
    with serving(app, reserve(), lifespan="off") as server, httpx.Client(base_url=server.origin, trust_env=False) as client:
        for path in ("/page", "/inner/page"):
            refused = client.get(path, headers=fresh(agent, path, "SUMMARY"))
            assert (refused.status_code, refused.json()["offer"]["price"]) == (402, "0.05"), path
            assert refused.headers["cache-control"] == "no-store"
            assert int(refused.headers["content-length"]) == len(refused.content)
    assert not caplog.records


def test_fastapi_needs_its_application() -> None:
    app = FastAPI(openapi_url=None)
    site = imagxp_fastapi.Imagxp(FastAPI(), policy())
    with pytest.raises(UsageError):
        site.purpose("FUN")
    with pytest.raises(TypeError, match="either a policy or a publisher"):
        imagxp_fastapi.Imagxp(app)
    app.get("/", dependencies=[Depends(site)])(lambda: "in")
    with serving(app, reserve(), lifespan="off", log_level="critical") as server, httpx.Client(trust_env=False) as client:
        assert client.get(server.origin).status_code == 500
