import Imagxp
import XCTest

final class PublisherTests: XCTestCase {
    func testAVerdictTellsEverything() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        XCTAssertEqual(publisher.policy().origins(), [origin])
        XCTAssertFalse(publisher.mayWait())
        let verdict = try publisher.judge(signed(identity))
        XCTAssertTrue(verdict.isAllowed)
        XCTAssertEqual(verdict.outcome, .allow)
        XCTAssertNil(verdict.code)
        XCTAssertEqual(verdict.http, 200)
        XCTAssertEqual(verdict.visitor, .verifiedAgent)
        XCTAssertEqual(verdict.agentId, agentId)
        XCTAssertEqual(verdict.keyId, identity.keyId())
        XCTAssertEqual(verdict.purpose, .ragRetrieval)
        XCTAssertEqual(verdict.resource, "\(origin)/a")
        XCTAssertEqual(verdict.binding, .domain)
        XCTAssertEqual(verdict.payment.state, .notRequired)
        XCTAssertEqual(verdict.warnings, [])
        XCTAssertEqual(verdict.needs, [])
        XCTAssertNil(verdict.offer)
        XCTAssertFalse(verdict.wouldDeny)
        XCTAssertEqual(verdict.traceId.count, 32)
        XCTAssertEqual("\(verdict)", "allow")
        let json = try object(verdict.toJson())
        XCTAssertEqual(json["visitor"] as? String, "verified_agent")
        XCTAssertEqual(json["trace_id"] as? String, verdict.traceId)
        XCTAssertEqual(verdict.record.toJson(), verdict.toJson())
        XCTAssertEqual(verdict.record.body(), verdict.body())
    }

    func testPublishersThatShareASecretMakeTracesOfTheirOwn() throws {
        let traces = try (0..<3).map { _ in try Publisher(policy: policy(), secret: secret).judge([]).traceId }
        XCTAssertEqual(Set(traces).count, 3)
    }

    func testARefusalIsAVerdict() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let headers = try signed(identity)
        XCTAssertTrue(try publisher.judge(headers).isAllowed)
        let replayed = try publisher.judge(headers)
        XCTAssertEqual(replayed.code, "replay.nonce_seen")
        XCTAssertEqual(replayed.http, 409)
        XCTAssertEqual(replayed.retry, "new_nonce")
        XCTAssertEqual("\(replayed)", "deny replay.nonce_seen")
        XCTAssertEqual(try object(object(replayed.body())["error"])["code"] as? String, "replay.nonce_seen")
        XCTAssertEqual(try publisher.judge(signed(identity, purpose: .crawlTraining)).code, "policy.purpose_denied")
        XCTAssertEqual(try publisher.judge(signed(identity, path: "/b")).code, "claim.resource_mismatch")
        XCTAssertEqual(try publisher.judge([]).visitor, .unsignedClient)
        var bent = try signed(identity)
        bent[bent.firstIndex { $0.name == "x-imagxp-signature" }!] = Header(
            name: "x-imagxp-signature", value: String(repeating: "11", count: 64))
        let invalid = try publisher.judge(bent)
        XCTAssertEqual(invalid.code, "sig.invalid")
        XCTAssertNil(invalid.agentId)
        XCTAssertEqual(invalid.visitor, .invalidAgent)
    }

    private func object(_ any: Any?) throws -> [String: Any] {
        if let data = any as? Data { return try ImagxpTests.object(data) }
        return try XCTUnwrap(any as? [String: Any])
    }

    func testDuplicateLinesAreSeen() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let headers = try signed(identity)
        let twice = headers + headers.filter { $0.name == "x-imagxp-payload" }
        XCTAssertEqual(try publisher.judge(twice).code, "header.duplicate")
        let pairs = twice.pairs.map { ($0.0.uppercased(), $0.1) }
        let verdict = try publisher.verify(method: "GET", url: "/a", headers: pairs, now: now).verdict
        XCTAssertEqual(verdict.code, "header.duplicate")
        XCTAssertEqual("\(headers[0])", "x-imagxp-payload: …", "values do not end in logs")
    }

    func testHostileHeadersAreVerdicts() throws {
        let publisher = try knowing(agent())
        for value in ["", " ", "\u{0}", "é", "🕷", "{}", String(repeating: "A", count: 1 << 20), "%", "AAAA,AAAA"] {
            for name in ["x-imagxp-payload", "X-IMAGXP-SIGNATURE", "x-imagxp-payment", "x-imagxp-proof", "", "é"] {
                let verdict = try publisher.judge([Header(name: name, value: value)])
                XCTAssertNotEqual(verdict.visitor, .verifiedAgent)
            }
        }
        for method in ["", "get", "GET\u{0}", String(repeating: "G", count: 10_000)] {
            XCTAssertNotNil(try publisher.verify(method: method, url: "", headers: [Header](), now: now).verdict.http)
        }
    }

    func testAnUndecidedVerificationIsResumedOnce() throws {
        let identity = try agent()
        let publisher = try Publisher(policy: policy())
        let first = try publisher.verify(method: "GET", url: "/a", headers: signed(identity), now: now)
        XCTAssertEqual(first.verdict.outcome, .undecided)
        XCTAssertEqual(first.verdict.code, "identity.manifest_needed")
        XCTAssertEqual(first.verdict.needs, [Need(kind: .manifest, url: manifestUrl)])
        let pending = try XCTUnwrap(first.pending)
        try publisher.supply(url: manifestUrl, body: identity.manifest().toJson(), maxAge: 600, now: now)
        let resumed = try publisher.resume(pending: pending, now: now)
        XCTAssertTrue(resumed.verdict.isAllowed)
        XCTAssertEqual(resumed.verdict.traceId, first.verdict.traceId)
        XCTAssertNil(resumed.pending)
        expect("usage.argument") { try publisher.resume(pending: pending, now: now) }
        expect("usage.argument") { try pending.redeemed(answer: .accepted) }
    }

    func testFailedFetchesDecide() throws {
        let codes: [(FetchFailure, String)] = [
            (.failed, "identity.fetch_failed"), (.notFound, "identity.not_found"), (.redirect, "identity.redirect"),
            (.addressDenied, "identity.address_denied"), (.busy, "identity.fetch_busy"),
            (.invalid, "identity.manifest_invalid"),
        ]
        XCTAssertEqual(codes.count, FetchFailure.allCases.count)
        for (failure, code) in codes {
            let publisher = try Publisher(policy: policy())
            let first = try publisher.verify(method: "GET", url: "/a", headers: signed(agent()), now: now)
            try publisher.supplyFailure(url: manifestUrl, failure: failure, now: now)
            XCTAssertEqual(try publisher.resume(pending: XCTUnwrap(first.pending), now: now).verdict.code, code)
        }
        let publisher = try Publisher(policy: policy())
        XCTAssertThrowsError(try publisher.supply(url: manifestUrl, body: Data("{}".utf8), now: now))
        XCTAssertThrowsError(try publisher.supply(url: "https://never.example/asked", body: Data("{}".utf8), now: now))
    }

    func testAnExplanationSpendsNothing() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let headers = try signed(identity)
        for _ in 0..<2 {
            let told = try publisher.explain(method: "GET", url: "/a", headers: headers, now: now)
            XCTAssertTrue(told.verdict.isAllowed)
            XCTAssertTrue(told.steps.contains { $0.result == .passed && $0.number == 8 })
            XCTAssertTrue(told.steps.allSatisfy { !$0.name.isEmpty })
        }
        XCTAssertTrue(try publisher.judge(headers).isAllowed)
        let late = try publisher.explain(method: "GET", url: "/a", headers: headers, now: now.addingTimeInterval(400))
        let failed = try XCTUnwrap(late.steps.last { $0.result == .failed })
        XCTAssertEqual(failed.number, 4)
        XCTAssertTrue(late.description.contains("time.expired"), late.text)
        XCTAssertNotNil(try ImagxpTests.object(late.json)["steps"])
        XCTAssertFalse(failed.expected.isEmpty || failed.received.isEmpty)
    }

    func testObserveLetsPassAndTells() throws {
        let identity = try agent()
        let publisher = try knowing(identity, members: #""mode": "observe""#)
        let verdict = try publisher.judge(signed(identity, purpose: .crawlTraining))
        XCTAssertTrue(verdict.isAllowed)
        XCTAssertTrue(verdict.wouldDeny)
        XCTAssertEqual(verdict.code, "policy.purpose_denied")
    }

    func testABodyIsBound() throws {
        let identity = try agent()
        let publisher = try knowing(identity, members: #""methods": ["POST"]"#)
        let digest = contentDigest(body: Data("body".utf8))
        func verify(_ bodyDigest: String?) throws -> Verdict {
            let headers = try identity.sign(
                method: "POST", url: "\(origin)/a", purpose: .ragRetrieval, now: now, contentDigest: digest)
            return try publisher.verify(
                method: "POST", url: "/a", headers: headers + [agentHeader], now: now, bodyDigest: bodyDigest
            ).verdict
        }
        XCTAssertTrue(try verify(digest).isAllowed)
        XCTAssertEqual(try verify(nil).code, "claim.digest_mismatch")
        XCTAssertEqual(try verify(contentDigest(body: Data())).code, "claim.digest_mismatch")
    }

    func testARuleOfThePublishersOwn() throws {
        final class Rule: CustomPolicy {
            let seen = Kept<Claim>()
            func allows(claim: Claim, path: String) throws -> Bool {
                seen.add(claim)
                if path == "/broken" { throw OwnError() }
                return path == "/a"
            }
        }
        let identity = try agent()
        let rule = Rule()
        let publisher = try knowing(identity, Publisher(policy: policy(), customPolicy: rule))
        XCTAssertTrue(publisher.mayWait())
        XCTAssertTrue(try publisher.judge(signed(identity)).isAllowed)
        XCTAssertEqual(try publisher.judge(signed(identity, path: "/b"), path: "/b").code, "policy.denied")
        let broken = try publisher.judge(signed(identity, path: "/broken"), path: "/broken")
        XCTAssertEqual(broken.code, "policy.error")
        XCTAssertEqual(broken.outcome, .undecided)
        XCTAssertFalse(String(decoding: broken.toJson(), as: UTF8.self).contains("hunter2"))
        let claim = try XCTUnwrap(rule.seen.all.first)
        XCTAssertEqual(claim.agentId, agentId)
        XCTAssertEqual(claim.purpose, .ragRetrieval)
        XCTAssertEqual(claim.ts, now)
        XCTAssertEqual(claim.method, "GET")
        XCTAssertEqual(claim.resource, "\(origin)/a")
        XCTAssertEqual(claim.nonce.count, 36)
        XCTAssertNil(claim.adsDisplayed)
        XCTAssertNil(claim.contentDigest)
        XCTAssertEqual(claim.extra, Data("{}".utf8))
    }

    func testLimitsAreLoweredToTheProtocolsCap() throws {
        let limits = Limits(payloadHeader: 1 << 40, headerLines: 5)
        XCTAssertEqual(limits.inForce().payloadHeader, 16 * 1024)
        XCTAssertEqual(limits.inForce().headerLines, 5)
        XCTAssertEqual(Limits().inForce().manifest, 16 * 1024)
        let identity = try agent()
        let publisher = try knowing(identity, Publisher(policy: policy(), limits: limits))
        let headers = try signed(identity) + (0..<5).map { Header(name: "a\($0)", value: "") }
        XCTAssertEqual(try publisher.judge(headers).code, "header.too_large")
    }

    func testMisuseIsRefused() throws {
        for length in [0, 15, 17] {
            expect("usage.argument") { try Publisher(policy: policy(), secret: Data(count: length)) }
        }
        expect("usage.argument") {
            try Publisher(policy: policy(), secret: secret, memory: MemoryReplayStore(), replayStore: SwiftStore())
        }
    }
}
