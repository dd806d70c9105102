import Foundation
import Imagxp
import XCTest

/// Many requests at once, signed and verified: the same as one by one.
final class BatchTests: XCTestCase {
    func testABatchHasTheVerdictsOfOneByOne() throws {
        let identity = try agent()
        let first = try signed(identity)
        let requests = try (0..<40).map { index -> ReceivedRequest in
            var headers = try signed(identity)
            switch index % 8 {
            case 1: headers = first
            case 3: headers[1] = Header(name: headers[1].name, value: String(repeating: "11", count: 64))
            case 5: headers = []
            default: break
            }
            return ReceivedRequest(method: "GET", url: index % 8 == 6 ? "/b" : "/a", headers: headers)
        }
        let single = try knowing(identity)
        let expected = try requests.map { try single.judge($0.headers, path: $0.url).code }
        let batched = try knowing(identity)
        var got = try batched.verifyBatch(requests: Array(requests[..<10]), now: now)
        got += try batched.verifyBatch(requests: Array(requests[10...]), now: now)
        XCTAssertEqual(got.map { $0.verdict.code }, expected)
        XCTAssertEqual(expected.filter { $0 == nil }.count, 21)
        XCTAssertEqual(expected.filter { $0 == "replay.nonce_seen" }.count, 4)
        XCTAssertTrue(got.allSatisfy { $0.pending == nil })
        XCTAssertTrue(try batched.verifyBatch(requests: []).isEmpty)
    }

    func testUndecidedOnesAreResumed() throws {
        let identity = try agent()
        let publisher = try Publisher(policy: policy())
        let twice = try signed(identity)
        let digest = contentDigest(body: Data("body".utf8))
        let bound =
            try identity.sign(method: "GET", url: "\(origin)/a", purpose: .ragRetrieval, now: now, contentDigest: digest)
            + [agentHeader]
        let verified = try publisher.verifyBatch(
            requests: [
                ReceivedRequest(method: "GET", url: "/a", headers: twice),
                ReceivedRequest(method: "GET", url: "/a", headers: twice),
                ReceivedRequest(method: "GET", url: "/a", headers: bound, bodyDigest: digest),
            ], now: now)
        try publisher.supply(url: manifestUrl, body: identity.manifest().toJson(), now: now)
        let codes = try verified.map { try publisher.resume(pending: XCTUnwrap($0.pending), now: now).verdict.code }
        XCTAssertEqual(codes, [nil, "replay.nonce_seen", nil])
    }

    func testABatchIsSignedAsOneByOne() throws {
        for algorithm in Algorithm.allCases {
            let identity = try agent(algorithm)
            let requests = (0..<33).map { (index: Int) -> SignRequest in
                let nonce = "nonce-\(100_000_000_000 + index)"
                let adsDisplayed: Bool? = index % 2 == 0 ? true : nil
                let context: String? = index % 3 == 0 ? #"{"a":"é"}"# : nil
                let payment: String? = index % 5 == 0 ? "a.b.c" : nil
                return SignRequest(
                    method: "POST", url: "\(origin)/\(index)", purpose: .summary, now: now.addingTimeInterval(Double(index)),
                    nonce: nonce, adsDisplayed: adsDisplayed, context: context, payment: payment, compatible: payment != nil)
            }
            let expected = try requests.map {
                try identity.sign(
                    method: $0.method, url: $0.url, purpose: $0.purpose, now: $0.now, nonce: $0.nonce,
                    adsDisplayed: $0.adsDisplayed, context: $0.context, payment: $0.payment, compatible: $0.compatible)
            }
            XCTAssertEqual(try identity.signBatch(requests: requests), expected)
        }
        let identity = try agent()
        let request = SignRequest(method: "GET", url: "\(origin)/a", purpose: .ragRetrieval)
        let publisher = try knowing(identity)
        for headers in try identity.signBatch(requests: [request, request], now: now) {
            XCTAssertTrue(try publisher.judge(headers + [agentHeader]).isAllowed)
        }
        XCTAssertTrue(try identity.signBatch(requests: []).isEmpty)
    }

    func testABatchIsSignedWholeOrNotAtAll() throws {
        let identity = try agent()
        let request = SignRequest(method: "GET", url: "\(origin)/a", purpose: .summary)
        let relative = SignRequest(method: "GET", url: "/relative", purpose: .summary)
        XCTAssertThrowsError(try identity.signBatch(requests: [request, relative])) { error in
            XCTAssertTrue((error as? ImagxpError)?.message.hasPrefix("request 1: `/relative`") ?? false, "\(error)")
        }
        let fixed = SignRequest(method: "GET", url: "\(origin)/a", purpose: .summary, nonce: "nonce-000000000000")
        expect("usage.argument") { try identity.signBatch(requests: [fixed, fixed]) }
    }
}
