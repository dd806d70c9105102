import Foundation
import Imagxp

/// All runners use the same, so that their answers can be compared.
let secret = Data(count: 16)

func verify(_ found: Case) throws -> Answer {
    try verdict(step(publisher(found), found, found))
}

func sequence(_ found: Case) throws -> Answer {
    let publisher = try publisher(found)
    let results = try found.json("steps").elements().map { json in
        Value.raw(try step(publisher, found, Case(json)).toJson())
    }
    return [("results", .list(results))]
}

func publisher(_ found: Case) throws -> Publisher {
    try Publisher(policy: Policy.fromJson(document: found.data("policy")), secret: secret)
}

/// Hands in what the case has of manifests and key sets. A document that is refused is part of the case: the verdict tells.
func supply(_ publisher: Publisher, _ found: Case, now: Date) throws {
    for name in ["manifests", "jwks"] {
        for (url, body) in try found.documents(name) {
            do { try publisher.supply(url: url, body: body, now: now) } catch is ImagxpError {}
        }
    }
}

private func step(_ publisher: Publisher, _ found: Case, _ step: Case) throws -> Verdict {
    let now = try step.time()
    try supply(publisher, found, now: now)
    let request = try step.object("request")
    return try publisher.verify(
        method: request.string("method"), url: request.string("url"), headers: request.headers("headers"), now: now,
        bodyDigest: request.optionalString("body_digest")
    ).verdict
}

/// The members of the verdict as the library writes them.
private func verdict(_ verdict: Verdict) throws -> Answer {
    try Json(bytes: [UInt8](verdict.toJson())[...]).members().map { ($0.name, .raw($0.value.data)) }
}
