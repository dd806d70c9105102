import Foundation
import Imagxp

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A publisher: what it allows, to whom, and for what.
struct Site {
    let publisher: Publisher

    init(origin: String) throws {
        let policy = try Policy.fromJson(
            """
            {"version": 1, "origins": ["\(origin)"],
             "purposes": {"RAG_RETRIEVAL": {"allow": true}, "CRAWL_TRAINING": {"allow": false}}}
            """)
        publisher = try Publisher(policy: policy)
    }

    /// One request in, one verdict out. `fetch` gets what the verdict needs: an agent's manifest; nil when it cannot be had.
    func verdict(on request: URLRequest, fetch: (Need) -> Data?) throws -> Verdict {
        var verification = try publisher.verify(request)
        while let pending = verification.pending {
            for need in verification.verdict.needs {
                if let body = fetch(need) {
                    try publisher.supply(url: need.url, body: body)
                } else {
                    try publisher.supplyFailure(url: need.url, failure: .failed)
                }
            }
            verification = try publisher.resume(pending: pending)
        }
        return verification.verdict
    }
}
