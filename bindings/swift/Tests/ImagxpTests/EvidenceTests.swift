import Imagxp
import XCTest

final class FeedbackTests: XCTestCase {
    func testFeedbackIsSignedAndTaken() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let hash = Data(repeating: 7, count: 32)
        var feedback = try Feedback(
            url: "\(origin)/a", qualityScore: Decimal(string: "0.1")!, reason: .lowQualitySpam, jti: "visa-0001",
            contentSha256: hash)
        XCTAssertEqual(feedback.scoreMillionths, 100_000)
        XCTAssertEqual(feedback.qualityScore, Decimal(string: "0.1"))
        let signed = try feedback.sign(identity: identity, now: now, nonce: "0123456789abcdef")
        XCTAssertEqual(feedbackHeader(feedback: signed), signed.base64EncodedString())
        let taken = try publisher.feedback(value: signed, now: now)
        XCTAssertTrue(taken.verdict.isAllowed, "\(taken.verdict)")
        feedback.agentId = agentId
        feedback.ts = now
        XCTAssertTrue(taken.feedback == feedback)
        XCTAssertEqual(try publisher.feedback(value: signed, now: now).verdict.code, "replay.nonce_seen")
        XCTAssertNil(try publisher.feedback(value: signed, now: now).feedback)
    }

    func testFeedbackOnACarrierAndOfAStranger() throws {
        let identity = try agent()
        let publisher = try Publisher(policy: policy())
        let feedback = Feedback(url: "\(origin)/a", scoreMillionths: 1_000_000, reason: .highQuality)
        let signed = try feedback.sign(identity: identity, now: now)
        let undecided = try publisher.feedback(value: signed, now: now).verdict
        XCTAssertEqual(undecided.needs, [Need(kind: .manifest, url: manifestUrl)])
        let carrier = try knowing(identity, publisher).judge(ImagxpTests.signed(identity))
        XCTAssertTrue(try publisher.feedback(value: signed, carrier: carrier, now: now).verdict.isAllowed)
        XCTAssertEqual(try publisher.feedback(value: Data("{".utf8), now: now).verdict.code, "feedback.malformed")
    }

    func testScores() throws {
        XCTAssertEqual(try feedbackScore(text: "0.123456"), 123_456)
        for text in ["", "1.1", "-0.1", "0.1234567", "1e-1", "NaN", "٠"] {
            expect("usage.argument") { try feedbackScore(text: text) }
        }
        for score in ["2", "-1", "0.0000001"] {
            expect("usage.argument") { try Feedback(url: origin, qualityScore: Decimal(string: score)!, reason: .other) }
        }
        let nonsense = Feedback(url: origin, scoreMillionths: 1_000_001, reason: .other)
        expect("usage.argument") { try nonsense.sign(identity: agent()) }
        let short = Feedback(url: origin, scoreMillionths: 1, reason: .other, contentSha256: Data(count: 31))
        expect("usage.argument") { try short.sign(identity: agent()) }
    }
}

final class ProvenanceTests: XCTestCase {
    private let hash = Data(repeating: 9, count: 32)

    private func receipt(_ hash: Data) -> Receipt {
        Receipt(
            url: "\(origin)/a", contentSha256: hash, origin: .human, traceId: String(repeating: "0", count: 32), ts: now,
            agentId: agentId)
    }

    func testAReceiptIsSignedFoundAndChecked() throws {
        let site = try Identity.generate(agentId: "pub.example")
        let headers = try receipt(hash).sign(identity: site)
        XCTAssertEqual(headers.count, 2)
        let signed = try SignedReceipt.fromHeaders(headers: headers)
        XCTAssertTrue(signed.receipt() == receipt(hash))
        XCTAssertEqual(signed.keyId(), site.keyId())
        XCTAssertEqual(signed.publisher(), "pub.example")
        let verified = try signed.verify(manifest: site.manifest())
        XCTAssertTrue(verified == receipt(hash))
        try verified.check(url: "\(origin)/a", contentSha256: hash, agentId: agentId, now: now)
        let later = now.addingTimeInterval(86_400)
        expect("provenance.mismatch") {
            try verified.check(url: "\(origin)/a", contentSha256: hash, agentId: agentId, now: later)
        }
        try verified.check(url: "\(origin)/a", contentSha256: hash, agentId: agentId, now: later, anyTime: true)
        expect("provenance.mismatch") {
            try verified.check(url: "\(origin)/a", contentSha256: Data(count: 32), agentId: agentId, now: now)
        }
        expect("provenance.mismatch") { try verified.check(url: "\(origin)/b", contentSha256: hash, agentId: agentId, now: now) }
        expect("usage.argument") { try verified.check(url: "\(origin)/a", contentSha256: Data(count: 31), now: now) }
        expect("usage.argument") { try receipt(Data()).sign(identity: site) }
    }

