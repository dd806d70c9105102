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
            try verify(20_000)
            try expectFlat { try verify(100_000) }
        }

        func testCallbacksSignersAndErrorsLeaveNothingBehind() throws {
            let key = try PrivateKey.generate()
            func round() throws {
                let identity = try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: .raw) { _ in
                    throw OwnError()
                }
                expect("usage.signer") { try signed(identity) }
                let store = SwiftStore(fault: .seen)
                let publisher = try Publisher(policy: policy(), secret: secret, replayStore: store)
                XCTAssertNotNil(try publisher.judge([]).code)
                expect("key.malformed") { try PublicKey.fromSpki(der: Data(count: 64)) }
            }
            // The last publisher takes the generator's table (512 KiB) with it, and the next makes it anew.
            for _ in 0..<10 { try round() }
            try expectFlat { for _ in 0..<50 { try round() } }
            // One that stays spares the others that.
            try withExtendedLifetime(Publisher(policy: policy())) {
                for _ in 0..<2_000 { try round() }
                try expectFlat { for _ in 0..<5_000 { try round() } }
            }
        }

        func testALeakWouldBeSeen() throws {
            let publisher = try knowing(agent())
            let before = try residentBytes()
            let kept = try (0..<20_000).map { _ in try publisher.judge([]) }
            XCTAssertGreaterThan(try residentBytes() - before, 1 << 20)
            XCTAssertEqual(kept.count, 20_000)
        }

        /// Memory may grow by 1 MiB while an allocator settles; what leaks grows every time.
        private func expectFlat(_ act: () throws -> Void) throws {
            var grown = Int.max
            for _ in 0..<3 where grown > 1 << 20 {
                let before = try residentBytes()
                try act()
                grown = try residentBytes() - before
            }
            XCTAssertLessThanOrEqual(grown, 1 << 20, "grew by \(grown) bytes, three times in a row")
        }

        private func residentBytes() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/statm", encoding: .ascii)
            let pages = try XCTUnwrap(Int(status.split(separator: " ")[1]))
            return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        }
    #endif
}
