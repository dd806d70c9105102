import Foundation

extension Identity {
    /// Joins a domain with a key that lives elsewhere, and a closure that signs with it.
    ///
    /// `sign` takes the message itself, not its digest, and answers in `encoding`. What it throws becomes an `ImagxpError` with the code
    /// `usage.signer`.
    public static func external(
        agentId: String, publicKey: PublicKey, encoding: SignatureEncoding, allowLoopback: Bool = false,
        sign: @escaping @Sendable (Data) throws -> Data
    ) throws -> Identity {
        let signer = ClosureSigner(act: sign)
        return try external(
            agentId: agentId, publicKey: publicKey, signer: signer, encoding: encoding, allowLoopback: allowLoopback)
    }
}

private final class ClosureSigner: ExternalSigner {
    private let act: @Sendable (Data) throws -> Data

    init(act: @escaping @Sendable (Data) throws -> Data) { self.act = act }

    func sign(message: Data) throws -> Data { try act(message) }
}

#if canImport(Security)
    import Security

    extension Identity {
        /// Joins a domain with a P-256 key of the Keychain or the Secure Enclave.
        ///
        /// The key must allow signing (`SecKeyIsAlgorithmSupported`). Depending on its access control, each signature may ask the person;
        /// sign off the main thread then.
        public static func secKey(agentId: String, key: SecKey, allowLoopback: Bool = false) throws -> Identity {
            guard let publicKey = SecKeyCopyPublicKey(key),
                let point = SecKeyCopyExternalRepresentation(publicKey, nil) as Data?
            else { throw ImagxpError.Failure(code: "usage.argument", message: "the key has no public half to export") }
            return try external(
                agentId: agentId, publicKey: PublicKey.fromX963(point: point), signer: SecKeySigner(key: key),
                encoding: .der, allowLoopback: allowLoopback)
        }
    }

    /// A key of the Keychain or the Secure Enclave.
    private final class SecKeySigner: ExternalSigner, @unchecked Sendable {
        // A SecKey is immutable, and its functions may be called from any thread; the SDK does not say Sendable.
        private let key: SecKey

        init(key: SecKey) { self.key = key }

        func sign(message: Data) throws -> Data {
            var error: Unmanaged<CFError>?
            let algorithm = SecKeyAlgorithm.ecdsaSignatureMessageX962SHA256
            guard let signature = SecKeyCreateSignature(key, algorithm, message as CFData, &error) as Data? else {
                let number = error.map { CFErrorGetCode($0.takeRetainedValue()) } ?? 0
                throw ImagxpError.Failure(code: "usage.signer", message: "the Keychain answers \(number)")
            }
            return signature
        }
    }
#endif
