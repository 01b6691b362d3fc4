"""A control plane with nothing behind it: keeps what it is sent, and answers as the test says. For tests of the client."""

import hashlib
import http.server
import json
import os
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
        # What is only to be looked at has a name of its own.
        method = "CHECK" if query == "validateOnly=true" else self.command
        request = Request(method, path, query, {k.lower(): v for k, v in self.headers.items()}, content)
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
    begin, its last for good. Without a rule: PUT keeps, GET gives what is kept or 404, DELETE forgets, and CHECK, a PUT that
    is only to be looked at, finds nothing wrong."""

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
        if request.method == "CHECK":
            return 200, {}, {}
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

    def keep_endpoint(self, name="churn", **properties):
        self.keep(f"/onlineEndpoints/{name}", {"tags": {}, "properties": {"authMode": "Key", "traffic": {}} | properties})


class Uploads:
    """The server's side of uploads: holds blobs by digest, and may stop in the middle."""

    def __init__(self, plane):
        self.blobs, self.trees, self.breaks = {}, {}, []
        plane.rule("POST", "/uploads", self.begin)
        plane.rule("GET", "/uploads/u", lambda request: (200, self.status()))
        plane.rule("PATCH", "/uploads/u/blobs/.*", self.append)
        plane.rule("POST", "/uploads/u/complete", self.complete)

    def begin(self, request):
        self.text = request.body["manifest"]
        head, *lines = self.text.splitlines()
        assert head == "apus-tree 1"
        self.files = [(line.split(" ", 3)) for line in lines]
        return 201, self.status()

    def status(self):
        missing = [{"sha256": digest, "offset": len(self.blobs.get(digest, b"")), "size": int(size)}
                   for digest, size, _, _ in self.files if len(self.blobs.get(digest, b"")) < int(size)]
        return {"uploadId": "u", "missing": missing, "digest": hashlib.sha256(self.text.encode()).hexdigest()}

    def append(self, request):
        digest = request.path.rsplit("/", 1)[1]
        unit, span = request.headers["content-range"].split(" ")
        start, end = (int(part) for part in span.split("/")[0].split("-"))
        held = self.blobs.get(digest, b"")
        if start != len(held):
            return 409, {"error": {"code": "Conflict", "message": f"the next byte is {len(held)}"}}
        assert len(request.content) == end - start + 1
        if self.breaks:
            self.blobs[digest] = held + request.content[: self.breaks.pop(0)]
            return None
        self.blobs[digest] = held + request.content
        return 200, {"offset": len(self.blobs[digest])}

    def complete(self, request):
        for digest, size, _, _ in self.files:
            assert hashlib.sha256(self.blobs.get(digest, b"")).hexdigest() == digest
        tree = hashlib.sha256(self.text.encode()).hexdigest()
        self.trees[tree] = self.text
        return 200, {"digest": tree, "modelUri": f"artifact:{tree}"}


# Files to send


def write(folder, name, text):
    (folder / name).write_text(text)
    return name


def model_folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.onnx").write_bytes(os.urandom(300_000))
    (folder / "labels.txt").write_text("no\nyes\n")
    (folder / "empty").write_bytes(b"")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    return folder
