import Imagxp
import XCTest

/// tests/surface.json says what Swift offers; the compiler says what is public (its symbol graph). They must agree, both ways.
final class SurfaceTests: XCTestCase {
    func testTheSurfaceIsWhatSurfaceJsonSays() throws {
        let names = try Set(symbols().map(\.name))
        XCTAssertGreaterThan(names.count, 200, "this test looks in the wrong place")
        XCTAssertEqual(try listed().subtracting(names).sorted(), [], "listed in surface.json and not exported")
    }

    func testEverythingExportedIsOnTheSurface() throws {
        // What no operation names: conveniences, and what only tells.
        let helpers: Set = [
            "panicOnPurpose", "parseTimestamp", "formatTimestamp", "NoRedirects", "uniffiEnsureImagxpSwiftInitialized",
        ]
        let listed = try listed()
        let types = Set(listed.map { $0.components(separatedBy: ".")[0] })
        let offered = try symbols().filter { ["swift.func", "swift.class", "swift.protocol"].contains($0.kind) }
        let missing = offered.map(\.name).filter { !types.contains($0) && !helpers.contains($0) }
        XCTAssertEqual(missing.sorted(), [], "exported and not in surface.json")
        XCTAssertTrue(helpers.isSubset(of: offered.map(\.name)))
    }

    func testEveryGapHasAReason() throws {
        let surface = try surface()
        let gaps = try XCTUnwrap((surface["gaps"] as? [String: [String: String]])?["swift"])
        let operations = try XCTUnwrap(surface["operations"] as? [[String: Any]])
        let absent = operations.filter { $0["swift"] is NSNull }.compactMap { $0["name"] as? String }
        XCTAssertEqual(gaps.keys.sorted(), absent.sorted())
        XCTAssertTrue(gaps.values.allSatisfy { $0.count > 10 })
        for operation in operations where !(operation["swift"] is NSNull) {
            XCTAssertFalse((operation["swift"] as? [String] ?? []).isEmpty, "\(operation["name"] ?? "?")")
        }
    }

    func testEverythingPublicIsDocumented() throws {
        // The initializer of a value lists its documented properties; Date has its own documentation; what begins with `uniffi` is not for people.
        let bare = try symbols().filter {
            !$0.isDocumented && $0.kind != "swift.init" && $0.kind != "swift.typealias" && !$0.name.hasPrefix("uniffi")
        }
        XCTAssertEqual(bare.map(\.name).sorted(), [])
    }

    func testEverythingExportedIsTested() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let tests = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.lastPathComponent != "SurfaceTests.swift" }
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
        let kinds = ["swift.method", "swift.type.method", "swift.func", "swift.class", "swift.protocol"]
        let untested = try symbols().filter { kinds.contains($0.kind) && !$0.name.hasPrefix("uniffi") }.map(\.name).filter {
            !tests.contains($0.components(separatedBy: ".").last ?? $0)
        }
        // Types that a test holds without naming them, and what URLSession calls.
        XCTAssertEqual(untested.sorted(), ["NoRedirects.urlSession", "Pending", "Preferences", "VerdictRecord"])
    }

    private struct Symbol {
        let name: String
        let kind: String
        let isDocumented: Bool
    }

    /// `Type`, `Type.method`, `Type.init` and `function`: everything public but what the compiler adds and the protocols that uniffi
    /// writes for each class.
    private func symbols() throws -> [Symbol] {
        let folder = ProcessInfo.processInfo.environment["IMAGXP_SWIFT_SYMBOLS"] ?? "(IMAGXP_SWIFT_SYMBOLS is not set)"
        let path = URL(fileURLWithPath: folder).appendingPathComponent("Imagxp.symbols.json")
        let graph = try XCTUnwrap(try? object(Data(contentsOf: path)), "no \(path.path): run scripts/swift.sh test")
        let symbols = try XCTUnwrap(graph["symbols"] as? [[String: Any]])
        return try symbols.compactMap { symbol in
            let path = try XCTUnwrap(symbol["pathComponents"] as? [String])
            let kind = try XCTUnwrap((symbol["kind"] as? [String: Any])?["identifier"] as? String)
            let precise = try XCTUnwrap((symbol["identifier"] as? [String: Any])?["precise"] as? String)
            if precise.contains("::SYNTHESIZED::") || path[0].hasSuffix("Protocol") { return nil }
            let isDocumented = symbol["docComment"] != nil
            // What NoRedirects inherits from Foundation has Foundation's documentation.
            if path[0] == "NoRedirects", !isDocumented { return nil }
            let name = path.map { $0.components(separatedBy: "(")[0] }.joined(separator: ".")
            return Symbol(name: name, kind: kind, isDocumented: isDocumented)
        }
    }

    private func surface() throws -> [String: Any] {
        try object(Data(contentsOf: repository.appendingPathComponent("tests/surface.json")))
    }

    private func listed() throws -> Set<String> {
        let operations = try XCTUnwrap(surface()["operations"] as? [[String: Any]])
        return Set(operations.flatMap { $0["swift"] as? [String] ?? [] })
    }
}
