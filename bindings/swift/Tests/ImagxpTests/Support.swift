import Foundation
import Imagxp
import XCTest

let now = parseTimestamp(text: "2026-03-01T12:00:00.000Z")!
let origin = "https://pub.example"
let agentId = "bot.example.com"
let manifestUrl = "https://bot.example.com/.well-known/imagxp-agent.json"
let secret = Data(repeating: 7, count: 16)
let agentHeader = Header(name: "User-Agent", value: "test IMAGXP/1.0")

/// A policy that allows retrieval and denies training; `members` are more of the document, as JSON members.
func policy(_ members: String = "") throws -> Policy {
    try Policy.fromJson(
        """
        {"version": 1, "origins": ["\(origin)"]\(members.isEmpty ? "" : ", \(members)"), "purposes": {
            "RAG_RETRIEVAL": {"allow": true}, "CRAWL_TRAINING": {"allow": false}}}
        """)
}

func agent(_ algorithm: Algorithm = .es256) throws -> Identity {
    try Identity.generate(agentId: agentId, algorithm: algorithm)
}

/// A publisher that has the identity's manifest.
func knowing(_ identity: Identity, _ publisher: Publisher? = nil, members: String = "") throws -> Publisher {
    let publisher = try publisher ?? Publisher(policy: policy(members))
    try publisher.supply(url: manifestUrl, body: identity.manifest().toJson(), now: now)
    return publisher
}

/// The headers of a good request.
func signed(
    _ identity: Identity, path: String = "/a", purpose: Purpose = .ragRetrieval, now: Date = now, payment: String? = nil
) throws -> [Header] {
    try identity.sign(method: "GET", url: origin + path, purpose: purpose, now: now, payment: payment) + [agentHeader]
}

extension Publisher {
    /// Verifies `GET /a`.
    func judge(_ headers: [Header], path: String = "/a", now: Date = now) throws -> Verdict {
        try verify(method: "GET", url: path, headers: headers, now: now).verdict
    }
}

/// The members of a JSON object.
func object(_ json: Data) throws -> [String: Any] {
    try XCTUnwrap(JSONSerialization.jsonObject(with: json) as? [String: Any])
}

/// Expects an `ImagxpError` with this code, and a sentence.
func expect<T>(_ code: String, file: StaticString = #filePath, line: UInt = #line, _ act: () throws -> T) {
    XCTAssertThrowsError(try act(), file: file, line: line) { error in
        guard let error = error as? ImagxpError else {
            return XCTFail("\(error) is no ImagxpError", file: file, line: line)
        }
        XCTAssertEqual(error.code, code, error.message, file: file, line: line)
        XCTAssertFalse(error.message.isEmpty, file: file, line: line)
        XCTAssertFalse(error.message.hasSuffix("."), error.message, file: file, line: line)
    }
}

/// An error of the caller's own, with something in it that must not be repeated.
struct OwnError: Error {
    let secret = "hunter2"
}

/// A folder that is gone after the test.
func temporaryFolder(_ test: XCTestCase) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("imagxp-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    test.addTeardownBlock { try FileManager.default.removeItem(at: folder) }
    return folder.path
}

/// What several threads count and keep.
final class Kept<T: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var items: [T] = []

    func add(_ item: T) { lock.withLock { items.append(item) } }
    var all: [T] { lock.withLock { items } }
}

/// The repository's root.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../..")
    .standardizedFileURL
