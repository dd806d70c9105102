// The wire names of what a configuration file or a log writes. The core knows them; nothing is listed here.

extension Purpose: LosslessStringConvertible {
    /// The purpose with this exact wire name, for example `RAG_RETRIEVAL`; nil for anything else.
    public init?(_ description: String) {
        guard let purpose = purposeFromName(name: description) else { return nil }
        self = purpose
    }

    /// The wire name.
    public var description: String { purposeName(purpose: self) }
}

extension ContentOrigin: LosslessStringConvertible {
    /// The content origin with this exact wire name, for example `HUMAN`; nil for anything else.
    public init?(_ description: String) {
        guard let origin = contentOriginFromName(name: description) else { return nil }
        self = origin
    }

    /// The wire name.
    public var description: String { contentOriginName(origin: self) }
}

extension FeedbackReason: LosslessStringConvertible {
    /// The reason with this exact wire name, for example `SEO_SPAM`; nil for anything else.
    public init?(_ description: String) {
        guard let reason = feedbackReasonFromName(name: description) else { return nil }
        self = reason
    }

    /// The wire name.
    public var description: String { feedbackReasonName(reason: self) }
}

extension Algorithm: CustomStringConvertible {
    /// The JOSE name: `ES256` or `EdDSA`.
    public var description: String { algorithmName(algorithm: self) }
}