    func testAReceiptOfAnotherKeyAndNone() throws {
        let site = try Identity.generate(agentId: "pub.example")
        let signed = try SignedReceipt.fromHeaders(headers: receipt(hash).sign(identity: site))
        let other = try Identity.generate(agentId: "pub.example").manifest()
        expect("identity.key_mismatch") { try signed.verify(manifest: other) }
        expect("provenance.missing") { try SignedReceipt.fromHeaders(headers: []) }
        expect("provenance.malformed") {
            try SignedReceipt.fromHeaders(headers: [
                Header(name: "x-imagxp-provenance", value: "AAAA"), Header(name: "x-imagxp-provenance-sig", value: "00"),
            ])
        }
    }
}

final class DiscoveryTests: XCTestCase {
    func testRobots() throws {
        let robots = try Robots.parse("User-agent: Bot\nDisallow: /private\nIMAGXP-Policy: \(origin)/policy.json\n")
        XCTAssertTrue(try robots.allows(productToken: "Bot", pathAndQuery: "/a"))
        XCTAssertFalse(try robots.allows(productToken: "Bot", pathAndQuery: "/private/a"))
        XCTAssertEqual(try robots.policyUrls(productToken: "Bot"), ["\(origin)/policy.json"])
        XCTAssertTrue(try Robots.fromAnswer(status: 404, body: Data()).allows(productToken: "Bot", pathAndQuery: "/"))
        XCTAssertFalse(try Robots.fromAnswer(status: 503, body: Data()).allows(productToken: "Bot", pathAndQuery: "/"))
        XCTAssertEqual(try Robots.fromAnswer(status: 404, body: Data()).policyUrls(productToken: "Bot"), [])
        XCTAssertTrue(try Robots.parse(text: Data([0xFF, 0x00])).allows(productToken: "Bot", pathAndQuery: "/"))
    }

    func testAReportOfEverythingASiteSays() throws {
        let found = try discover(
            url: "\(origin)/a", productToken: "Bot",
            robots: Data("User-agent: *\nAllow: /\nContent-Signal: ai-train=no\nLicense: \(origin)/license.xml\n".utf8),
            robotsStatus: 200,
            headers: [Header(name: "Link", value: "<\(origin)/p.json>; rel=\"imagxp-policy\"")],
            rsl: ["\(origin)/license.xml": Data("not xml".utf8)], policy: policy().publicJson())
        XCTAssertTrue(found.crawlAllowed())
        XCTAssertTrue(found.hasErrors())
        XCTAssertTrue(found.policyUrls().contains("\(origin)/p.json"))
        XCTAssertEqual(found.licenseUrls(), ["\(origin)/license.xml"])
        XCTAssertEqual(found.state(purpose: .crawlTraining), .disallowed)
        XCTAssertEqual(found.advice(purpose: .crawlTraining), .refrain)
        XCTAssertEqual(found.advice(purpose: .ragRetrieval), .goAhead)
        XCTAssertNotNil(try object(found.toJson())["url"])
        let nothing = try discover(url: "\(origin)/a", productToken: "Bot")
        XCTAssertEqual(nothing.state(purpose: .summary), .unstated)
        expect("usage.argument") { try discover(url: "nonsense", productToken: "Bot") }
    }

    func testAPolicyAnnouncedByALink() throws {
        XCTAssertEqual(
            try linkPolicyUrl(values: ["</p.json>; rel=imagxp-policy"], page: "\(origin)/a/b"), "\(origin)/p.json")
        XCTAssertNil(try linkPolicyUrl(values: ["</p.json>; rel=next", "<"], page: origin))
    }

    func testAddressesAndSmallThings() throws {
        XCTAssertTrue(isPublicAddress(text: "192.88.98.1"))
        for text in ["127.0.0.1", "10.0.0.1", "::1", "::ffff:8.8.8.8", "example.com", ""] {
            XCTAssertFalse(isPublicAddress(text: text), text)
        }
        XCTAssertEqual(userAgent(own: "Bot/2"), "Bot/2 IMAGXP/1.0")
        XCTAssertEqual(userAgent(own: "Bot IMAGXP/1.0"), "Bot IMAGXP/1.0")
        XCTAssertEqual(contentDigest(body: Data()), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
        XCTAssertEqual(try canonicalize(#"{"b": 1.0, "a": "\u00e9"}"#), #"{"a":"é","b":1}"#)
        XCTAssertEqual(try canonicalize(json: Data("[1e2]".utf8)), Data("[100]".utf8))
        expect("json.duplicate_key") { try canonicalize(#"{"a":1,"\u0061":2}"#) }
        expect("json.invalid_unicode") { try canonicalize(json: Data([0x22, 0xFF, 0x22])) }
    }
}
