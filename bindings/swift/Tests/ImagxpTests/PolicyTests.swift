import Imagxp
import XCTest

final class PolicyTests: XCTestCase {
    func testAPolicyTellsWhatItSays() throws {
        let policy = try policy(#""mode": "observe", "provenance": {"origin": "HYBRID"}"#)
        XCTAssertEqual(policy.origins(), [origin])
        XCTAssertEqual(policy.mode(), .observe)
        XCTAssertEqual(policy.contentOrigin(), .hybrid)
        XCTAssertFalse(policy.allowLoopback())
        XCTAssertEqual(policy.hash().count, 64)
        XCTAssertEqual(policy.debugDescription, "Policy(\(origin))")
        XCTAssertNil(try Imagxp.Policy.fromJson(#"{"version":1,"origins":["https://a.example"]}"#).contentOrigin())
    }

    func testAMistakeIsNamed() throws {
        expect("usage.policy") { try Policy.fromJson("{") }
        expect("usage.policy") { try Policy.fromJson(document: Data([0xFF])) }
        XCTAssertThrowsError(try policy(#""purpses": {}"#)) { error in
            XCTAssertTrue("\(error)".contains("purpses"), "\(error)")
        }
    }

    func testItsPublicPartAndItsOtherWords() throws {
        let policy = try policy()
        let document = try object(policy.publicJson())
        XCTAssertNotNil(document["purposes"])
        XCTAssertNil(document["agents"])
        XCTAssertTrue(try policy.emit(kind: .robots).contains("IMAGXP-Policy: \(origin)/.well-known/imagxp-policy.json"))
        XCTAssertTrue(try policy.emit(kind: .headers, path: "/a").contains("imagxp-policy"))
        XCTAssertTrue(try policy.emit(kind: .rsl, origin: origin).contains("<rsl"))
        XCTAssertTrue(
            try policy.emit(kind: .robots, rslUrl: "\(origin)/license.xml").contains("License: \(origin)/license.xml"))
        expect("usage.argument") { try policy.emit(kind: .robots, rslUrl: "ftp://x") }
        expect("usage.argument") { try policy.emit(kind: .robots, origin: "https://other.example") }
        XCTAssertEqual(policy.remarks(), [])
        XCTAssertFalse(try ImagxpTests.policy(#""unsigned": "browsers""#).remarks().isEmpty)
        XCTAssertEqual(
            try object(Data(policySchema().utf8))["$schema"] as? String, "https://json-schema.org/draft/2020-12/schema")
    }

    func testNamesOfTheWire() {
        for purpose in Purpose.allCases { XCTAssertEqual(Purpose(purpose.description), purpose) }
        XCTAssertEqual(Purpose("RAG_RETRIEVAL"), .ragRetrieval)
        XCTAssertEqual(purposeName(purpose: .crawlTraining), "CRAWL_TRAINING")
        XCTAssertEqual(purposeFromName(name: "EMBEDDING"), .embedding)
        for origin in ContentOrigin.allCases { XCTAssertEqual(ContentOrigin(origin.description), origin) }
        XCTAssertEqual(contentOriginName(origin: .human), "HUMAN")
        XCTAssertNil(contentOriginFromName(name: "human"))
        for reason in FeedbackReason.allCases { XCTAssertEqual(FeedbackReason(reason.description), reason) }
        XCTAssertEqual(feedbackReasonName(reason: .seoSpam), "SEO_SPAM")
        XCTAssertNil(feedbackReasonFromName(name: ""))
        XCTAssertEqual(algorithmName(algorithm: .edDsa), "EdDSA")
        XCTAssertNil(Purpose("rag_retrieval"))
        XCTAssertNil(ContentOrigin(""))
        XCTAssertNil(FeedbackReason("GOOD"))
    }
}
