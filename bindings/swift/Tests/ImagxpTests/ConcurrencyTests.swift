import Imagxp
import XCTest

/// Objects are shared between tasks: the compiler checks that they may be (Swift 6), these tests that it is true.
final class ConcurrencyTests: XCTestCase {
    func testManyTasksOnOnePublisher() async throws {
        let identity = try agent()
        for publisher in [
            try knowing(identity), try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore())),
        ] {
            let shared = try (0..<50).map { _ in try signed(identity) }
            let outcomes = try await withThrowingTaskGroup(of: [String?].self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var codes: [String?] = []
                        for headers in shared { codes.append(try publisher.judge(headers).code) }
                        for _ in 0..<20 { codes.append(try publisher.judge(signed(identity)).code) }
                        return codes
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            XCTAssertEqual(outcomes.count, 8 * 70)
            XCTAssertEqual(outcomes.filter { $0 == nil }.count, 50 + 8 * 20, "each nonce counts once, whoever comes first")
            XCTAssertEqual(outcomes.filter { $0 == "replay.nonce_seen" }.count, 7 * 50)
        }
    }

    func testManyTasksOnOneExternalSigner() async throws {
        let key = try PrivateKey.generate()
        let calls = Kept<Int>()
        let identity = try Identity.external(agentId: agentId, publicKey: key.publicKey(), encoding: .raw) {
            calls.add(1)
            return try key.sign(message: $0)
        }
        let publisher = try knowing(identity)
        let allowed = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<64 { group.addTask { try publisher.judge(signed(identity)).isAllowed } }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        XCTAssertEqual(allowed, 64)
        XCTAssertEqual(calls.all.count, 64)
    }

    func testAPanicInOneTaskLeavesTheOthers() async throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let codes = await withTaskGroup(of: String?.self) { group in
            for number in 0..<20 {
                group.addTask {
                    do {
                        if number.isMultiple(of: 2) { try panicOnPurpose() }
                        return try publisher.judge(signed(identity)).code
                    } catch {
                        return (error as? ImagxpError)?.code
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        XCTAssertEqual(codes.filter { $0 == "internal.panic" }.count, 10)
        XCTAssertEqual(codes.filter { $0 == nil }.count, 10)
    }
}
