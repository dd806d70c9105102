import Foundation
import Imagxp
import XCTest

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

final class URLRequestTests: XCTestCase {
    private func request(_ url: String) throws -> URLRequest { URLRequest(url: try XCTUnwrap(URL(string: url))) }

    func testASignedRequestIsAllowed() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let signed = try identity.sign(request("\(origin)/a?q=1%202&r=%C3%A9"), purpose: .ragRetrieval, now: now)
        XCTAssertEqual(signed.value(forHTTPHeaderField: "User-Agent"), "IMAGXP/1.0")
        XCTAssertTrue(try publisher.verify(signed, now: now).verdict.isAllowed)
        XCTAssertEqual(try publisher.verify(signed, now: now).verdict.code, "replay.nonce_seen")
        let root = try identity.sign(request(origin), purpose: .ragRetrieval, now: now)
        XCTAssertTrue(try publisher.verify(root, now: now).verdict.isAllowed)
    }

    func testWhatWasThereStaysAndOldSignaturesGo() throws {
        let identity = try agent()
        var first = try request("https://user:secret@pub.example/a#part")
        first.setValue("Reader/3", forHTTPHeaderField: "User-Agent")
        first.setValue("text/html", forHTTPHeaderField: "Accept")
        first.setValue("old", forHTTPHeaderField: "X-Imagxp-Proof")
        first.timeoutInterval = 7
        first.httpMethod = "HEAD"
        let once = try identity.sign(first, purpose: .ragRetrieval, now: now, payment: "a.b.c")
        let twice = try identity.sign(once, purpose: .ragRetrieval, now: now)
        XCTAssertEqual(twice.url?.absoluteString, "\(origin)/a")
        XCTAssertEqual(twice.value(forHTTPHeaderField: "User-Agent"), "Reader/3 IMAGXP/1.0")
        XCTAssertEqual(twice.value(forHTTPHeaderField: "accept"), "text/html")
        XCTAssertEqual(twice.timeoutInterval, 7)
        XCTAssertEqual(twice.httpMethod, "HEAD")
        XCTAssertEqual(once.value(forHTTPHeaderField: "x-imagxp-payment"), "a.b.c")
        XCTAssertNil(twice.value(forHTTPHeaderField: "x-imagxp-payment"))
        XCTAssertNil(twice.value(forHTTPHeaderField: "x-imagxp-proof"))
        XCTAssertNotEqual(
            once.value(forHTTPHeaderField: "x-imagxp-payload"), twice.value(forHTTPHeaderField: "x-imagxp-payload"))
        XCTAssertTrue(try knowing(identity).verify(twice, now: now).verdict.isAllowed)
    }

    func testFeedbackTravelsWithTheRequest() throws {
        let identity = try agent()
        let publisher = try knowing(identity)
        let feedback = try Feedback(url: "\(origin)/a", scoreMillionths: 900_000, reason: .highQuality)
            .sign(identity: identity, now: now)
        var first = try request("\(origin)/a")
        first.setValue(feedbackHeader(feedback: feedback), forHTTPHeaderField: "X-IMAGXP-Feedback")
        let signed = try identity.sign(first, purpose: .ragRetrieval, now: now)
        let line = try XCTUnwrap(signed.value(forHTTPHeaderField: "x-imagxp-feedback"))
        XCTAssertEqual(line, feedbackHeader(feedback: feedback))
        let again = try identity.sign(signed, purpose: .ragRetrieval, now: now)
        XCTAssertNil(again.value(forHTTPHeaderField: "x-imagxp-feedback"), "a second copy would be a replay")
        let carrier = try publisher.verify(signed, now: now).verdict
        XCTAssertTrue(carrier.isAllowed)
        let taken = try publisher.feedback(value: Data(line.utf8), carrier: carrier, now: now)
        XCTAssertEqual(taken.feedback?.scoreMillionths, 900_000)
    }

    func testTheBodyIsSigned() throws {
        let identity = try agent()
        let publisher = try knowing(identity, members: #""methods": ["POST"]"#)
        var post = try request("\(origin)/a")
        post.httpMethod = "POST"
        post.httpBody = Data("body".utf8)
        let signed = try identity.sign(post, purpose: .ragRetrieval, now: now)
        var bent = signed
        bent.httpBody = Data("another".utf8)
        XCTAssertEqual(try publisher.verify(bent, now: now).verdict.code, "claim.digest_mismatch")
        XCTAssertTrue(try publisher.verify(signed, now: now).verdict.isAllowed)
        post.httpBody = nil
        post.httpBodyStream = InputStream(data: Data("body".utf8))
        expect("usage.argument") { try identity.sign(post, purpose: .summary) }
    }

    func testARequestWithoutAnAbsoluteUrl() throws {
        var nothing = try request(origin)
        nothing.url = nil
        expect("usage.argument") { try agent().sign(nothing, purpose: .summary) }
        expect("usage.argument") { try agent().sign(request("/relative"), purpose: .summary) }
        XCTAssertEqual(try knowing(agent()).verify(nothing, now: now).verdict.visitor, .unsignedClient)
    }

    func testASessionSendsItAndFollowsNoRedirect() async throws {
        let identity = try agent()
        let server = try Server()
        defer { server.stop() }
        let session = URLSession(configuration: .ephemeral, delegate: NoRedirects(), delegateQueue: nil)
        defer { session.invalidateAndCancel() }
        let url = try XCTUnwrap(URL(string: "http://127.0.0.1:\(server.port)/redirect"))
        let signed = try identity.sign(URLRequest(url: url), purpose: .ragRetrieval)
        let (_, answer) = try await session.data(for: signed)
        XCTAssertEqual((answer as? HTTPURLResponse)?.statusCode, 302)
        XCTAssertEqual(server.requests.all.count, 1, "the redirect is the answer")
        let lines = try XCTUnwrap(server.requests.all.first)
        for name in ["x-imagxp-payload", "x-imagxp-signature", "user-agent"] {
            let sent = lines.values(name)
            XCTAssertEqual(sent, [signed.value(forHTTPHeaderField: name)], name)
        }
    }
}
