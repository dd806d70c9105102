import XCTest
import Imagxp
final class SmokeTests: XCTestCase {
    func testSmoke() throws {
        XCTAssertThrowsError(try panicOnPurpose()) { XCTAssertEqual(($0 as? ImagxpError)?.code, "internal.panic") }
        XCTAssertEqual(version(), "0.1.0")
    }
}
