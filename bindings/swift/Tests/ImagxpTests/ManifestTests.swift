import Imagxp
import XCTest

final class ManifestTests: XCTestCase {
    func testWhatIsNoManifest() throws {
        let good = String(decoding: try agent().manifest().toJson(), as: UTF8.self)
        XCTAssertEqual(try Manifest.parse(good, agentId: agentId).agentId(), agentId)
        for text in ["", "[]", "{}", String(good.dropLast()), good.replacingOccurrences(of: agentId, with: "a.example")] {
            XCTAssertThrowsError(try Manifest.parse(text, agentId: agentId), text)
        }
        XCTAssertThrowsError(try Manifest.parse(body: Data([0xFF, 0xFE]), agentId: agentId))
        XCTAssertThrowsError(try Manifest.parse(body: Data(repeating: 0x20, count: 1 << 17), agentId: agentId))
        expect("usage.argument") { try Manifest.parse(good, agentId: "localhost") }
    }

    func testKeysHaveDates() throws {
        let key = ManifestKey(
            key: try PrivateKey.generate().publicKey(), notBefore: now, notAfter: now.addingTimeInterval(60))
        XCTAssertTrue(key.existsAt(now: now))
        XCTAssertTrue(key.existsAt(now: now.addingTimeInterval(60)))
        XCTAssertFalse(key.existsAt(now: now.addingTimeInterval(-0.001)))
        XCTAssertFalse(key.existsAt(now: now.addingTimeInterval(60.001)))
        XCTAssertTrue(ManifestKey(key: key.key).existsAt())
    }

    func testItAnswersAServersRequests() throws {
        let manifest = try agent().manifest()
        let path = "/.well-known/imagxp-agent.json"
        let answer = try manifest.response(method: "GET", path: path)
        XCTAssertEqual(answer.status, 200)
        XCTAssertEqual(answer.body, manifest.toJson())
        let tag = try XCTUnwrap(answer.headers.values("etag").first)
        XCTAssertEqual(try manifest.response(method: "GET", path: path, ifNoneMatch: tag).status, 304)
        XCTAssertEqual(try manifest.response(method: "HEAD", path: path).body, Data())
        XCTAssertEqual(try manifest.response(method: "POST", path: path).status, 405)
        XCTAssertEqual(try manifest.response(method: "GET", path: "/other").status, 404)
    }
}
