import Foundation
import Imagxp

/// What a member of an answer is written from.
enum Value {
    case null
    case flag(Bool)
    case number(Int)
    case text(String)
    case list([Value])
    case object([(String, Value)])
    /// JSON that the library has written.
    case raw(Data)

    static func optional(_ text: String?) -> Value { text.map(Value.text) ?? .null }

    static func strings(_ texts: [String]) -> Value { .list(texts.map(Value.text)) }

    static func headers(_ headers: [Header]) -> Value {
        .list(headers.map { .list([.text($0.name), .text($0.value)]) })
    }

    func write(to line: inout Data) {
        switch self {
        case .null: line.append(contentsOf: "null".utf8)
        case .flag(let flag): line.append(contentsOf: "\(flag)".utf8)
        case .number(let number): line.append(contentsOf: "\(number)".utf8)
        case .text(let text): Self.quote(text, to: &line)
        case .raw(let json): line.append(json)
        case .list(let values):
            Self.join(values, between: "[]", to: &line) { $0.write(to: &$1) }
        case .object(let members):
            Self.join(members, between: "{}", to: &line) {
                Self.quote($0.0, to: &$1)
                $1.append(UInt8(ascii: ":"))
                $0.1.write(to: &$1)
            }
        }
    }

    private static func join<T>(_ items: [T], between ends: String, to line: inout Data, write: (T, inout Data) -> Void) {
        line.append(contentsOf: ends.prefix(1).utf8)
        for (number, item) in items.enumerated() {
            if number > 0 { line.append(UInt8(ascii: ",")) }
            write(item, &line)
        }
        line.append(contentsOf: ends.suffix(1).utf8)
    }

    private static func quote(_ text: String, to line: inout Data) {
        line.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): line.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                line.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
            default: line.append(byte)
            }
        }
        line.append(UInt8(ascii: "\""))
    }
}

/// The members of an answer.
typealias Answer = [(String, Value)]
