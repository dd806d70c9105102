import Imagxp
import XCTest

final class KeyTests: XCTestCase {
    func testEveryFormOfBothKindsReadsBack() throws {
        for algorithm in Algorithm.allCases {
            let key = try PrivateKey.generate(algorithm: algorithm)
            XCTAssertEqual(key.algorithm(), algorithm)
            XCTAssertEqual(try PrivateKey.fromPem(pem: key.toPem()).publicKey(), key.publicKey())
            XCTAssertEqual(try PrivateKey.fromPkcs8(der: key.toPkcs8()).publicKey(), key.publicKey())
            let known = key.publicKey()
            XCTAssertEqual(known.algorithm(), algorithm)
            let copies = try [
                PublicKey.fromPem(pem: known.toPem()), PublicKey.fromSpki(der: known.toSpki()),
                PublicKey.fromSpkiBase64(text: known.toSpkiBase64()), PublicKey.fromJwk(jwk: known.toJwk()),
            ]
            XCTAssertEqual(Set(copies + [known]).count, 1)
            XCTAssertEqual(known.thumbprint().count, 43)
            XCTAssertEqual(Data(base64Encoded: known.toSpkiBase64()), known.toSpki())
            let signature = try key.sign(message: Data("message".utf8))
            XCTAssertEqual(signature.count, 64)
            XCTAssertTrue(try known.verify(message: Data("message".utf8), signature: signature))
            XCTAssertFalse(try known.verify(message: Data("another".utf8), signature: signature))
            XCTAssertFalse(try known.verify(message: Data("message".utf8), signature: signature.dropLast()))
            XCTAssertFalse(try known.verify(message: Data(), signature: Data()))
            XCTAssertEqual(signature, try key.sign(message: Data("message".utf8)), "deterministic")
        }
        XCTAssertEqual("\(Algorithm.es256) \(Algorithm.edDsa)", "ES256 EdDSA")
        XCTAssertEqual(try PrivateKey.generate().algorithm(), .es256)
    }

    func testAKeyOfAppleKeychainsForm() throws {
        let key = try PrivateKey.generate().publicKey()
        let point = key.toSpki().suffix(65)
        XCTAssertEqual(try PublicKey.fromX963(point: point), key)
        XCTAssertEqual(try PublicKey.fromX963(point: Data(point)), key)
        for broken in [Data(), point.dropLast(), point + [0], Data(count: 65), Data([5]) + point.dropFirst()] {
            expect("key.malformed") { try PublicKey.fromX963(point: broken) }
        }
    }

    func testAPrivateJwk() throws {
        let text =
            #"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        let key = try PrivateKey.fromJwk(jwk: Data(text.utf8))
        XCTAssertEqual(key.publicKey().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        expect("key.malformed") { try PublicKey.fromJwk(jwk: Data(text.utf8)) }
    }

    func testWhatIsNoKey() {
        for text in ["", "none", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "é\u{0}"] {
            expect("key.malformed") { try PublicKey.fromPem(pem: text) }
            expect("key.malformed") { try PrivateKey.fromPem(pem: text) }
            expect("key.malformed") { try PublicKey.fromSpkiBase64(text: text) }
            expect("key.malformed") { try PublicKey.fromSpki(der: Data(text.utf8)) }
            expect("key.malformed") { try PrivateKey.fromPkcs8(der: Data(text.utf8)) }
        }
        expect("json.malformed") { try PublicKey.fromJwk(jwk: Data("{".utf8)) }
        expect("json.duplicate_key") { try PrivateKey.fromJwk(jwk: Data(#"{"kty":"EC","kty":"EC"}"#.utf8)) }
    }

    func testDescriptionsShowNoSecret() throws {
        let key = try PrivateKey.generate()
        XCTAssertEqual(key.debugDescription, "PrivateKey(ES256 \(key.publicKey().thumbprint()), redacted)")
        XCTAssertTrue(String(reflecting: key.publicKey()).contains(key.publicKey().thumbprint()))
        let identity = try Identity(agentId: agentId, key: key)
        XCTAssertEqual(identity.debugDescription, "Identity(bot.example.com \(key.publicKey().thumbprint()))")
    }

    func testKeyFiles() throws {
        let path = try temporaryFolder(self) + "/key"
        let key = try PrivateKey.generate()
        let passphrase = Data("correct horse battery staple".utf8)
        try key.save(path: path, passphrase: passphrase)
        XCTAssertEqual(try PrivateKey.load(path: path, passphrase: passphrase).publicKey(), key.publicKey())
        expect("key_file.locked") { try PrivateKey.load(path: path, passphrase: Data("wrong wrong wrong".utf8)) }
        expect("io.failed") { try key.save(path: path) }
        try key.save(path: path, overwrite: true)
        XCTAssertEqual(try PrivateKey.load(path: path).publicKey(), key.publicKey())
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        expect("io.failed") { try PrivateKey.load(path: path) }
        XCTAssertEqual(try PrivateKey.load(path: path, allowReadable: true).publicKey(), key.publicKey())
        expect("io.failed") { try PrivateKey.load(path: path + ".missing") }
    }
}
