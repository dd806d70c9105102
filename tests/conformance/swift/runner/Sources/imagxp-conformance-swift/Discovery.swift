import Foundation
import Imagxp

func robots(_ found: Case) throws -> Answer {
    let parsed = try Robots.parse(text: found.bytes("robots") ?? Data())
    let token = try found.string("product_token")
    let allowed = try found.strings("paths").map { Value.flag(try parsed.allows(productToken: token, pathAndQuery: $0)) }
    return [("allowed", .list(allowed)), ("policy_urls", .strings(try parsed.policyUrls(productToken: token)))]
}

func preferences(_ found: Case) throws -> Answer {
    let report = try discover(
        url: found.string("url"), productToken: found.string("product_token"), robots: found.bytes("robots"),
        robotsStatus: found.optional("robots_status").map { UInt16(try $0.integer()) }, headers: found.headers("headers"),
        rsl: found.bytes("rsl").map { ["https://pub.example/license.xml": $0] }, policy: found.bytes("policy"))
    return [("report", .raw(report.toJson()))]
}
