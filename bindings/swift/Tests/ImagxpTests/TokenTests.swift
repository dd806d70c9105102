import Imagxp
import XCTest

let broker = "https://broker.example"

func jwks(_ key: PrivateKey) throws -> Data {
    var jwk = try object(key.publicKey().toJwk())
    jwk["kid"] = key.publicKey().thumbprint()
    return try JSONSerialization.data(withJSONObject: ["keys": [jwk]])
}

func visa(_ key: PrivateKey, _ agent: Identity, jti: String = "visa-0001", purposes: [Purpose] = []) throws -> String {
    try issueVisa(
        key: key, issuer: broker, audience: origin, agentId: agent.agentId(), jti: jti, amount: "0.05", currency: "EUR",
        jkt: agent.keyId(), purposes: purposes, now: now)
}

func priced(check: String = "offline") -> String {
    """
    "price": {"amount": "0.05", "currency": "EUR"}, "payment": {"required": true, "brokers": [
        {"issuer": "\(broker)", "jwks_uri": "\(broker)/jwks", "check": "\(check)"}]}
    """
}

final class TokenTests: XCTestCase {
    func testAVisaPaysOnceForItsHolder() throws {
        let (identity, thief, key) = try (agent(), agent(), PrivateKey.generate())
        let publisher = try knowing(identity, members: priced())
        let unpaid = try publisher.judge(signed(identity))
        XCTAssertEqual(unpaid.code, "payment.required")
        XCTAssertEqual(unpaid.http, 402)
        XCTAssertEqual(unpaid.payment.state, .unpaid)
        XCTAssertEqual(try object(XCTUnwrap(unpaid.offer))["currency"] as? String, "EUR")
        let offer = try readOffer(body: unpaid.body())
        XCTAssertEqual(offer.price, "0.05")
        XCTAssertEqual(offer.currency, "EUR")
        XCTAssertEqual(offer.brokers.map(\.issuer), [broker])
        XCTAssertFalse(offer.brokers[0].tokenEndpoint.isEmpty)
        XCTAssertTrue(offer.purposes.contains(.ragRetrieval))

        let token = try visa(key, identity)
        let first = try publisher.verify(method: "GET", url: "/a", headers: signed(identity, payment: token), now: now)
        XCTAssertEqual(first.verdict.needs, [Need(kind: .jwks, url: "\(broker)/jwks")])
        try publisher.supply(url: "\(broker)/jwks", body: jwks(key), now: now)
        let paid = try publisher.resume(pending: XCTUnwrap(first.pending), now: now).verdict
        XCTAssertTrue(paid.isAllowed)
        XCTAssertEqual(
            paid.payment, Payment(state: .visa, jti: "visa-0001", issuer: broker, amount: "0.05", currency: "EUR"))
        XCTAssertEqual(try publisher.judge(signed(identity, payment: token)).code, "payment.already_used")
        _ = try knowing(thief, publisher)
        XCTAssertNotNil(try publisher.judge(signed(thief, payment: token)).code)
    }

    func testVisasAreRedeemedWhereThePolicySaysSo() throws {
        let answers: [(Redemption, String?)] = [
            (.accepted, nil), (.refused, "payment.invalid_token"), (.unavailable, "payment.redeem_unavailable"),
        ]
        XCTAssertEqual(answers.count, Redemption.allCases.count)
        for (answer, code) in answers {
            let (identity, key) = try (agent(), PrivateKey.generate())
            let publisher = try knowing(identity, members: priced(check: "redeem"))
            try publisher.supply(url: "\(broker)/jwks", body: jwks(key), now: now)
            let waiting = try publisher.verify(
                method: "GET", url: "/a", headers: signed(identity, payment: visa(key, identity)), now: now)
            XCTAssertEqual(waiting.verdict.needs.map(\.kind), [.redeem])
            let pending = try XCTUnwrap(waiting.pending)
            try pending.redeemed(answer: answer)
            XCTAssertEqual(try publisher.resume(pending: pending, now: now).verdict.code, code)
        }
    }

    func testTokensAreVerified() throws {
        let (identity, key) = try (agent(), PrivateKey.generate())
        let keys = try JwkSet.parse(document: jwks(key))
        XCTAssertEqual(keys.kids(), [key.publicKey().thumbprint()])
        XCTAssertEqual(keys.skipped(), 0)
        let token = try visa(key, identity, purposes: [.summary])
        let claims = try object(
            XCTUnwrap(verifyToken(token: token, jwks: keys, now: now, issuer: broker, typ: "imagxp-visa+jwt")))
        XCTAssertEqual(claims["sub"] as? String, agentId)
        XCTAssertEqual(claims["purposes"] as? [String], ["SUMMARY"])
        expect("payment.expired") { try verifyToken(token: token, jwks: keys, now: now.addingTimeInterval(700)) }
        expect("payment.wrong_audience") {
            try verifyToken(token: token, jwks: keys, now: now, audience: "https://other.example")
        }
        expect("payment.invalid_token") { try verifyToken(token: token, jwks: keys, now: now, issuer: "https://a.example") }
        let others = try JwkSet.parse(document: jwks(PrivateKey.generate()))
        expect("payment.invalid_token") { try verifyToken(token: token, jwks: others, now: now) }
        expect("payment.malformed") { try verifyToken(token: "a.b", jwks: keys, now: now) }
    }

    func testWhatIsNoKeySetAndNoVisa() throws {
        expect("key.malformed") { try JwkSet.parse(#"{"keys": 1}"#) }
        let secret = String(decoding: try jwks(PrivateKey.generate()), as: UTF8.self)
            .replacingOccurrences(of: #""kty""#, with: #""d":"AAAA","kty""#)
        expect("key.malformed") { try JwkSet.parse(secret) }
        XCTAssertEqual(try JwkSet.parse(#"{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}"#).skipped(), 1)
        let key = try PrivateKey.generate()
        func issue(amount: String = "1", agent: String = agentId, jkt: String? = nil, maxUses: UInt32 = 1) throws -> String {
            try issueVisa(
                key: key, issuer: broker, audience: origin, agentId: agent, jti: "visa-0001", amount: amount,
                currency: "EUR", jkt: jkt, maxUses: maxUses, now: now)
        }
        XCTAssertFalse(try issue().isEmpty)
        expect("usage.argument") { try issue(amount: "1e3") }
        expect("usage.argument") { try issue(agent: "localhost") }
        expect("usage.argument") { try issue(jkt: "short") }
        expect("usage.argument") { try issue(maxUses: 0) }
    }

    func testWhatIsNoOffer() {
        for body in ["", "{}", #"{"offer":{"price":"0","currency":"EUR","purposes":[],"brokers":[]}}"#] {
            expect("offer.malformed") { try readOffer(body: Data(body.utf8)) }
        }
    }
}
