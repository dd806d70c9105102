import Foundation
import Imagxp

/// One line, and what its members are.
struct Case {
    private let members: [String: Json]

    init(_ json: Json) throws {
        members = Dictionary(try json.members().map { ($0.name, $0.value) }) { _, last in last }
    }

    func has(_ name: String) -> Bool { members[name] != nil }

    /// A member; nil when it is absent or null.
    func optional(_ name: String) -> Json? { members[name].flatMap { $0.isNull ? nil : $0 } }

    func json(_ name: String) throws -> Json {
        guard let json = optional(name) else { throw Broken("there is no \(name)") }
        return json
    }

    func string(_ name: String) throws -> String { try json(name).string() }

    func optionalString(_ name: String) throws -> String? { try optional(name)?.string() }

    func data(_ name: String) throws -> Data { try json(name).data }

    func strings(_ name: String) throws -> [String] { try optional(name)?.elements().map { try $0.string() } ?? [] }

    func object(_ name: String) throws -> Case { try Case(json(name)) }

    /// A time.
    func time(_ name: String = "now") throws -> Date {
        guard let time = parseTimestamp(text: try string(name)) else { throw Broken("\(name) is not a time") }
        return time
    }

    /// A list of pairs.
    func headers(_ name: String) throws -> [Header] {
        try optional(name)?.elements().map { line in
            let pair = try line.elements()
            guard pair.count == 2 else { throw Broken("a header is not a pair") }
            return try Header(name: pair[0].string(), value: pair[1].string())
        } ?? []
    }

    /// Documents by their URL.
    func documents(_ name: String) throws -> [(url: String, body: Data)] {
        try optional(name)?.members().map { ($0.name, $0.value.data) } ?? []
    }

    /// Bytes as text, or as base64 under the name with `_b64`.
    func bytes(_ name: String) throws -> Data? {
        if let text = try optionalString(name) { return Data(text.utf8) }
        guard let text = try optionalString("\(name)_b64") else { return nil }
        guard let data = Data(base64Encoded: text) else { throw Broken("\(name)_b64 is not base64") }
        return data
    }

    /// Bytes as hex.
    func hex(_ name: String) throws -> Data {
        let digits = Array(try string(name).utf8)
        guard digits.count.isMultiple(of: 2) else { throw Broken("\(name) is not hex") }
        return try Data(
            stride(from: 0, to: digits.count, by: 2).map { at in
                guard let byte = UInt8(String(decoding: digits[at...(at + 1)], as: UTF8.self), radix: 16) else {
                    throw Broken("\(name) is not hex")
                }
                return byte
            })
    }

    func purpose(_ name: String = "purpose") throws -> Purpose {
        let text = try string(name)
        guard let purpose = Purpose(text) else { throw Broken("\(text) is not a purpose") }
        return purpose
    }

    func privateKey() throws -> PrivateKey { try PrivateKey.fromJwk(jwk: data("key")) }

    func publicKey() throws -> PublicKey {
        if let spki = try optionalString("spki") { return try PublicKey.fromSpkiBase64(text: spki) }
        if let pem = try optionalString("pem") { return try PublicKey.fromPem(pem: pem) }
        return try PublicKey.fromJwk(jwk: data("jwk"))
    }

    func identity(_ agentId: String? = nil) throws -> Identity {
        try Identity(agentId: agentId ?? string("agent_id"), key: privateKey(), allowLoopback: true)
    }
}
