import Foundation
import Imagxp

/// The Swift conformance runner (DESIGN §6): one JSON line in, one JSON line out, through the package's public API.
@main
enum Runner {
    static func main() {
        let cases = [UInt8](FileHandle.standardInput.readDataToEndOfFile())
        let policy = Data(#"{"version":1,"origins":["https://example.org"]}"#.utf8)
        // The generator's table goes with the last publisher: one that stays spares every case making it anew.
        withExtendedLifetime(try? Publisher(policy: Policy.fromJson(document: policy), secret: secret)) {
            for line in cases.split(separator: UInt8(ascii: "\n")) where line.contains(where: { $0 != UInt8(ascii: " ") }) {
                FileHandle.standardOutput.write(answer(line))
            }
        }
    }

    private static let operations: [String: @Sendable (Case) throws -> Answer] = [
        "verify": verify,
        "sequence": sequence,
        "sign": sign,
        "canonicalize": canonicalForm,
        "key": key,
        "key_file": keyFile,
        "signature": signature,
        "jws": jws,
        "host": { [("valid", .flag(isAgentId(name: try $0.string("name"))))] },
        "address": { [("allowed", .flag(isPublicAddress(text: try $0.string("ip"))))] },
        "manifest": manifest,
        "visa": visa,
        "provenance": provenance,
        "feedback": feedback,
        "robots": robots,
        "preferences": preferences,
        "audit": audit,
        "offer": offer,
        "spend": spend,
        "assertion": assertion,
    ]

    /// Answers one line; whatever happens, with one line that carries the case's id.
    private static func answer(_ line: ArraySlice<UInt8>) -> Data {
        var identifier = Value.null
        func answered() throws -> Answer {
            let found = try Case(Json(bytes: line))
            identifier = found.optional("id").map { .raw($0.data) } ?? .null
            guard let operation = operations[try found.string("op")] else { return [("unsupported", .flag(true))] }
            return try operation(found)
        }
        let members: Answer
        do {
            members = try answered()
        } catch let error as ImagxpError {
            members = [("error_code", .text(error.code))]
        } catch {
            members = [("error", .text("\(error)"))]
        }
        var written = Data()
        Value.object([("id", identifier)] + members).write(to: &written)
        written.append(UInt8(ascii: "\n"))
        return written
    }
}
