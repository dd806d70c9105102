"""Keys in encrypted files, in `.env`, in a folder that rotates, and the manifest app."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from imagxp import Identity, KeyFileError, KeyFormatError, Manifest, PrivateKey, Rotation, RotationError, UsageError
from imagxp.asgi import ManifestApp

AGENT = "bot.example.com"
PATH = "/.well-known/imagxp-agent.json"


def test_encrypted_files(tmp_path: Path) -> None:
    identity = Identity.generate(AGENT)
    path = tmp_path / "sealed.key"
    identity.save(path, passphrase="correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN IMAGXP ENCRYPTED PRIVATE KEY-----\n")
    for passphrase in ("correct horse", b"correct horse"):
        assert Identity.load(AGENT, path, passphrase=passphrase).key_id == identity.key_id
        assert PrivateKey.load(path, passphrase=passphrase).public_key == identity.public_key
    with pytest.raises(KeyFileError) as wrong:
        PrivateKey.load(path, passphrase="correct house")
    path.write_text(path.read_text() + "\n")
    with pytest.raises(KeyFileError) as damaged:
        PrivateKey.load(path, passphrase="correct horse")
    assert (wrong.value.code, str(wrong.value)) == ("key_file.locked", str(damaged.value))
    with pytest.raises(KeyFileError, match="a passphrase is needed"):
        PrivateKey.load(path)
    clear = tmp_path / "clear.pem"
    identity.save(clear)
    with pytest.raises(KeyFileError):
        PrivateKey.load(clear, passphrase="correct horse")
    with pytest.raises(UsageError):
        identity.save(tmp_path / "x", passphrase="")
    with pytest.raises(TypeError):
        identity.save(tmp_path / "x", passphrase=1)  # type: ignore[arg-type]
    with pytest.raises(FileExistsError):
        identity.save(path, passphrase="other")


def test_files_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    PrivateKey.generate().save(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="open to others"):
        PrivateKey.load(path)
    with pytest.raises(PermissionError):
        Identity.load(AGENT, path)
    PrivateKey.load(path, allow_readable=True)
    Identity.load(AGENT, path, allow_readable=True)


def variables(key: PrivateKey) -> dict[str, str]:
    """What the reference's `generate-identity` prints."""
    return {
        "IMAGXP_AGENT_ID": AGENT,
        "IMAGXP_PRIVATE_KEY": base64.b64encode(key.to_pkcs8_der()).decode(),
        "IMAGXP_PUBLIC_KEY": key.public_key.to_spki_base64(),
    }


def test_the_references_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in variables(PrivateKey.generate()):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="IMAGXP_PRIVATE_KEY is not set"):
        Identity.from_env()
    first, second = PrivateKey.generate(), PrivateKey.generate()
    text = "".join(f'{name}="{value}"\n' for name, value in variables(first).items())
    Path(".env").write_text(f"# keys\n{text}OTHER=1\n")
    assert Identity.from_env().public_key == first.public_key
    assert Identity.from_env(".env").agent_id == AGENT
    for name, value in variables(second).items():
        monkeypatch.setenv(name, value)
    assert Identity.from_env().public_key == second.public_key, "the environment comes first"
    assert Identity.from_env(tmp_path / ".env").public_key == first.public_key
    with pytest.raises(UsageError):
        Identity.from_env(agent_id="other.example")
    monkeypatch.setenv("IMAGXP_PUBLIC_KEY", first.public_key.to_spki_base64())
    with pytest.raises(KeyFormatError, match="not the public half") as caught:
        Identity.from_env()
    assert variables(second)["IMAGXP_PRIVATE_KEY"] not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        Identity.from_env("none")
    monkeypatch.delenv("IMAGXP_AGENT_ID")
    monkeypatch.delenv("IMAGXP_PUBLIC_KEY")
    with pytest.raises(UsageError, match="IMAGXP_AGENT_ID is not set"):
        Identity.from_env()
    assert Identity.from_env(agent_id=AGENT).public_key == second.public_key


