"""Keys: every form, files, and what must never be shown. The second opinion is `cryptography`."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import stat
from pathlib import Path
from typing import Any

import imagxp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from imagxp import Identity, KeyFormatError, MemoryReplayStore, PrivateKey, PublicKey, Publisher, UsageError
from support import knowing, policy, signed

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_every_form_is_the_same_key(algorithm: Any) -> None:
    key = PrivateKey.generate(algorithm)
    for again in (PrivateKey.from_pem(key.to_pem()), PrivateKey.from_pkcs8_der(key.to_pkcs8_der())):
        assert again.public_key == key.public_key
    public = key.public_key
    assert (public.algorithm, key.algorithm) == (algorithm, algorithm)
    forms = (
        PublicKey.from_pem(public.to_pem()),
        PublicKey.from_spki(public.to_spki_der()),
        PublicKey.from_spki(public.to_spki_base64()),
        PublicKey.from_jwk(public.to_jwk()),
    )
    for form in forms:
        assert form == public
        assert hash(form) == hash(public)
        assert form.thumbprint == public.thumbprint
    assert PrivateKey.generate(algorithm).public_key != public


def test_cryptography_reads_our_keys_and_verifies_our_signatures() -> None:
    key = PrivateKey.generate()
    theirs = serialization.load_pem_private_key(key.to_pem().encode(), None)
    assert isinstance(theirs, ec.EllipticCurvePrivateKey)
    for length in (0, 1, 31, 32, 100, 10_000):
        message = os.urandom(length)
        signature = key.sign(message)
        assert len(signature) == 64
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        assert 0 < s <= N // 2, "low-s"
        der = utils.encode_dss_signature(r, s)
        theirs.public_key().verify(der, message, ec.ECDSA(hashes.SHA256()))
        with pytest.raises(InvalidSignature):
            theirs.public_key().verify(der, message + b"x", ec.ECDSA(hashes.SHA256()))


def test_we_verify_signatures_of_cryptography() -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())
    spki = theirs.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = PublicKey.from_spki(spki)
    for _ in range(20):
        message = os.urandom(50)
        r, s = utils.decode_dss_signature(theirs.sign(message, ec.ECDSA(hashes.SHA256())))
        for s_form in (s, N - s):
            signature = r.to_bytes(32) + s_form.to_bytes(32)
            assert public.verify(message, signature)
            assert not public.verify(message + b"x", signature)
        assert not public.verify(message, r.to_bytes(32) + bytes(32))
    assert not public.verify(b"", b"")
    assert not public.verify(b"", bytes(63))


def test_ed25519_with_cryptography_in_both_directions() -> None:
    theirs = ed25519.Ed25519PrivateKey.generate()
    pem = theirs.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ours = PrivateKey.from_pem(pem.decode())
    assert ours.sign(b"message") == theirs.sign(b"message")
    assert ours.public_key.verify(b"message", theirs.sign(b"message"))


def test_sec1_pem_of_openssl_is_read() -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())
    pem = theirs.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert PrivateKey.from_pem(pem.decode()).public_key.verify(b"m", PrivateKey.from_pem(pem.decode()).sign(b"m"))


def test_the_thumbprint_is_rfc_7638s() -> None:
    public = PrivateKey.generate().public_key
    jwk = public.to_jwk()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'.encode())
    assert public.thumbprint == base64.urlsafe_b64encode(digest.finalize()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "act",
    [
        lambda: PrivateKey.from_pem(""),
        lambda: PrivateKey.from_pkcs8_der(b"\x30\x00"),
        lambda: PrivateKey.from_jwk({"kty": "oct", "k": "AA"}),
        lambda: PrivateKey.from_jwk(PrivateKey.generate().public_key.to_jwk()),
        lambda: PublicKey.from_pem(PrivateKey.generate().to_pem()),
        lambda: PublicKey.from_spki("not base64!"),
        lambda: PublicKey.from_spki(b""),
        lambda: PublicKey.from_jwk({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        lambda: imagxp.JwkSet.parse({"keys": [{"kty": "oct", "k": "AA"}]}),
        lambda: imagxp.JwkSet.parse("[]"),
    ],
)
def test_what_is_no_key_has_a_code(act: Any) -> None:
    with pytest.raises((KeyFormatError, imagxp.JsonError)) as caught:
        act()
    assert caught.value.code in ("key.malformed", "json.malformed")
    assert isinstance(caught.value, ValueError)


def test_misuse_has_a_code() -> None:
    for act in (
        lambda: PrivateKey.generate("RS256"),  # type: ignore[arg-type]
        lambda: Identity.generate("not a domain"),
        lambda: Identity.generate("127.0.0.1:80"),
        lambda: Identity("localhost", PrivateKey.generate()),
    ):
        with pytest.raises(UsageError) as caught:
            act()
        assert caught.value.code == "usage.argument"
    for act in (
        lambda: PrivateKey.from_pem(b"x"),  # type: ignore[arg-type]
        lambda: PublicKey.from_spki(5),  # type: ignore[arg-type]
        lambda: PublicKey.from_jwk(5),  # type: ignore[arg-type]
        lambda: Identity("bot.example.com", "key"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            act()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    identity = Identity.generate("bot.example.com")
    path = tmp_path / "key.pem"
    old = os.umask(0)
    try:
        identity.save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Identity.load("bot.example.com", path).key_id == identity.key_id
    assert PrivateKey.load(str(path)).public_key == identity.public_key
    assert os.listdir(tmp_path) == ["key.pem"], "no temporary file stays"


def test_files_are_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first, second = PrivateKey.generate(), PrivateKey.generate()
    first.save(path)
    with pytest.raises(FileExistsError) as caught:
        second.save(path)
    assert caught.value.filename == str(path)
    assert PrivateKey.load(path).public_key == first.public_key
    path.chmod(0o644)
    second.save(path, overwrite=True)
    assert PrivateKey.load(path).public_key == second.public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["key.pem"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    link = tmp_path / "key.pem"
    link.symlink_to(target)
    with pytest.raises(FileExistsError):
        PrivateKey.generate().save(link)
    PrivateKey.generate().save(link, overwrite=True)
    assert target.read_text() == "precious"
    assert not link.is_symlink()


def test_missing_files_and_folders_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        PrivateKey.load(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")
    assert caught.value.strerror == "No such file or directory"
    with pytest.raises(FileNotFoundError):
        PrivateKey.generate().save(tmp_path / "none" / "key.pem")
    with pytest.raises(OSError):  # noqa: PT011
        PrivateKey.load(tmp_path)


def secrets_of(key: PrivateKey) -> list[str]:
    """Every spelling of the secret that might slip out."""
    theirs: Any = serialization.load_pem_private_key(key.to_pem().encode(), None)
    scalar = theirs.private_numbers().private_value.to_bytes(32)
    encodings = (base64.b64encode(scalar), base64.urlsafe_b64encode(scalar))
    return [scalar.hex(), str(list(scalar)), *(text.decode().rstrip("=") for text in encodings), key.to_pem()[60:90]]


def test_no_repr_or_message_shows_a_secret() -> None:
    key = PrivateKey.generate()
    identity = Identity("bot.example.com", key)
    texts = [repr(key), str(key), repr(identity), str(identity), repr(identity.public_key)]
    truncated = key.to_pem().replace("=", "").replace("\n", "", 2)
    for act in (
        lambda: PrivateKey.from_pem(truncated),
        lambda: PrivateKey.from_pkcs8_der(key.to_pkcs8_der()[:-1]),
        lambda: PublicKey.from_pem(key.to_pem()),
    ):
        with pytest.raises(KeyFormatError) as caught:
            act()
        texts += [str(caught.value), repr(caught.value)]
    assert "redacted" in repr(key)
    for text in texts:
        for secret in secrets_of(key):
            assert secret not in text


def test_nothing_with_state_or_secrets_is_pickled_or_copied() -> None:
    identity = Identity.generate("bot.example.com")
    verification = knowing(identity).verify("GET", "/a", signed(identity), now="2026-03-01T12:00:00Z")
    objects = [
        PrivateKey.generate(),
        identity,
        identity.public_key,
        identity.manifest(),
        policy(),
        Publisher(policy()),
        MemoryReplayStore(),
        verification,
        verification.verdict,
        imagxp.Limits(),
    ]
    for thing in objects:
        # The old protocols make an empty shell of whatever does not object; what holds a secret does.
        lowest = 0 if isinstance(thing, (PrivateKey, Identity)) else 2
        for protocol in range(lowest, pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError):
                pickle.dumps(thing, protocol)
        for duplicate in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                duplicate(thing)


def test_classes_are_frozen_and_final() -> None:
    for thing in (PrivateKey.generate(), Identity.generate("bot.example.com"), policy()):
        with pytest.raises(AttributeError):
            thing.extra = 1  # type: ignore[attr-defined]
        with pytest.raises(TypeError):
            type("Sub", (type(thing),), {})
    with pytest.raises(TypeError):
        PrivateKey()
    with pytest.raises(AttributeError):
        policy().mode = "observe"  # type: ignore[misc]
