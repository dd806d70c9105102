"""What Schemathesis tells is read by operation: its warnings and its summary come last, and would hide what failed."""

from __future__ import annotations

from openapi import failures

TOLD = """ ❌  Fuzzing (in 1.09s)

=================================== FAILURES ===================================
_____________________________ GET /v1/visas/{jti} ______________________________
1. Test Case ID: H3SISs

- ST103 Undocumented status code

    Received: 400
_________________________________ POST /v1/a_b _________________________________
1. Test Case ID: 5So571
=================================== WARNINGS ===================================

Authentication failed
=================================== SUMMARY ====================================
"""


def test_each_operation_that_failed_is_named() -> None:
    found = failures(TOLD)
    assert [line.split(": ")[0] for line in found] == ["GET /v1/visas/{jti}", "POST /v1/a_b"]
    assert "Undocumented status code" in found[0]
    assert "Authentication" not in "".join(found)
    assert failures("no answer") == []
