import Foundation

extension Feedback {
    /// Feedback to sign, with the score as an exact decimal: 0 to 1 with at most six digits after the point.
    ///
    /// Throws `usage.argument` for any other score.
    public init(
        url: String, qualityScore: Decimal, reason: FeedbackReason, jti: String? = nil, contentSha256: Data? = nil
    ) throws {
        // A Decimal without a locale writes a point, and no exponent in this range.
        let millionths = try feedbackScore(text: "\(qualityScore)")
        self.init(url: url, scoreMillionths: millionths, reason: reason, jti: jti, contentSha256: contentSha256)
    }

    /// How good it was: 0 to 1.
    public var qualityScore: Decimal { Decimal(scoreMillionths) / 1_000_000 }
}
