import Foundation
import Imagxp

/// A server on loopback that answers every request with a redirect to itself, and keeps the header lines.
final class Server: @unchecked Sendable {
    let requests = Kept<[Header]>()
    let port: UInt16
    private let listener: Int32

    init() throws {
        #if os(Linux)
            listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        #else
            listener = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let done = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        guard done else { throw OwnError() }
        port = UInt16(bigEndian: address.sin_port)
        Thread { self.serve() }.start()
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve() {
        while true {
            let peer = accept(listener, nil, nil)
            if peer < 0 { return }
            requests.add(read(peer))
            let answer =
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:\(port)/next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            _ = send(peer, answer, answer.utf8.count, 0)
            close(peer)
        }
    }

    private func read(_ peer: Int32) -> [Header] {
        var text = Data()
        var buffer = [UInt8](repeating: 0, count: 4096)
        while text.range(of: Data("\r\n\r\n".utf8)) == nil {
            let count = recv(peer, &buffer, buffer.count, 0)
            if count <= 0 { break }
            text.append(contentsOf: buffer[..<count])
        }
        return String(decoding: text, as: UTF8.self).components(separatedBy: "\r\n").dropFirst().compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            return Header(name: String(parts[0]), value: parts[1].trimmingCharacters(in: .whitespaces))
        }
    }
}
