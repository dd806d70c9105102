import Imagxp
import XCTest

final class DateTests: XCTestCase {
    func testEveryMillisecondSurvives() throws {
        for milliseconds in stride(from: 1_772_366_400_000, to: 1_772_366_403_000, by: 1) {
            let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
            let text = formatTimestamp(time: date)
            XCTAssertEqual(text.suffix(4), String(format: "%03dZ", milliseconds % 1000)[...])
            XCTAssertEqual(parseTimestamp(text: text), date)
        }
        XCTAssertEqual(formatTimestamp(time: now), "2026-03-01T12:00:00.000Z")
    }

    func testDatesThatAreNoneDoNotTrap() throws {
        for seconds in [Double.nan, .infinity, -.infinity, 1e300, -1e300, 9.3e15, -9.3e15] {
            XCTAssertFalse(formatTimestamp(time: Date(timeIntervalSince1970: seconds)).isEmpty)
        }
        for date in [Date.distantPast, .distantFuture] {
            XCTAssertFalse(formatTimestamp(time: date).isEmpty)
            XCTAssertEqual(try knowing(agent()).judge(signed(agent()), now: date).outcome, .deny)
        }
    }

    func testTextThatIsNoTime() {
        for text in ["", "2026-03-01", "2026-02-30T00:00:00Z", "2026-03-01T12:00:00+00:00"] {
            XCTAssertNil(parseTimestamp(text: text), text)
        }
    }

    func testTheClockIsReadWhenNoTimeIsGiven() throws {
        let identity = try agent()
        let publisher = try Publisher(policy: policy())
        try publisher.supply(url: manifestUrl, body: identity.manifest().toJson())
        let headers = try identity.sign(method: "GET", url: "\(origin)/a", purpose: .ragRetrieval) + [agentHeader]
        XCTAssertTrue(try publisher.verify(method: "GET", url: "/a", headers: headers).verdict.isAllowed)
        let later = Date(timeIntervalSinceNow: 400)
        XCTAssertEqual(try publisher.judge(headers, now: later).code, "time.expired")
    }
}
