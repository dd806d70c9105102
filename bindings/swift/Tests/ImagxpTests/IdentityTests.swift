import Imagxp
import XCTest

final class IdentityTests: XCTestCase {
    func testSignsWhatAPublisherAllows() throws {
        for algorithm in Algorithm.allCases {
            let identity = try agent(algorithm)
            XCTAssertEqual(identity.agentId(), agentId)
            XCTAssertEqual(identity.keyId(), identity.publicKey().thumbprint())
            XCTAssertFalse(identity.isExternal())
            XCTAssertTrue(try knowing(identity).judge(signed(identity)).isAllowed)
        }
    }

    func testEveryOptionReachesTheClaim() throws {
        let body = Data("body".utf8)
        let headers = try agent().sign(
            method: "POST", url: "\(origin)/a", purpose: .summary, now: now, nonce: "0123456789abcdef", adsDisplayed: true,
            context: #"{"b":1,"a":"é"}"#, contentDigest: contentDigest(body: body), payment: "a.b.c", proof: "d.e.f",
            compatible: true)
        let payload = try XCTUnwrap(headers.values("X-IMAGXP-Payload").first.flatMap { Data(base64Encoded: $0) })
        let claim = try object(payload)
        XCTAssertEqual(claim["method"] as? String, "POST")
        XCTAssertEqual(claim["nonce"] as? String, "0123456789abcdef")
        XCTAssertEqual(claim["purpose"] as? String, "SUMMARY")
        XCTAssertEqual(claim["ts"] as? String, "2026-03-01T12:00:00.000Z")
        XCTAssertEqual(claim["content_digest"] as? String, contentDigest(body: body))
        let context = try XCTUnwrap(claim["context"] as? [String: Any])
        XCTAssertEqual(context["a"] as? String, "é")
        XCTAssertEqual(context["ads_displayed"] as? Bool, true)
        XCTAssertEqual(headers.values("x-imagxp-payment"), ["a.b.c"])
        XCTAssertEqual(headers.values("x-imagxp-credential"), ["a.b.c"])
        XCTAssertEqual(headers.values("x-imagxp-proof"), ["d.e.f"])
    }

    func testMisuseIsRefused() throws {
        let identity = try agent()
        func sign(url: String = "\(origin)/a", nonce: String? = nil, context: String? = nil) throws -> [Header] {
            try identity.sign(method: "GET", url: url, purpose: .summary, now: now, nonce: nonce, context: context)
        }
        expect("usage.argument") { try sign(url: "/relative") }
        expect("usage.argument") { try sign(nonce: "short") }
        XCTAssertThrowsError(try sign(context: "[1]"))
        XCTAssertThrowsError(try sign(context: #"{"a":1,"a":2}"#))
        for name in ["", "Bot.example.com", "bot", "bot.example.com.", "127.0.0.1", "bot.example.com:8080", "bot.exämple.com"] {
            expect("usage.argument") { try Identity.generate(agentId: name) }
            XCTAssertFalse(isAgentId(name: name), name)
        }
        XCTAssertTrue(isAgentId(name: agentId))
        XCTAssertFalse(isAgentId(name: "localhost:8080"))
        XCTAssertTrue(isAgentId(name: "localhost:8080", allowLoopback: true))
        XCTAssertEqual(try Imagxp.manifestUrl(agentId: agentId), ImagxpTests.manifestUrl)
        expect("usage.argument") { try Imagxp.manifestUrl(agentId: "localhost") }
        XCTAssertEqual(try Identity.generate(agentId: "localhost:8080", allowLoopback: true).agentId(), "localhost:8080")
    }

    func testTheManifestIsReadBack() throws {
        let identity = try agent()
        let next = try PrivateKey.generate(algorithm: .edDsa).publicKey()
        let manifest = try identity.manifest(
            contact: "security@example.com", others: [ManifestKey(key: next, notBefore: now, notAfter: nil)])
        let read = try Manifest.parse(body: manifest.toJson(), agentId: agentId)
        XCTAssertEqual(read.agentId(), agentId)
        XCTAssertEqual(read.contact(), "security@example.com")
        XCTAssertEqual(read.keys().map(\.key), [identity.publicKey(), next])
        XCTAssertEqual(read.keysAt(now: now).count, 2)
        XCTAssertEqual(read.keysAt(now: now.addingTimeInterval(-1)), [identity.publicKey()])
    }

    // MARK: - Keys that live elsewhere

    func testAnExternalSignerGetsTheMessageAndMayAnswerInBothEncodings() throws {
        let key = try PrivateKey.generate()
        let messages = Kept<Data>()
        let raw = try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: .raw) { message in
            messages.add(message)
            return try key.sign(message: message)
        }
        XCTAssertTrue(raw.isExternal())
        let headers = try signed(raw)
        XCTAssertTrue(try knowing(raw).judge(headers).isAllowed)
        XCTAssertEqual(messages.all, [Data(base64Encoded: headers.values("x-imagxp-payload")[0])])

        let der = try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: .der) {
            Self.der(try key.sign(message: $0))
        }
        XCTAssertTrue(try knowing(der).judge(signed(der)).isAllowed)

        let edDsa = try PrivateKey.generate(algorithm: .edDsa)
        let other = try Identity.external(agentId: agentId, publicKey: edDsa.publicKey(), encoding: .raw) {
            try edDsa.sign(message: $0)
        }
        XCTAssertTrue(try knowing(other).judge(signed(other)).isAllowed)
    }

