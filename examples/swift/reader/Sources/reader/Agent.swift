import Foundation
import Imagxp

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A machine reader: a domain, and the key that signs for it.
struct Agent {
    let identity: Identity

    /// On an iPhone or a Mac the key would be in the Secure Enclave: `Identity.secKey(agentId:key:)`.
    init(domain: String) throws { identity = try Identity.generate(agentId: domain) }

    /// What the domain publishes at `/.well-known/imagxp-agent.json`.
    func manifest() throws -> Data { try identity.manifest(contact: "security@\(identity.agentId())").toJson() }

    /// A request as `URLSession` would send it: `session.data(for: request)`, with a `NoRedirects` as the session's delegate.
    func request(_ url: URL, purpose: Purpose) throws -> URLRequest {
        try identity.sign(URLRequest(url: url), purpose: purpose)
    }
}
