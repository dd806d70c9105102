import Foundation

extension Verdict: CustomStringConvertible {
    /// Whether the request may pass.
    public var isAllowed: Bool { outcome == .allow }

    /// The JSON body to answer a refusal with.
    public func body() -> Data { record.body() }

    /// Every field with the names of PROTOCOL §6, `detail` included, as JSON in RFC 8785 form.
    public func toJson() -> Data { record.toJson() }

    /// The outcome and the code, for a log.
    public var description: String { code.map { "\(outcome) \($0)" } ?? "\(outcome)" }
}

extension Explanation: CustomStringConvertible {
    /// The lines for people.
    public var description: String { text }
}
