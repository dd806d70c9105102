"""The other side of fetches: a server for manifests that can misbehave, and a name server that says what a test wants."""

import contextlib
import http.client
import http.server
import socket
import ssl
import struct
import threading


class Answers(http.server.BaseHTTPRequestHandler):
    """A request, and how it is answered."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server:
    """A server on loopback that can misbehave: `behave(handler)` answers instead, if it is set; `release` ends a stall."""

    def __init__(self, handler, tls=None):
        self.lock = threading.Lock()
        self.behave = None
        self.release = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stall(self, handler):
        """Says nothing until the test ends."""
        self.release.wait(60)
        handler.close_connection = True

    def drip(self, handler):
        """A byte now and then, for ever."""
        handler.send_response(200)
        handler.send_header("Content-Length", "10000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not self.release.wait(0.1):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        handler.close_connection = True

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Manifests(Server):
    """Serves manifests."""

    def __init__(self, tls=None):
        outer = self

        class Handler(Answers):
            def do_GET(self):
                with outer.lock:
                    outer.requests.append((self.path, self.headers.items()))
                if outer.behave is not None:
                    outer.behave(self)
                    return
                self.answer(200, outer.document)

        self.requests = []
        self.document = b"{}"
        super().__init__(Handler, tls)


class Front(Server):
    """Stands before a broker (`backend`, a port) as a proxy does; notes what it is asked about visas, which `behave` is for."""

    def __init__(self):
        outer = self

        class Handler(Answers):
            def do_GET(self):
                self.forward(b"")

            def do_POST(self):
                self.body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != "/v1/visas/redeem":
                    self.forward(self.body)
                    return
                with outer.lock:
                    outer.asked.append(({name.lower(): value for name, value in self.headers.items()}, self.body))
                if outer.behave is None:
                    self.forward(self.body)
                else:
                    outer.behave(self)

            def forward(self, body):
                status, answer = outer.ask(self, body)
                self.answer(status, answer)

        self.asked = []
        self.backend = None
        super().__init__(Handler)

    def ask(self, handler, body):
        """What the broker answers: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.backend, timeout=30)
        try:
            # As it came: what is signed is signed for this very host.
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Names:
    """A name server: `addresses[name]` are the A records; a name that is missing does not exist."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                query, sender = self.socket.recvfrom(4096)
                self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        name, kind = ".".join(labels), struct.unpack(">H", query[at + 1 : at + 3])[0]
        self.asked.append(name)
        records = self.addresses.get(name, []) if kind == 1 else []
        code = 0 if name in self.addresses else 3
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(address) for address in records)
        return head + question + body

    def close(self):
        self.socket.close()
