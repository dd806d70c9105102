import Imagxp
import XCTest

/// A store as a program would write it: exact, and with a fault that can be switched on.
final class SwiftStore: ReplayStore, @unchecked Sendable {
    enum Fault: Sendable { case none, insert, seen, horizon, full, later }

    private let lock = NSLock()
    private var kept: [Data: Date] = [:]
    private let fault: Fault
    private let forgotten: Date?
    let expiries = Kept<Date>()

    init(fault: Fault = .none, forgotten: Date? = nil) {
        self.fault = fault
        self.forgotten = forgotten
    }

    func insertIfAbsent(key: Data, agent: Data, expiresAt: Date, now: Date) throws -> ReplayAnswer {
        if fault == .insert { throw OwnError() }
        if fault == .full { return .full }
        if fault == .later { return .later }
        precondition(key.count == 16 && agent.count == 16)
        expiries.add(expiresAt)
        return lock.withLock { kept.updateValue(expiresAt, forKey: key) == nil ? .fresh : .seen }
    }

    func seen(key: Data, now: Date) throws -> Bool {
        if fault == .seen { throw ImagxpError.Failure(code: "x", message: "y") }
        return lock.withLock { kept[key] != nil }
    }

    func horizon() throws -> Date? {
        if fault == .horizon { throw OwnError() }
        return forgotten
    }
}

final class ReplayStoreTests: XCTestCase {
    func testTheStoreInMemory() throws {
        let store = MemoryReplayStore(maxEntries: 2, maxPerAgent: 2)
        let identity = try agent()
        let publisher = try knowing(identity, Publisher(policy: policy(), secret: Data(count: 16), memory: store))
        XCTAssertEqual(store.count(), 0)
        for _ in 0..<2 { XCTAssertTrue(try publisher.judge(signed(identity)).isAllowed) }
        XCTAssertEqual(store.count(), 2)
        let full = try publisher.judge(signed(identity))
        XCTAssertEqual(full.code, "replay.store_full")
        XCTAssertEqual(full.http, 503)
        XCTAssertEqual(MemoryReplayStore().count(), 0)
    }

    func testTwoPublishersShareAStore() throws {
        let identity = try agent()
        let headers = try signed(identity)
        let (memory, store) = (MemoryReplayStore(), SwiftStore())
        for share in [
            { try Publisher(policy: policy(), secret: secret, memory: memory) },
            { try Publisher(policy: policy(), secret: secret, replayStore: store) },
        ] {
            XCTAssertTrue(try knowing(identity, share()).judge(headers).isAllowed)
            XCTAssertEqual(try knowing(identity, share()).judge(headers).code, "replay.nonce_seen")
        }
        XCTAssertGreaterThan(try XCTUnwrap(store.expiries.all.first), now.addingTimeInterval(300))
    }

    func testASharedStoreNeedsASecret() throws {
        XCTAssertThrowsError(try Publisher(policy: policy(), replayStore: SwiftStore())) { error in
            XCTAssertEqual((error as? ImagxpError)?.code, "usage.argument")
            XCTAssertEqual(
                (error as? ImagxpError)?.message, "a shared replay store needs the `secret` that its processes share")
        }
    }