def test_the_whole_way(tmp_path: Path) -> None:
    rotation = Rotation.create(tmp_path / "keys", AGENT, contact="ops@example.com", passphrase="s3cret")
    old = rotation.signing_key
    assert (rotation.agent_id, rotation.stage, rotation.other_key, rotation.ready_at) == (AGENT, "settled", None, None)
    with pytest.raises(KeyFileError):
        rotation.prepare(passphrase="wrong")
    rotation.prepare(algorithm="EdDSA", passphrase="s3cret")
    rotation.publish(max_age=300, now="2026-11-21T12:00:00Z")
    assert [key.key for key in rotation.manifest().keys] == [old, rotation.other_key]
    with pytest.raises(RotationError, match=r"safe from 2026-11-21T12:06:00\.000Z on, in 60 s") as caught:
        rotation.switch(now="2026-11-21T12:05:00Z")
    assert caught.value.code == "rotation.order"
    assert rotation.ready_at is not None
    rotation.switch(now=rotation.ready_at)
    assert rotation.stage == "switched"
    assert rotation.identity(passphrase="s3cret").public_key.algorithm == "EdDSA"
    again = Rotation(tmp_path / "keys")
    again.retire(now=rotation.ready_at)
    assert rotation.stage == "switched"
    rotation.reload()
    assert (rotation.stage, repr(rotation)) == ("settled", f"Rotation({AGENT} settled)")
    assert (tmp_path / "keys" / "imagxp-agent.json").read_bytes() == rotation.manifest().to_json()


def test_going_back_and_emergencies(tmp_path: Path) -> None:
    key = PrivateKey.generate("EdDSA")
    rotation = Rotation.create(tmp_path / "keys", AGENT, key=key)
    with pytest.raises(RotationError):
        rotation.abort()
    rotation.prepare()
    rotation.publish()
    rotation.abort()
    rotation.revoke(key.public_key.thumbprint)
    assert rotation.revoked == (key.public_key.thumbprint,)
    assert rotation.identity().public_key == rotation.signing_key != key.public_key
    for wrong in ("x", key.public_key.thumbprint):
        with pytest.raises(UsageError):
            rotation.revoke(wrong)
    with pytest.raises(FileNotFoundError):
        Rotation(tmp_path / "none")
    with pytest.raises(OSError, match="exists already"):
        Rotation.create(tmp_path / "keys", AGENT)
    (tmp_path / "keys" / "rotation.json").write_text("{}")
    with pytest.raises(UsageError):
        Rotation(tmp_path / "keys")


def ask(app: ManifestApp, path: str = PATH, method: str = "GET", *conditions: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"If-None-Match", condition.encode()) for condition in conditions]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(app(scope, receive, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def test_the_manifest_app(tmp_path: Path) -> None:
    rotation = Rotation.create(tmp_path / "keys", AGENT)
    app = ManifestApp(rotation)
    status, headers, body = ask(app)
    assert (status, body) == (200, rotation.manifest().to_json())
    assert headers["cache-control"] == "public, max-age=300"
    assert ask(app, PATH, "GET", '"x"', headers["etag"])[0] == 304
    assert ask(app, PATH, "HEAD")[1:] == (headers, b"")
    assert ask(app, PATH, "POST")[0] == 405
    assert ask(app, "/")[0] == 404
    other = Rotation(tmp_path / "keys")
    other.prepare()
    other.publish()
    assert ask(app, PATH, "GET", headers["etag"])[2] == other.manifest().to_json(), "the app follows the folder"
    os.rename(tmp_path / "keys", tmp_path / "gone")
    assert ask(app)[2] == other.manifest().to_json(), "the last good one stays"
    fixed = Identity.generate(AGENT).manifest()
    assert ask(ManifestApp(fixed))[2] == fixed.to_json()
    assert isinstance(rotation.manifest(), Manifest)


def test_the_manifest_app_before_another_app() -> None:
    seen: list[str] = []

    async def site(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = ManifestApp(Identity.generate(AGENT).manifest(), site)
    assert (ask(app)[0], ask(app, "/")[0], seen) == (200, 418, ["http"])


def test_the_manifest_app_alone_lives_and_ends() -> None:
    app = ManifestApp(Identity.generate(AGENT).manifest())

    async def run(kind: str, *messages: str) -> list[str]:
        waiting, sent = list(messages), []

        async def receive() -> Any:
            return {"type": waiting.pop(0)}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await app({"type": kind}, receive, send)
        return sent

    ended = asyncio.run(run("lifespan", "lifespan.startup", "lifespan.shutdown"))
    assert ended == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(run("websocket", "websocket.connect")) == ["websocket.close"]
    with pytest.raises(ValueError, match="unknown"):
        asyncio.run(run("other"))
