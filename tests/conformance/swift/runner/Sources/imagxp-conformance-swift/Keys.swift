import Foundation
import Imagxp

func sign(_ found: Case) throws -> Answer {
    let headers = try found.identity().sign(
        method: found.string("method"), url: found.string("url"), purpose: found.purpose(), now: found.time(),
        nonce: found.string("nonce"), context: found.optional("context")?.text, payment: found.optionalString("payment"),
        proof: found.optionalString("proof"), compatible: found.optional("compatible")?.bool() ?? false)
    return [("headers", .headers(headers))]
}

func canonicalForm(_ found: Case) throws -> Answer {
    guard let json = try found.bytes("json") else { throw Broken("there is no json") }
    do {
        return [("canonical", .text(String(decoding: try canonicalize(json: json), as: UTF8.self)))]
    } catch let error as ImagxpError {
        return [("code", .text(error.code))]
    }
}

func key(_ found: Case) throws -> Answer {
    do {
        return try described(found.publicKey())
    } catch let error as ImagxpError {
        return [("code", .text(error.code))]
    }
}

func keyFile(_ found: Case) throws -> Answer {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("imagxp-\(UUID().uuidString)").path
    let owner: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
    guard FileManager.default.createFile(atPath: path, contents: Data(try found.string("text").utf8), attributes: owner)
    else { throw Broken("no temporary file") }
    defer { try? FileManager.default.removeItem(atPath: path) }
    do {
        let passphrase = Data(try found.string("passphrase").utf8)
        return try described(PrivateKey.load(path: path, passphrase: passphrase).publicKey())
    } catch let error as ImagxpError {
        return [("code", .text(error.code))]
    }
}

func signature(_ found: Case) throws -> Answer {
    do {
        let key = try found.object("key").publicKey()
        return [("valid", .flag(try key.verify(message: found.hex("message_hex"), signature: found.hex("signature_hex"))))]
    } catch let error as ImagxpError {
        return [("valid", .flag(false)), ("code", .text(error.code))]
    }
}

func jws(_ found: Case) throws -> Answer {
    let expected = found.has("expect") ? try found.object("expect") : nil
    do {
        let document = try found.bytes("jwks_text") ?? found.data("jwks")
        let claims = try verifyToken(
            token: found.string("token"), jwks: JwkSet.parse(document: document), now: found.time(),
            issuer: expected?.optionalString("issuer"), audience: expected?.optionalString("audience"),
            typ: expected?.optionalString("typ"))
        return [("valid", .flag(true)), ("code", .null), ("claims", claims.map(Value.raw) ?? .null)]
    } catch let error as ImagxpError {
        return [("valid", .flag(false)), ("code", .text(error.code)), ("claims", .null)]
    }
}

func manifest(_ found: Case) throws -> Answer {
    do {
        let manifest = try Manifest.parse(body: found.data("manifest"), agentId: found.string("agent_id"))
        let keys = manifest.keysAt(now: try found.time()).map { $0.thumbprint() }
        return [("valid", .flag(true)), ("code", .null), ("keys", .strings(keys))]
    } catch let error as ImagxpError {
        return [("valid", .flag(false)), ("code", .text(error.code)), ("keys", .list([]))]
    }
}

func visa(_ found: Case) throws -> Answer {
    let purposes = try found.strings("purposes").map { name in
        guard let purpose = Purpose(name) else { throw Broken("\(name) is not a purpose") }
        return purpose
    }
    let token = try issueVisa(
        key: found.privateKey(), issuer: found.string("issuer"), audience: found.string("audience"),
        agentId: found.string("agent_id"), jti: found.string("jti"), amount: found.string("amount"),
        currency: found.string("currency"), jkt: found.optionalString("jkt"), purposes: purposes,
        maxUses: UInt32(found.optional("max_uses")?.integer() ?? 1),
        lifetimeS: UInt32(found.optional("lifetime_s")?.integer() ?? 600), now: found.time(), allowLoopback: true)
    return [("token", .text(token))]
}

private func described(_ key: PublicKey) -> Answer {
    [("thumbprint", .text(key.thumbprint())), ("alg", .text(key.algorithm().description))]
}