    func testAStoreThatThrowsFailsClosed() throws {
        let identity = try agent()
        for fault in [SwiftStore.Fault.insert, .seen, .horizon] {
            let publisher = try knowing(
                identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore(fault: fault)))
            XCTAssertTrue(publisher.mayWait())
            for _ in 0..<2 {
                let verdict = try publisher.judge(signed(identity))
                XCTAssertEqual(verdict.code, "replay.store_error", "\(fault)")
                XCTAssertEqual(verdict.outcome, .undecided)
                XCTAssertEqual(verdict.http, 503)
                XCTAssertFalse(String(decoding: verdict.toJson(), as: UTF8.self).contains("hunter2"))
            }
        }
        let full = try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore(fault: .full)))
        XCTAssertEqual(try full.judge(signed(identity)).code, "replay.store_full")
        // A store that fails leaves nothing behind on the thread for the next one.
        XCTAssertTrue(
            try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore())).judge(signed(identity))
                .isAllowed)
    }

    func testWhatWasForgottenIsExpired() throws {
        let identity = try agent()
        let store = SwiftStore(forgotten: now.addingTimeInterval(3600))
        let publisher = try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: store))
        XCTAssertEqual(try publisher.judge(signed(identity)).code, "time.expired")
    }

    func testFeedbackWithAStoreThatAnswersLater() throws {
        let identity = try agent()
        let publisher = try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore(fault: .later)))
        let feedback = Feedback(url: "\(origin)/a", scoreMillionths: 1_000_000, reason: .highQuality)
        let value = try feedback.sign(identity: identity, now: now)
        let ends: [(ReplayAnswer?, String?)] = [
            (.fresh, nil), (.seen, "replay.nonce_seen"), (.full, "replay.store_full"), (nil, "replay.store_error"),
            (.later, "replay.store_error"),
        ]
        for (answer, code) in ends {
            let waiting = try publisher.feedback(value: value, now: now)
            XCTAssertEqual(waiting.verdict.needs.map(\.kind), [.replay])
            XCTAssertNil(waiting.feedback)
            let insertion: FeedbackInsertion = try XCTUnwrap(waiting.insertion)
            XCTAssertEqual([insertion.entry().key.count, insertion.entry().agent.count], [16, 16])
            XCTAssertGreaterThan(insertion.entry().expiresAt, now)
            expect("usage.argument") { try publisher.feedback(value: value, now: now, inserted: insertion) }
            insertion.inserted(answer: answer)
            let taken = try publisher.feedback(value: value, now: now, inserted: insertion)
            XCTAssertEqual(taken.verdict.code, code)
            XCTAssertEqual(taken.feedback == nil, code != nil)
            XCTAssertNil(taken.insertion)
            // One insertion is one feedback.
            expect("usage.argument") { try publisher.feedback(value: value, now: now, inserted: insertion) }
        }
    }

    func testAStoreThatAnswersLater() async throws {
        // A store behind a network: it cannot answer on the thread that verifies.
        actor Remote {
            private var kept: Set<Data> = []
            func insert(_ insertion: ReplayInsertion) -> ReplayAnswer {
                precondition(insertion.key.count == 16 && insertion.agent.count == 16 && insertion.expiresAt > now)
                return kept.insert(insertion.key).inserted ? .fresh : .seen
            }
        }
        let identity = try agent()
        let remote = Remote()
        let publisher = try knowing(identity, Publisher(policy: policy(), secret: secret, replayStore: SwiftStore(fault: .later)))
        let headers = try signed(identity)
        for expected in [nil, "replay.nonce_seen"] {
            let waiting = try publisher.verify(method: "GET", url: "/a", headers: headers, now: now)
            XCTAssertEqual(waiting.verdict.outcome, .undecided)
            XCTAssertEqual(waiting.verdict.needs.map(\.kind), [.replay])
            let pending = try XCTUnwrap(waiting.pending)
            let insertion = try XCTUnwrap(pending.insertion())
            let answer = await remote.insert(insertion)
            try pending.inserted(answer: answer)
            XCTAssertEqual(try publisher.resume(pending: pending, now: now).verdict.code, expected)
            XCTAssertNil(pending.insertion())
            expect("usage.argument") { try pending.inserted(answer: .fresh) }
        }
        for failure in [nil, ReplayAnswer.later] {
            let waiting = try publisher.verify(method: "GET", url: "/a", headers: signed(identity), now: now)
            let pending = try XCTUnwrap(waiting.pending)
            try pending.inserted(answer: failure)
            XCTAssertEqual(try publisher.resume(pending: pending, now: now).verdict.code, "replay.store_error")
        }
    }
}
