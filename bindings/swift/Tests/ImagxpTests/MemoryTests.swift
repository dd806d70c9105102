import Imagxp
import XCTest

/// What a long-running server or app must not do: grow.
final class MemoryTests: XCTestCase {
    #if os(Linux)
        func testAHundredThousandVerifiesLeaveNothingBehind() throws {
            let identity = try agent()
            let publisher = try knowing(identity)
            let refused = try signed(identity, purpose: .crawlTraining)
            XCTAssertEqual(try publisher.judge(refused).code, "policy.purpose_denied")
            let replayed = try signed(identity)
            XCTAssertTrue(try publisher.judge(replayed).isAllowed)
            func verify(_ count: Int) throws {
                for _ in 0..<count {
                    XCTAssertEqual(try publisher.judge(replayed).code, "replay.nonce_seen")
                }
            }
            // Allocators settle first.
            try verify(20_000)
            let before = try residentBytes()
            try verify(100_000)
            let grown = try residentBytes() - before
            XCTAssertLessThanOrEqual(grown, 1 << 20, "100 000 verifies grew by \(grown) bytes")
        }

        func testCallbacksSignersAndErrorsLeaveNothingBehind() throws {
            let key = try PrivateKey.generate()
            func round() throws {
                let identity = try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: .raw) { _ in
                    throw OwnError()
                }
                expect("usage.signer") { try signed(identity) }
                let store = SwiftStore(fault: .seen)
                let publisher = try Publisher(policy: policy(), replayStore: store)
                XCTAssertNotNil(try publisher.judge([]).code)
                expect("key.malformed") { try PublicKey.fromSpki(der: Data(count: 64)) }
            }
            for _ in 0..<2_000 { try round() }
            let before = try residentBytes()
            for _ in 0..<5_000 { try round() }
            let grown = try residentBytes() - before
            XCTAssertLessThanOrEqual(grown, 1 << 20, "5 000 rounds grew by \(grown) bytes")
        }

        private func residentBytes() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/statm", encoding: .ascii)
            let pages = try XCTUnwrap(Int(status.split(separator: " ")[1]))
            return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        }
    #endif
}
