import Foundation

/// A JSON value as its bytes stand in the case: the documents under test must reach the core as they are, numbers and escapes
/// included, and so are cut out rather than parsed and written again.
struct Json {
    let bytes: ArraySlice<UInt8>

    var data: Data { Data(bytes) }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var isNull: Bool { bytes.elementsEqual("null".utf8) }

    /// The members of an object, in order.
    func members() throws -> [(name: String, value: Json)] {
        var scanner = Scanner(rest: bytes)
        try scanner.take(UInt8(ascii: "{"))
        var members: [(String, Json)] = []
        while try scanner.more(until: UInt8(ascii: "}"), isFirst: members.isEmpty) {
            let name = try Json(bytes: scanner.value()).string()
            try scanner.take(UInt8(ascii: ":"))
            members.append((name, Json(bytes: try scanner.value())))
        }
        return members
    }

    /// The elements of an array.
    func elements() throws -> [Json] {
        var scanner = Scanner(rest: bytes)
        try scanner.take(UInt8(ascii: "["))
        var elements: [Json] = []
        while try scanner.more(until: UInt8(ascii: "]"), isFirst: elements.isEmpty) {
            elements.append(Json(bytes: try scanner.value()))
        }
        return elements
    }

    /// A string, unescaped.
    func string() throws -> String {
        guard bytes.first == UInt8(ascii: "\""), bytes.count >= 2 else { throw Broken("not a string: \(text.prefix(80))") }
        let inner = bytes.dropFirst().dropLast()
        guard inner.contains(UInt8(ascii: "\\")) else {
            return String(decoding: inner, as: UTF8.self)
        }
        var units: [UInt16] = []
        var rest = String(decoding: inner, as: UTF8.self).utf16[...]
        while let unit = rest.popFirst() {
            units.append(unit == 0x5C ? try Self.escaped(&rest) : unit)
        }
        var decoder = UTF16()
        var iterator = units.makeIterator()
        var string = String.UnicodeScalarView()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): string.append(scalar)
            case .emptyInput: return String(string)
            case .error: throw Broken("a lone surrogate, which no String of Swift can hold")
            }
        }
    }

    func integer() throws -> Int {
        guard let number = Int(text) else { throw Broken("not an integer: \(text.prefix(80))") }
        return number
    }

    func bool() throws -> Bool {
        guard let flag = Bool(text) else { throw Broken("not a boolean: \(text.prefix(80))") }
        return flag
    }

    private static func escaped(_ rest: inout Substring.UTF16View) throws -> UInt16 {
        guard let unit = rest.popFirst() else { throw Broken("an escape that ends") }
        switch UInt8(truncatingIfNeeded: unit) {
        case UInt8(ascii: "b"): return 8
        case UInt8(ascii: "f"): return 12
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "u"):
            let digits = String(rest.prefix(4)) ?? ""
            rest = rest.dropFirst(4)
            guard digits.utf8.count == 4, let value = UInt16(digits, radix: 16) else { throw Broken("not four digits") }
            return value
        default: return unit
        }
    }
}

/// Cuts values out of a text that `json.dumps` wrote.
private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func take(_ byte: UInt8) throws {
        skipBlanks()
        guard rest.popFirst() == byte else { throw Broken("expected `\(Character(UnicodeScalar(byte)))`") }
    }

    /// Whether another element follows; takes the comma before it, or the bracket.
    mutating func more(until end: UInt8, isFirst: Bool) throws -> Bool {
        skipBlanks()
        if rest.first == end {
            rest.removeFirst()
            return false
        }
        if !isFirst { try take(UInt8(ascii: ",")) }
        skipBlanks()
        return true
    }

    /// The bytes of the next value.
    mutating func value() throws -> ArraySlice<UInt8> {
        skipBlanks()
        let whole = rest
        var depth = 0
        repeat {
            guard let byte = rest.first else { throw Broken("a value that ends") }
            switch byte {
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                rest.removeFirst()
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                rest.removeFirst()
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: " "): rest.removeFirst()
            default: rest = rest.drop { !",:]} ".utf8.contains($0) }
            }
        } while depth > 0
        return whole[..<rest.startIndex]
    }

    private mutating func skipString() throws {
        rest.removeFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") { _ = rest.popFirst() }
            if byte == UInt8(ascii: "\"") { return }
        }
        throw Broken("a string that ends")
    }

    private mutating func skipBlanks() {
        rest = rest.drop { $0 == UInt8(ascii: " ") }
    }
}

/// A case that is none.
struct Broken: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
