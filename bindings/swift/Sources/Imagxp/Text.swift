import Foundation

// What comes from the network is `Data`; what a program has as text need not be converted by hand.

extension Policy {
    /// Reads a policy from JSON text. Throws `usage.policy`.
    public static func fromJson(_ text: String) throws -> Policy { try fromJson(document: Data(text.utf8)) }
}

extension Manifest {
    /// Reads the manifest that was fetched for `agentId` from its text. Throws `identity.manifest_invalid` or a `json.…` code.
    public static func parse(_ text: String, agentId: String, allowLoopback: Bool = false) throws -> Manifest {
        try parse(body: Data(text.utf8), agentId: agentId, allowLoopback: allowLoopback)
    }
}

extension JwkSet {
    /// Reads `{"keys": [...]}` from its text. Throws `key.malformed`.
    public static func parse(_ text: String) throws -> JwkSet { try parse(document: Data(text.utf8)) }
}

extension Robots {
    /// Reads the text of a robots.txt.
    public static func parse(_ text: String) throws -> Robots { try parse(text: Data(text.utf8)) }
}

/// The RFC 8785 form of a strict I-JSON text. Throws a `json.…` code.
public func canonicalize(_ text: String) throws -> String {
    String(decoding: try canonicalize(json: Data(text.utf8)), as: UTF8.self)
}
