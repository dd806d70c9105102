"""Evidence and inclusion proofs of audit logs."""

from __future__ import annotations

import json
from typing import Any

import imagxp


def audit(case: dict[str, Any]) -> dict[str, Any]:
    keys = [imagxp.PublicKey.from_spki(case["spki"])] if "spki" in case else []
    try:
        if "evidence" in case:
            report = imagxp.verify_evidence(json.dumps(case["evidence"]), keys)
            return {"valid": True, "code": None, "report": report}
        size = imagxp.verify_inclusion(case["checkpoint"], keys, case["entry"], case["proof"])
    except imagxp.AuditError as error:
        return {"valid": False, "code": error.code}
    return {"valid": True, "code": None, "size": size}
