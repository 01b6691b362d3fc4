"""A control plane with nothing behind it: keeps what it is sent, and answers as the test says. For tests of the client."""

import http.server
import json
import re
import socketserver
import ssl
import threading

BASE = "/workspaces/default"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def handle_any(self):
        length = int(self.headers.get("content-length", 0))
        content = self.rfile.read(length) if length else b""
        if self.headers.get("transfer-encoding") == "chunked":
            content = self.read_chunks()
        path, _, query = self.path.partition("?")
        request = Request(self.command, path, query, {k.lower(): v for k, v in self.headers.items()}, content)
        answer = self.server.plane.answer(request)
        if answer is None:  # The connection breaks.
            self.close_connection = True
            self.connection.close()
            return
        status, headers, body = answer
        body = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read_chunks(self):
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def address_string(self):
        return "client"

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any


class Request:
    def __init__(self, method, path, query, headers, content):
        self.method, self.path, self.query, self.headers, self.content = method, path, query, headers, content

    @property
    def body(self):
        return json.loads(self.content) if self.content else None

    @property
    def place(self):
        """The path below the workspace."""
        return self.path.removeprefix(BASE)

    def __repr__(self):
        return f"{self.method} {self.path}"


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class ControlPlane:
    """`rules` maps (method, regular expression of the path below the workspace) to an answer: (status, body), (status,
    body, headers), or a function of the request that gives one; None breaks the connection. A list is used up from its
    begin, its last for good. Without a rule: PUT keeps, GET gives what is kept or 404, DELETE forgets."""

    def __init__(self, unix=None, tls=None):
        if unix:
            self.http = UnixServer(str(unix), Handler)
            self.address = f"unix:{unix}"
        else:
            self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            scheme = "https" if tls else "http"
            self.address = f"{scheme}://127.0.0.1:{self.http.server_address[1]}"
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(tls / "server.pem", tls / "server.key")
                context.load_verify_locations(tls / "authority.pem")
                context.verify_mode = ssl.CERT_OPTIONAL
                self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.http.plane = self
        self.requests, self.rules, self.kept = [], {}, {}
        self.lock = threading.Lock()
        self.revision = 0

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def rule(self, method, pattern, *answers):
        self.rules[(method, pattern)] = list(answers)

    def sent(self, method=None, pattern=".*"):
        """What came, without the bodies' being looked at."""
        return [r for r in self.requests if method in (None, r.method) and re.fullmatch(pattern, r.place)]

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
            for (method, pattern), answers in self.rules.items():
                if method == request.method and re.fullmatch(pattern, request.place):
                    answer = answers.pop(0) if len(answers) > 1 else answers[0]
                    if callable(answer):
                        answer = answer(request)
                    if answer is None:
                        return None
                    status, body, *headers = answer
                    return status, headers[0] if headers else {}, body
            return self.default(request)

    def default(self, request):
        place = request.place
        if request.method == "PUT":
            self.revision += 1
            isNew = place not in self.kept
            self.keep(place, request.body)
            return 201 if isNew else 200, {"ETag": f'"{self.revision}"'}, self.kept[place]
        if request.method == "GET" and place in self.kept:
            return 200, {"ETag": f'"{self.revision}"'}, self.kept[place]
        if request.method == "GET":
            below = [v for k, v in self.kept.items() if k.rsplit("/", 1)[0] == place]
            if below:
                return 200, {}, {"value": below}
        if request.method == "DELETE" and self.kept.pop(place, None):
            return 200, {}, None
        return 404, {}, {"error": {"code": "ResourceNotFound", "message": f"there is nothing at '{place}'"}}

    def keep(self, place, body):
        body = dict(body or {})
        body["name"] = place.rsplit("/", 1)[1]
        body["id"] = BASE + place
        if re.match(r"/(onlineEndpoints|models|environments)/", place):
            body["properties"] = dict(body.get("properties", {}), provisioningState="Succeeded")
        if re.fullmatch(r"/onlineEndpoints/[^/]*", place):
            body["properties"]["scoringUri"] = f"{self.address}/endpoints/{body['name']}/score"
        self.kept[place] = body
