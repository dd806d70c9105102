import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

extension Identity {
    /// The request, signed: every `x-imagxp-*` header that it had is replaced but `x-imagxp-feedback`, which stays, and `IMAGXP/1.0` is
    /// added to its `User-Agent`.
    ///
    /// The signature is for one URL and one use. `URLSession` follows redirects by itself and takes these headers along: give the session
    /// a `NoRedirects`, and sign anew for where a redirect leads. The digest of `httpBody` is signed; fragment, user and password of the URL
    /// are dropped, as they are on the wire. Parameters as in `sign(method:url:purpose:…)`.
    ///
    /// Throws `usage.argument` for a request without an absolute URL, or whose body is a stream: `sign(method:url:purpose:…)` takes its digest.
    public func sign(
        _ request: URLRequest, purpose: Purpose, now: Date? = nil, nonce: String? = nil, adsDisplayed: Bool? = nil,
        context: String? = nil, payment: String? = nil, proof: String? = nil, compatible: Bool = false
    ) throws -> URLRequest {
        guard let url = request.url, var parts = URLComponents(url: url, resolvingAgainstBaseURL: true) else {
            throw ImagxpError.Failure(code: "usage.argument", message: "the request has no URL")
        }
        guard request.httpBodyStream == nil else {
            throw ImagxpError.Failure(
                code: "usage.argument", message: "the body is a stream, whose digest cannot be taken; set httpBody")
        }
        (parts.fragment, parts.user, parts.password) = (nil, nil, nil)
        guard let bare = parts.url else {
            throw ImagxpError.Failure(code: "usage.argument", message: "the request's URL cannot be written")
        }
        let headers = try sign(
            method: request.httpMethod ?? "GET", url: bare.absoluteString, purpose: purpose, now: now, nonce: nonce,
            adsDisplayed: adsDisplayed, context: context, contentDigest: request.bodyDigest, payment: payment,
            proof: proof, compatible: compatible)
        var signed = request
        signed.url = bare
        // Feedback is the caller's, and signed by itself. It is taken once: what was signed before may have been sent.
        let again = signed.value(forHTTPHeaderField: "x-imagxp-payload") != nil
        for name in signed.allHTTPHeaderFields?.keys.map({ $0 }) ?? [] where name.isOurs && (again || !name.isFeedback) {
            signed.setValue(nil, forHTTPHeaderField: name)
        }
        for header in headers { signed.setValue(header.value, forHTTPHeaderField: header.name) }
        let own = signed.value(forHTTPHeaderField: "User-Agent") ?? ""
        signed.setValue(userAgent(own: own), forHTTPHeaderField: "User-Agent")
        return signed
    }
}

extension Publisher {
    /// Verifies one request that was built as a `URLRequest`; its host is not looked at, the policy's origins count.
    ///
    /// A `URLRequest` keeps one line per header name. A server that has the lines hands them to `verify(method:url:headers:…)`, which
    /// sees duplicates.
    public func verify(_ request: URLRequest, now: Date? = nil) throws -> Verification {
        let parts = request.url.flatMap { URLComponents(url: $0, resolvingAgainstBaseURL: true) }
        let path = parts?.percentEncodedPath ?? ""
        let query = parts?.percentEncodedQuery.map { "?\($0)" } ?? ""
        return try verify(
            method: request.httpMethod ?? "GET", url: (path.isEmpty ? "/" : path) + query,
            headers: .init(pairs: (request.allHTTPHeaderFields ?? [:]).map { ($0.key, $0.value) }), now: now,
            bodyDigest: request.bodyDigest)
    }

    /// Verifies one request, its header lines as pairs; see `verify(method:url:headers:now:bodyDigest:)`.
    public func verify(
        method: String, url: String, headers: [(String, String)], now: Date? = nil, bodyDigest: String? = nil
    ) throws -> Verification {
        try verify(method: method, url: url, headers: .init(pairs: headers), now: now, bodyDigest: bodyDigest)
    }
}

extension Action {
    /// What to send, for `.fetchRobots`, `.fetchPolicy`, `.fetchManifest`, `.send` and `.requestToken`; nil in the end.
    ///
    /// Redirects must not be followed: see `NoRedirects`. It asks for a body without content coding: a receipt speaks of the bytes that come,
    /// and a robots.txt that is handed back with a `Content-Encoding` counts as one that cannot be had. `URLSession` decodes a body and leaves
    /// that line, so take it off. No answer of a cache will do: what was signed, or paid for, has to be asked for.
    public var request: URLRequest? {
        guard kind != .done, kind != .refused, let url = URL(string: url) else { return nil }
        var request = URLRequest(url: url, cachePolicy: .reloadIgnoringLocalCacheData)
        request.httpMethod = method
        for header in headers { request.setValue(header.value, forHTTPHeaderField: header.name) }
        request.setValue("identity", forHTTPHeaderField: "Accept-Encoding")
        if !body.isEmpty { request.httpBody = body }
        return request
    }
}

/// A delegate for sessions that send signed requests: redirects are handed to the caller, never followed.
///
///     let session = URLSession(configuration: .ephemeral, delegate: NoRedirects(), delegateQueue: nil)
///
/// A signature and a visa are made for one URL; `URLSession` would carry them to wherever a server points. A background session follows
/// redirects by itself and asks no delegate: send nothing signed by one.
public final class NoRedirects: NSObject, URLSessionTaskDelegate {
    /// Answers every redirect with nil: the answer that redirects is the answer.
    public func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}

extension URLRequest {
    /// The RFC 9530 digest of the body, if there is one.
    fileprivate var bodyDigest: String? {
        guard let body = httpBody, !body.isEmpty else { return nil }
        return contentDigest(body: body)
    }
}

extension String {
    fileprivate var isOurs: Bool { lowercased().hasPrefix("x-imagxp-") }

    fileprivate var isFeedback: Bool { lowercased() == "x-imagxp-feedback" }
}
