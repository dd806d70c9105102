import Imagxp
import XCTest

final class AuditTests: XCTestCase {
    private let logName = "pub.example/imagxp-audit"

    private func record(_ folder: String, _ key: PrivateKey, sync: AuditSync? = nil) throws -> [Verdict] {
        let identity = try agent()
        let log = try AuditLog(path: folder, key: key, origin: logName, sync: sync)
        let publisher = try knowing(identity, Publisher(policy: policy(), auditLog: log))
        XCTAssertTrue(publisher.mayWait())
        let verdicts = try [Purpose.ragRetrieval, .crawlTraining, .ragRetrieval].map {
            try publisher.judge(signed(identity, purpose: $0))
        }
        XCTAssertEqual(log.count(), 4, "three verdicts and one manifest")
        XCTAssertEqual(log.torn(), [])
        try log.seal()
        try log.close()
        XCTAssertEqual(try publisher.judge(signed(identity)).code, "audit.unavailable")
        return verdicts
    }

    func testALogVerifiesAndOneByteIsCaught() throws {
        for sync in [nil, AuditSync.interval(millis: 50, records: 2), .never] {
            let folder = try temporaryFolder(self)
            let key = try PrivateKey.generate(algorithm: .edDsa)
            _ = try record(folder, key, sync: sync)
            let keys = [key.publicKey()]
            let report = try verifyAuditLog(path: folder, keys: keys)
            XCTAssertTrue(report.intact, "\(report.findings)")
            XCTAssertEqual(report.origin, logName)
            XCTAssertEqual(report.verdicts, 3)
            XCTAssertEqual(report.requestsVerified, 3)
            XCTAssertEqual(report.sealed, report.entries)
            XCTAssertEqual(report.unfinished, 0)
            XCTAssertGreaterThan(report.checkpoints, 0)
            let notes = try String(contentsOfFile: folder + "/checkpoints", encoding: .utf8)
            // The last one: text, an empty line, signature.
            let parts = notes.trimmingCharacters(in: .newlines).components(separatedBy: "\n\n").suffix(2)
            let note = Data((parts.joined(separator: "\n\n") + "\n").utf8)
            XCTAssertTrue(try verifyAuditLog(path: folder, keys: keys, checkpoint: note).intact)
            XCTAssertThrowsError(try verifyAuditLog(path: folder, keys: keys, checkpoint: Data("nonsense".utf8)))

            let file = URL(fileURLWithPath: folder + "/0000000000000000.jsonl")
            let text = try String(contentsOf: file, encoding: .utf8)
            let bent = try XCTUnwrap(text.range(of: "GET"))
            try text.replacingCharacters(in: bent, with: "PUT").write(to: file, atomically: false, encoding: .utf8)
            let altered = try verifyAuditLog(path: folder, keys: keys)
            XCTAssertFalse(altered.intact)
            let finding = try XCTUnwrap(altered.findings.first)
            XCTAssertEqual(finding.line, 3)
            XCTAssertTrue(finding.file.hasSuffix(".jsonl"))
            XCTAssertFalse(finding.message.isEmpty)
            expect("audit.altered") { try AuditLog(path: folder, key: key, origin: logName) }
        }
    }

    func testEvidence() throws {
        let folder = try temporaryFolder(self)
        let key = try PrivateKey.generate()
        let verdicts = try record(folder, key)
        let keys = [key.publicKey()]
        let evidence = try proveAuditEntry(path: folder, keys: keys, selector: .traceId(id: verdicts[1].traceId))
        let proven = try object(verifyEvidence(evidence: evidence, keys: keys))
        XCTAssertEqual(proven["request_verified"] as? Bool, true)
        XCTAssertEqual(proven["agent_id"] as? String, agentId)
        XCTAssertEqual(try object(verifyEvidence(evidence: evidence))["key_known"] as? Bool, false)
        expect("audit.altered") { try verifyEvidence(evidence: evidence, keys: [PrivateKey.generate().publicKey()]) }
        expect("audit.malformed") { try verifyEvidence(evidence: Data("{}".utf8)) }
        let bent = String(decoding: evidence, as: UTF8.self).replacingOccurrences(
            of: "policy.purpose_denied", with: "policy.agent_denied")
        expect("audit.proof_invalid") { try verifyEvidence(evidence: Data(bent.utf8), keys: keys) }

        let parts = try object(evidence)
        let checkpoint = try XCTUnwrap(parts["checkpoint"] as? String)
        let entry = try canonicalize(json: JSONSerialization.data(withJSONObject: XCTUnwrap(parts["record"])))
        let proof = try XCTUnwrap(parts["proof"] as? [String])
        XCTAssertEqual(
            try verifyInclusion(checkpoint: Data(checkpoint.utf8), keys: keys, entry: entry, proof: proof), 4)
        expect("usage.argument") {
            try verifyInclusion(checkpoint: Data(checkpoint.utf8), keys: keys, entry: entry, proof: ["AAAA"])
        }
        for selector in [AuditSelector.entry(number: 0), .entry(number: 99), .nonce(nonce: "unknown"), .traceId(id: "")] {
            expect("usage.argument") { try proveAuditEntry(path: folder, keys: keys, selector: selector) }
        }
        expect("io.failed") { try verifyAuditLog(path: folder + "/none", keys: keys) }
    }

    func testASinkInSwift() throws {
        final class Sink: AuditSink {
            let fails: Bool
            let kept = Kept<(Data, Data?)>()
            init(fails: Bool) { self.fails = fails }
            func record(record: Data, manifest: Data?) throws {
                if fails { throw OwnError() }
                kept.add((record, manifest))
            }
        }
        let identity = try agent()
        let sink = Sink(fails: false)
        let verdict = try knowing(identity, Publisher(policy: policy(), auditSink: sink)).judge(signed(identity))
        let (record, manifest) = try XCTUnwrap(sink.kept.all.first)
        XCTAssertEqual(try object(record)["trace_id"] as? String, verdict.traceId)
        XCTAssertEqual(try object(XCTUnwrap(manifest))["agent_id"] as? String, agentId)
        let full = try knowing(identity, Publisher(policy: policy(), auditSink: Sink(fails: true))).judge(signed(identity))
        XCTAssertEqual(full.outcome, .undecided)
        XCTAssertEqual(full.code, "audit.unavailable")
        XCTAssertEqual(full.http, 503)
        let log = try AuditLog(path: temporaryFolder(self), key: PrivateKey.generate(), origin: logName)
        expect("usage.argument") { try Publisher(policy: policy(), auditLog: log, auditSink: sink) }
    }
}
