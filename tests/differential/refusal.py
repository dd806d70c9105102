"""What the second verifier refuses, and the status of each code (PROTOCOL §13)."""

STATUS = {
    400: "header.missing header.duplicate header.conflict header.base64_invalid json. claim. sig.malformed key.malformed payment.malformed",
    401: "auth.required sig.invalid time. identity.",
    402: "payment.",
    403: "policy. claim.resource_mismatch claim.method_mismatch method.not_allowed",
    409: "replay.nonce_seen",
    413: "header.too_large",
    503: "identity.manifest_needed payment.jwks_needed",
}


class Refused(Exception):
    """With its code."""


def http(code):
    """The status that goes with a code: the longest pattern that fits."""
    fitting = [(len(pattern), status) for status, text in STATUS.items() for pattern in text.split() if code.startswith(pattern)]
    return max(fitting)[1]