    func testASignerThatThrowsOrAnswersNonsenseIsAnError() throws {
        let key = try PrivateKey.generate()
        let another = try PrivateKey.generate()
        func identity(
            _ encoding: SignatureEncoding = .raw, _ sign: @escaping @Sendable (Data) throws -> Data
        ) throws -> Identity {
            try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: encoding, sign: sign)
        }
        let junk: [@Sendable (Data) throws -> Data] = [
            { _ in Data() }, { _ in Data(count: 64) }, { _ in Data(count: 63) }, { _ in Data(count: 1 << 20) },
            { _ in Data(repeating: 0xFF, count: 64) }, { try another.sign(message: $0) },
            { try key.sign(message: $0 + [0]) }, { _ in throw OwnError() },
            { _ in throw CancellationError() },
        ]
        for answer in junk {
            expect("usage.signer") { try signed(identity(.raw, answer)) }
            expect("usage.signer") { try signed(identity(.der, answer)) }
        }
        expect("usage.signer") { try signed(identity(.der) { try key.sign(message: $0) }) }
        XCTAssertThrowsError(try signed(identity { _ in throw OwnError() })) {
            XCTAssertEqual("\($0)", "usage.signer: the signer failed", "what was thrown is not repeated")
        }
        let locked = ImagxpError.Failure(code: "usage.signer", message: "the phone is locked")
        XCTAssertThrowsError(try signed(identity { _ in throw locked })) {
            XCTAssertEqual("\($0)", "usage.signer: the signer failed: the phone is locked")
        }
    }

    func testASignerOfTheProtocolsOwnKind() throws {
        final class Enclave: ExternalSigner {
            let key: PrivateKey
            init(key: PrivateKey) { self.key = key }
            func sign(message: Data) throws -> Data { IdentityTests.der(try key.sign(message: message)) }
        }
        let key = try PrivateKey.generate()
        let identity = try Identity.external(
            agentId: agentId, publicKey: key.publicKey(), signer: Enclave(key: key), encoding: .der)
        XCTAssertTrue(try knowing(identity).judge(signed(identity)).isAllowed)
    }

    func testASignerLivesAsLongAsItsIdentity() throws {
        final class Counted: ExternalSigner {
            let gone: Kept<Int>
            init(gone: Kept<Int>) { self.gone = gone }
            deinit { gone.add(1) }
            func sign(message: Data) throws -> Data { throw OwnError() }
        }
        let gone = Kept<Int>()
        var identity: Identity? = try Identity.external(
            agentId: agentId, publicKey: PrivateKey.generate().publicKey(), signer: Counted(gone: gone), encoding: .raw)
        expect("usage.signer") { try signed(XCTUnwrap(identity)) }
        XCTAssertEqual(gone.all, [])
        identity = nil
        XCTAssertEqual(gone.all, [1])
    }

    /// The ASN.1 form of 64 bytes of r and s.
    static func der(_ raw: Data) -> Data {
        func integer(_ bytes: Data) -> Data {
            var digits = Data(bytes.drop { $0 == 0 })
            if digits.first ?? 0x80 >= 0x80 { digits = [0] + digits }
            return [2, UInt8(digits.count)] + digits
        }
        let content = integer(raw.prefix(32)) + integer(raw.suffix(32))
        return [0x30, UInt8(content.count)] + content
    }
}
