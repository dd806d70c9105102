import Foundation

extension ImagxpError: LocalizedError, CustomStringConvertible {
    /// The stable dotted code, the same in every language: `usage.argument`, `key.malformed`, …
    public var code: String {
        switch self {
        case .Failure(let code, _): code
        }
    }

    /// One sentence without secrets: what happened.
    public var message: String {
        switch self {
        case .Failure(_, let message): message
        }
    }

    /// `code: message`.
    public var description: String { "\(code): \(message)" }

    /// The message, for `localizedDescription`.
    public var errorDescription: String? { message }

    /// Whether it has this code: `catch let error as ImagxpError where error.has("usage.signer")`.
    public func has(_ code: String) -> Bool { self.code == code }
}
