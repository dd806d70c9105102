import Imagxp
import XCTest

final class ErrorTests: XCTestCase {
    func testAPanicIsAnErrorAndTheProcessGoesOn() throws {
        for _ in 0..<3 { expect("internal.panic") { try panicOnPurpose() } }
        XCTAssertTrue(try knowing(agent()).policy().origins() == [origin])
    }

    func testAnErrorTellsItsCodeAndOneSentence() throws {
        do {
            _ = try Identity.generate(agentId: "127.0.0.1")
            XCTFail("an address is no agent")
        } catch let error as ImagxpError {
            XCTAssertEqual(error.code, "usage.argument")
            XCTAssertEqual(error.message, "`127.0.0.1` is not a public domain name")
            XCTAssertEqual(error.description, "usage.argument: `127.0.0.1` is not a public domain name")
            XCTAssertEqual(error.localizedDescription, error.message)
            XCTAssertTrue(error.has("usage.argument"))
            XCTAssertFalse(error.has("usage"))
            XCTAssertEqual(error, .Failure(code: error.code, message: error.message))
        }
    }

    func testTheTableOfCodes() throws {
        let table = codes()
        XCTAssertGreaterThan(table.count, 50)
        XCTAssertEqual(Set(table.map(\.number)).count, table.count)
        let seen = try XCTUnwrap(table.first { $0.name == "replay.nonce_seen" })
        XCTAssertEqual(seen.http, 409)
        XCTAssertEqual(seen.retry, "new_nonce")
        XCTAssertFalse(seen.message.isEmpty || seen.hint.isEmpty)
    }

    func testTheVersionIsTheWorkspaces() throws {
        let manifest = try String(contentsOf: repository.appendingPathComponent("Cargo.toml"), encoding: .utf8)
        XCTAssertTrue(manifest.contains("\nversion = \"\(version())\"\n"))
    }
}
