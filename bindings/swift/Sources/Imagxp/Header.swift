extension Array where Element == Header {
    /// Header lines from pairs, in their order, duplicates kept.
    public init(pairs: some Sequence<(String, String)>) {
        self = pairs.map { Header(name: $0.0, value: $0.1) }
    }

    /// The lines as pairs.
    public var pairs: [(String, String)] { map { ($0.name, $0.value) } }

    /// The values of every line with this name, in any case.
    public func values(_ name: String) -> [String] {
        filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }
}

extension Header: CustomStringConvertible {
    /// The name alone: values may be visas and cookies, and descriptions end in logs.
    public var description: String { "\(name): …" }
}
