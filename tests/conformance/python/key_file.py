"""The operation `key_file`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import imagxp


def key_file(case: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        path.write_bytes(case["text"].encode())
        path.chmod(0o600)
        try:
            public = imagxp.PrivateKey.load(path, passphrase=case["passphrase"]).public_key
        except imagxp.KeyFileError as error:
            return {"code": error.code}
    return {"thumbprint": public.thumbprint, "alg": public.algorithm}
