import Imagxp
import XCTest

final class AgentTests: XCTestCase {
    private let terms = """
        {"error": {"code": "payment.required"}, "offer": {"price": "0.01", "currency": "USD", "purposes": ["RAG_RETRIEVAL"],
         "brokers": [{"issuer": "https://broker.example", "token_endpoint": "https://broker.example/oauth/token"}]}}
        """

    func testAVisitAsksRobotsSignsAndEnds() throws {
        let identity = try agent()
        let bot = try Agent(identity: identity, purpose: .ragRetrieval, product: "Bot", receipts: .ignore)
        let visit = try bot.visit(method: "GET", url: "\(origin)/a")
        var action = try visit.start(now: now)
        XCTAssertEqual(action.kind, .fetchRobots)
        XCTAssertEqual(action.url, "\(origin)/robots.txt")
        XCTAssertEqual(action.request?.url?.absoluteString, action.url)
        XCTAssertEqual(action.request?.value(forHTTPHeaderField: "Accept-Encoding"), "identity")
        action = try visit.answered(status: 200, headers: [], body: Data("User-agent: *\nAllow: /\n".utf8), now: now)
        while action.kind == .fetchPolicy {
            action = try visit.answered(status: 404, headers: [], body: Data(), now: now)
        }
        XCTAssertEqual(action.kind, .send)
        let request = try XCTUnwrap(action.request)
        XCTAssertEqual(request.httpMethod, "GET")
        XCTAssertEqual(request.cachePolicy, .reloadIgnoringLocalCacheData)
        XCTAssertTrue(try knowing(identity).verify(request, now: now).verdict.isAllowed)
        action = try visit.answered(status: 200, headers: [], body: Data("content".utf8), now: now)
        XCTAssertEqual(action.kind, .done)
        XCTAssertNil(action.request)
        XCTAssertNil(action.error)
        XCTAssertEqual(try object(XCTUnwrap(action.report))["status"] as? Int, 200)
    }

    func testAVisitIsRefusedByRobotsAndFails() throws {
        let bot = try Agent(identity: agent(), purpose: .ragRetrieval, product: "Bot")
        var visit = try bot.visit(method: "GET", url: "\(origin)/a")
        _ = try visit.start(now: now)
        let denied = try visit.answered(status: 200, headers: [], body: Data("User-agent: *\nDisallow: /\n".utf8), now: now)
        XCTAssertEqual(denied.kind, .refused)
        XCTAssertEqual(denied.error?.code, "robots.denied")
        XCTAssertNotNil(denied.report)

        let direct = try Agent(identity: agent(), purpose: .summary, product: "Bot", discover: false)
        visit = try direct.visit(method: "GET", url: "\(origin)/a", contentDigest: nil)
        XCTAssertEqual(try visit.start(now: now).kind, .send)
        let failed = try visit.failed(detail: "no route", sent: false, now: now)
        XCTAssertEqual(failed.error?.code, "io.failed")
    }

