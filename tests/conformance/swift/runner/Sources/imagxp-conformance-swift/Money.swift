import Foundation
import Imagxp

func offer(_ found: Case) throws -> Answer {
    let body = Data(try found.string("body").utf8)
    let offer: Offer
    do {
        offer = try readOffer(body: body)
    } catch let error as ImagxpError {
        return [("code", .text(error.code))]
    }
    let answer: Answer = [
        ("code", .null), ("price", .text(offer.price)), ("currency", .text(offer.currency)),
        ("purposes", .strings(offer.purposes.map(\.description))), ("brokers", .strings(offer.brokers.map(\.issuer))),
    ]
    return found.has("trusted") ? answer + [("chosen", .text(try chosen(found, body)))] : answer
}

/// Where a visit would ask for a visa: through the public machine, which is what chooses.
private func chosen(_ found: Case, _ body: Data) throws -> String {
    let agent = try Agent(
        identity: Identity.generate(agentId: "agent.example"), purpose: .summary, product: "Conformance",
        wallet: Wallet(caps: [Caps(currency: "USD", perRequest: "1000000")]),
        brokers: found.strings("trusted").map { Broker(issuer: $0) }, discover: false)
    let visit = try agent.visit(method: "GET", url: "https://pub.example/")
    _ = try visit.start()
    let action = try visit.answered(status: 402, headers: [], body: body)
    guard action.kind == .requestToken else { return action.error?.code ?? "\(action.kind)" }
    return action.url
}

func spend(_ found: Case) throws -> Answer {
    let caps = try found.object("caps")
    let currency = try caps.string("currency")
    let wallet = try Wallet(caps: [
        Caps(
            currency: currency, perRequest: caps.string("per_request"), perHost: caps.optionalString("per_host"),
            perDay: caps.optionalString("per_day"), total: caps.optionalString("total"))
    ])
    let ends: [String: Settlement] = ["spent": .spent, "released": .released, "unknown": .unknown]
    let results = try found.json("steps").elements().map { json -> Value in
        let step = try Case(json)
        if let name = try step.optionalString("settle") {
            guard let end = ends[name] else { throw Broken("\(name) is no end") }
            try wallet.settle(id: step.string("id"), end: end)
            return .object([("spent", .text(try wallet.spent(currency: currency)))])
        }
        do {
            let again = try wallet.reserve(
                id: step.string("id"), agentId: step.string("agent_id"), issuer: step.string("issuer"),
                audience: step.string("audience"), purpose: .summary, amount: step.string("amount"),
                currency: step.string("currency"), now: step.time())
            return .object([("code", .null), ("again", .optional(again))])
        } catch let error as ImagxpError {
            return .object([("code", .text(error.code)), ("again", .null)])
        }
    }
    return [("results", .list(results))]
}

func assertion(_ found: Case) throws -> Answer {
    let (endpoint, now) = (try found.string("token_endpoint"), try found.time())
    if found.has("key") {
        let assertion = try signAssertion(
            identity: found.identity(), tokenEndpoint: endpoint, jti: found.string("jti"), now: now)
        return [("assertion", .text(assertion))]
    }
    let manifest = try Manifest.parse(body: found.data("manifest"), agentId: found.string("agent_id"))
    do {
        let assertion = try verifyAssertion(
            assertion: found.string("assertion"), manifest: manifest, tokenEndpoint: endpoint, now: now)
        return [("code", .null), ("jti", .text(assertion.jti)), ("key_id", .text(assertion.keyId))]
    } catch let error as ImagxpError {
        return [("code", .text(error.code)), ("jti", .null), ("key_id", .null)]
    }
}
