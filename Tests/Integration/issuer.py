"""A small OpenID Connect issuer, and JSON Web Tokens, good and bad."""

import base64
import collections
import http.server
import json
import pathlib
import subprocess
import threading
import time


class Issuer:
    """A small OpenID Connect issuer with one RSA key, which signs whatever it is told to. `asked` counts by path."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.asked = collections.Counter()
        self.kid = 0
        self.rotate()
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                issuer.asked[self.path] += 1
                body = json.dumps(issuer.documents()[self.path]).encode() if self.path in issuer.documents() else b""
                self.send_response(200 if body else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def documents(self):
        modulus = subprocess.run(
            ["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        number = bytes.fromhex(modulus.strip().partition("=")[2])
        return {
            "/.well-known/openid-configuration": {"issuer": self.address, "jwks_uri": self.address + "/keys"},
            "/keys": {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": str(self.kid), "n": b64(number), "e": "AQAB"}]}}

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def claims(self, subject, **others):
        now = int(time.time())
        return {"iss": self.address, "aud": "apus", "sub": subject, "iat": now, "nbf": now, "exp": now + 600} | others

    def rotate(self):
        """Another key in the old one's place, with the next number; its first has 1."""
        self.kid += 1
        self.key = make_key(self.folder / f"{self.kid}.pem", "rsa")

    def token(self, subject, key=None, kid=None, **others):
        header = {"alg": "RS256", "typ": "JWT", "kid": str(kid or self.kid)}
        return make_token(header, self.claims(subject, **others), key or self.key)


# JSON Web Tokens


def b64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def make_key(path, kind):
    options = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}[kind]
    subprocess.run(["openssl", "genpkey", "-out", path, "-algorithm", *options], check=True, capture_output=True)
    return path


def make_token(header, claims, key=None):
    """Signed by RS256 or ES256, as the header says; by nothing without a key."""
    text = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())
    if key is None:
        return text + "."
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), check=True, capture_output=True).stdout
    return f"{text}.{b64(fixed_width(signature) if header['alg'] == 'ES256' else signature)}"


def fixed_width(signature):
    """The two numbers of an ECDSA signature in DER, each in 32 bytes. Source: RFC 7518, section 3.4."""
    numbers, rest = [], signature[2:]
    for _ in range(2):
        length = rest[1]
        numbers.append(int.from_bytes(rest[2:2 + length], "big").to_bytes(32, "big"))
        rest = rest[2 + length:]
    return b"".join(numbers)


def read_token(token):
    """Header and claims."""
    return tuple(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2])