    func testAVisitBuysAVisaWithinItsCaps() throws {
        let identity = try agent()
        let wallet = try Wallet(caps: [Caps(currency: "USD", perRequest: "0.05", perDay: "1")])
        let bot = try Agent(
            identity: identity, purpose: .ragRetrieval, product: "Bot", wallet: wallet,
            brokers: [Broker(issuer: broker)], userAgent: "Bot/2", discover: false, redirects: .return, receipts: .ignore)
        let visit = try bot.visit(method: "GET", url: "\(origin)/a")
        XCTAssertEqual(try visit.start(now: now).headers.values("user-agent"), ["Bot/2 IMAGXP/1.0"])
        let ask = try visit.answered(status: 402, headers: [], body: Data(terms.utf8), now: now)
        XCTAssertEqual(ask.kind, .requestToken)
        let request = try XCTUnwrap(ask.request)
        XCTAssertEqual(request.httpMethod, "POST")
        XCTAssertEqual(request.httpBody, ask.body)
        XCTAssertEqual(request.url?.absoluteString, "\(broker)/oauth/token")

        let form = Dictionary(
            try XCTUnwrap(URLComponents(string: "?" + String(decoding: ask.body, as: UTF8.self))?.queryItems)
                .map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
        let assertion = try XCTUnwrap(form["client_assertion"])
        XCTAssertEqual(try assertionAgent(assertion: assertion), agentId)
        let asked = try verifyAssertion(
            assertion: assertion, manifest: identity.manifest(), tokenEndpoint: "\(broker)/oauth/token", now: now)
        let key = try XCTUnwrap(ask.headers.values("idempotency-key").first)
        XCTAssertEqual(try wallet.openPayments().map(\.id), [key])
        let token = try issueVisa(
            key: PrivateKey.generate(), issuer: broker, audience: XCTUnwrap(form["resource"]), agentId: agentId, jti: key,
            amount: "0.01", currency: "USD", jkt: asked.keyId, purposes: [.ragRetrieval], now: now)
        let answer = Data(#"{"access_token": "\#(token)", "token_type": "Bearer", "expires_in": 600}"#.utf8)
        let paid = try visit.answered(
            status: 200, headers: [Header(name: "content-type", value: "application/json")], body: answer, now: now)
        XCTAssertEqual(paid.kind, .send, "\(String(describing: paid.error))")
        XCTAssertEqual(paid.headers.values("x-imagxp-payment"), [token])
        XCTAssertEqual(try visit.answered(status: 200, headers: [], body: Data(), now: now).kind, .done)
        XCTAssertEqual(try wallet.spent(currency: "USD"), "0.01")
        XCTAssertEqual(try wallet.spentToday(currency: "USD", now: now), "0.01")
        XCTAssertEqual(try wallet.visas(), 1)
        XCTAssertEqual(try wallet.openPayments(), [])
    }

    func testMisuseIsRefused() throws {
        let identity = try agent()
        expect("usage.argument") { try Agent(identity: identity, purpose: .summary, product: "no spaces") }
        expect("usage.argument") {
            try Agent(identity: identity, purpose: .summary, product: "Bot", brokers: [Broker(issuer: "ftp://x")])
        }
        let pinned = Broker(issuer: broker, tokenEndpoint: "nonsense")
        expect("usage.argument") { try Agent(identity: identity, purpose: .summary, product: "Bot", brokers: [pinned]) }
        let bot = try Agent(identity: identity, purpose: .summary, product: "Bot")
        expect("usage.argument") { try bot.visit(method: "GET", url: "nonsense") }
    }
}

final class AssertionTests: XCTestCase {
    func testAnAssertionIsForOneEndpointAndAMinute() throws {
        let identity = try agent()
        let (endpoint, manifest) = try ("\(broker)/oauth/token", identity.manifest())
        let assertion = try signAssertion(identity: identity, tokenEndpoint: endpoint, jti: "0123456789abcdef", now: now)
        let found = try verifyAssertion(assertion: assertion, manifest: manifest, tokenEndpoint: endpoint, now: now)
        XCTAssertEqual(found.agentId, agentId)
        XCTAssertEqual(found.keyId, identity.keyId())
        XCTAssertEqual(found.jti, "0123456789abcdef")
        XCTAssertEqual(found.exp, now.addingTimeInterval(60))
        XCTAssertThrowsError(
            try verifyAssertion(assertion: assertion, manifest: manifest, tokenEndpoint: "\(broker)/other", now: now))
        XCTAssertThrowsError(
            try verifyAssertion(
                assertion: assertion, manifest: manifest, tokenEndpoint: endpoint, now: now.addingTimeInterval(3600)))
        XCTAssertThrowsError(
            try verifyAssertion(assertion: assertion, manifest: agent().manifest(), tokenEndpoint: endpoint, now: now))
        XCTAssertThrowsError(try assertionAgent(assertion: "nonsense"))
        XCTAssertNotEqual(
            try signAssertion(identity: identity, tokenEndpoint: endpoint, now: now),
            try signAssertion(identity: identity, tokenEndpoint: endpoint, now: now))
    }
}

final class WalletTests: XCTestCase {
    private func reserve(_ wallet: Wallet, _ id: String, amount: String = "0.4") throws -> String? {
        try wallet.reserve(
            id: id, agentId: agentId, issuer: broker, audience: origin, purpose: .summary, amount: amount, currency: "USD",
            now: now)
    }

    func testCapsHoldAndUnknownEndsAreAskedAbout() throws {
        let wallet = try Wallet(caps: [Caps(currency: "USD", perRequest: "0.5", perHost: "0.9", perDay: "5", total: "10")])
        XCTAssertNil(try reserve(wallet, "payment-00000001"))
        let open = try XCTUnwrap(wallet.openPayments().first)
        XCTAssertEqual(
            open,
            OpenPayment(
                id: "payment-00000001", issuer: broker, audience: origin, amount: "0.4", currency: "USD", phase: .reserved))
        try wallet.settle(id: "payment-00000001", end: .spent)
        expect("spend.limit") { try reserve(wallet, "payment-00000002", amount: "0.6") }
        XCTAssertNil(try reserve(wallet, "payment-00000003"))
        try wallet.settle(id: "payment-00000003", end: .unknown)
        XCTAssertEqual(try wallet.spent(currency: "USD"), "0.8")
        XCTAssertEqual(try wallet.spent(currency: "EUR"), "0")
        expect("usage.argument") { try reserve(wallet, "payment-00000004", amount: "-1") }
        expect("usage.argument") { try reserve(wallet, "short") }
        expect("usage.argument") { try Wallet(caps: [Caps(currency: "USD", perRequest: "nonsense")]) }
        XCTAssertEqual(try Wallet().visas(), 0)
    }

    func testBooksInAFileSurvive() throws {
        let path = try temporaryFolder(self) + "/books.json"
        let caps = [Caps(currency: "USD", perRequest: "1", total: "1")]
        var wallet: Wallet? = try Wallet(caps: caps, path: path)
        XCTAssertNil(try reserve(XCTUnwrap(wallet), "payment-00000001"))
        try wallet?.settle(id: "payment-00000001", end: .spent)
        expect("io.failed") { try Wallet(caps: caps, path: path) }
        wallet = nil
        let again = try Wallet(caps: caps, path: path)
        XCTAssertEqual(try again.spent(currency: "USD"), "0.4")
        expect("spend.limit") { try reserve(again, "payment-00000002", amount: "0.7") }
        XCTAssertNil(try reserve(again, "payment-00000003", amount: "0.1"))
        try again.settle(id: "payment-00000003", end: .released)
        XCTAssertEqual(try again.spent(currency: "USD"), "0.4")
    }
}
