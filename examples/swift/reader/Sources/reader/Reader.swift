import Foundation
import Imagxp

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// An agent signs requests, a publisher judges them; neither knows the other's secrets. No network: the manifest goes from hand to hand.
@main
enum Reader {
    static func main() throws {
        let agent = try Agent(domain: "bot.example.com")
        let site = try Site(origin: "https://publisher.example")
        let article = URL(string: "https://publisher.example/articles/1")!

        func judge(_ what: String, _ request: URLRequest) throws {
            let verdict = try site.verdict(on: request) { need in
                need.url == "https://bot.example.com/.well-known/imagxp-agent.json" ? try? agent.manifest() : nil
            }
            let shown = what.padding(toLength: 28, withPad: " ", startingAt: 0)
            print("\(shown)  \(verdict.http)  \(verdict.code ?? "ok")  \(verdict.visitor)")
        }

        let signed = try agent.request(article, purpose: .ragRetrieval)
        try judge("signed for retrieval", signed)
        try judge("the same once more", signed)
        try judge("signed for training", agent.request(article, purpose: .crawlTraining))

        var elsewhere = try agent.request(article, purpose: .ragRetrieval)
        elsewhere.url = URL(string: "https://publisher.example/articles/2")
        try judge("sent to another page", elsewhere)

        let stranger = try Agent(domain: "bot.example.com")
        try judge("signed with another key", stranger.request(article, purpose: .ragRetrieval))
        try judge("a reader that says nothing", URLRequest(url: article))
    }
}
