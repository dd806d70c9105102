import Foundation
import Imagxp

func provenance(_ found: Case) throws -> Answer {
    if found.has("key") {
        guard let origin = ContentOrigin(try found.string("origin")) else { throw Broken("origin is none") }
        let receipt = try Receipt(
            url: found.string("url"), contentSha256: found.hex("content_sha256"), origin: origin,
            traceId: found.string("trace_id"), ts: found.time(), agentId: found.optionalString("agent_id"))
        return [("headers", .headers(try receipt.sign(identity: found.identity("pub.example"))))]
    }
    do {
        let signed = try SignedReceipt.fromHeaders(headers: found.headers("headers"))
        guard let publisher = signed.publisher(allowLoopback: true) else {
            return [("valid", .flag(false)), ("code", .text("identity.key_mismatch"))]
        }
        let manifest = try Manifest.parse(body: found.data("manifest"), agentId: publisher, allowLoopback: true)
        try signed.verify(manifest: manifest).check(
            url: found.string("url"), contentSha256: found.hex("content_sha256"),
            agentId: found.optionalString("agent_id"), now: found.time())
        return [("valid", .flag(true)), ("code", .null)]
    } catch let error as ImagxpError {
        return [("valid", .flag(false)), ("code", .text(error.code))]
    }
}

func feedback(_ found: Case) throws -> Answer {
    found.has("key") ? try signFeedback(found) : try takeFeedback(found)
}

private func signFeedback(_ found: Case) throws -> Answer {
    guard let reason = FeedbackReason(try found.string("reason")) else { throw Broken("reason is none") }
    let feedback = try Feedback(
        url: found.string("url"), scoreMillionths: UInt32(found.json("score_millionths").integer()), reason: reason,
        jti: found.optionalString("jti"),
        contentSha256: found.optional("content_sha256").map { _ in try found.hex("content_sha256") })
    let signed = try feedback.sign(identity: found.identity(), now: found.time(), nonce: found.string("nonce"))
    return [("value", .text(feedbackHeader(feedback: signed)))]
}

private func takeFeedback(_ found: Case) throws -> Answer {
    let publisher = try publisher(found)
    try supply(publisher, found, now: found.time())
    let taken = try publisher.feedback(value: Data(found.string("value").utf8), now: found.time())
    let feedback = taken.feedback.map { feedback in
        Value.object([
            ("url", .text(feedback.url)), ("score_millionths", .number(Int(feedback.scoreMillionths))),
            ("reason", .text(feedback.reason.description)), ("jti", .optional(feedback.jti)),
            ("content_sha256", .optional(feedback.contentSha256?.map { String(format: "%02x", $0) }.joined())),
        ])
    }
    return [
        ("outcome", .text("\(taken.verdict.outcome)")), ("code", .optional(taken.verdict.code)),
        ("http", .number(Int(taken.verdict.http))), ("agent_id", .optional(taken.verdict.agentId)),
        ("feedback", feedback ?? .null),
    ]
}

func audit(_ found: Case) throws -> Answer {
    do {
        let keys = try found.has("spki") ? [PublicKey.fromSpkiBase64(text: found.string("spki"))] : []
        if found.has("evidence") {
            let report = try verifyEvidence(evidence: found.data("evidence"), keys: keys)
            return [("valid", .flag(true)), ("code", .null), ("report", .raw(report))]
        }
        let size = try verifyInclusion(
            checkpoint: Data(found.string("checkpoint").utf8), keys: keys, entry: Data(found.string("entry").utf8),
            proof: found.strings("proof"))
        return [("valid", .flag(true)), ("code", .null), ("size", .number(Int(size)))]
    } catch let error as ImagxpError {
        return [("valid", .flag(false)), ("code", .text(error.code))]
    }
}
