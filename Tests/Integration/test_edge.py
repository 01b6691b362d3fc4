"""Who is let in to an endpoint by the way that he came, and by his certificate. Real servers, set up by the real commands."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2_grpc

from server import APUS, PATIENCE, Server, copy_models, environment, failure, free_port, outputs_of, pb
from server import simple_request

SPIFFE = "spiffe://example.org/scorer"


class World:
    """A server with a data directory, whose control plane is on a Unix socket, and its administrator."""

    def __init__(self, folder, *options, credentials=None):
        self.folder = folder
        self.control = folder / "control.sock"
        self.http, self.private_http, self.private = free_port(), free_port(), free_port()
        (folder / "repository").mkdir()
        secret = self.apus("init", "--data", folder / "data").strip().splitlines()[-1]
        self.server = Server(
            folder / "repository", "--data", folder / "data", "--control-listen", f"unix:{self.control}",
            "--http-listen", f"127.0.0.1:{self.http}", "--private-http-listen", f"127.0.0.1:{self.private_http}",
            "--private-listen", f"127.0.0.1:{self.private}", *options, credentials=credentials)
        self.apus("login", "--server", f"unix:{self.control}", "--secret", secret)
        copy_models(folder, "simple")

    def apus(self, *arguments):
        settings = environment() | {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config")}
        done = subprocess.run(
            [str(part) for part in (APUS, *arguments)], capture_output=True, text=True, cwd=self.folder, env=settings,
            timeout=4 * PATIENCE)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def endpoint(self, name, **settings):
        """An endpoint with one deployment that has all of its traffic."""
        (self.folder / "endpoint.yml").write_text(json.dumps({"name": name} | settings))
        (self.folder / "blue.yml").write_text(json.dumps({
            "name": "blue", "endpoint_name": name, "instance_count": 1,
            "model": {"path": "simple", "type": "triton_model"}}))
        self.apus("endpoint", "create", "-f", "endpoint.yml")
        self.apus("deployment", "create", "-f", "blue.yml", "--all-traffic")

    def allow(self, principal, endpoint):
        self.apus("role", "assignment", "create", "--assignee", principal, "--role", "Endpoint Scorer",
                  "--scope", f"endpoint/{endpoint}")


def request_to(endpoint):
    request = simple_request()
    request.model_name = endpoint
    return request


def score(port, endpoint, headers=(), context=None):
    """The status and body of a request over HTTP."""
    values = [[1] * 16]
    body = {"inputs": [{"name": name, "datatype": "INT32", "shape": [1, 16], "data": values} for name in ("INPUT0", "INPUT1")]}
    scheme = "https" if context else "http"
    asked = urllib.request.Request(
        f"{scheme}://localhost:{port}/v2/models/{endpoint}/infer", json.dumps(body).encode(),
        {"Content-Type": "application/json"} | dict(headers))
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# The way in


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    with world.server:
        world.endpoint("inside", auth_mode="key", public_network_access="disabled")
        world.endpoint("outside", auth_mode="key")
        yield world


def key(world, endpoint):
    keys = json.loads(world.apus("endpoint", "get-credentials", "-n", endpoint, "-o", "json"))
    return f"Bearer {keys.get('primaryKey') or keys['primary_key']}"


def test_an_endpoint_without_public_network_access_is_not_there_for_the_public(world):
    credential = [("authorization", key(world, "inside"))]
    stub = world.server.stub()
    inside = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{world.private}"))
    calls = [
        ("ModelInfer", request_to), ("ModelReady", lambda name: pb.ModelReadyRequest(name=name)),
        ("ModelMetadata", lambda name: pb.ModelMetadataRequest(name=name)),
        ("ModelConfig", lambda name: pb.ModelConfigRequest(name=name)),
        ("ModelStatistics", lambda name: pb.ModelStatisticsRequest(name=name)),
    ]
    for method, request in calls:
        for metadata in ([], credential):
            hidden = failure(getattr(stub, method), request("inside"), metadata=metadata)
            unknown = failure(getattr(stub, method), request("nowhere"), metadata=metadata)
            assert (hidden.code(), hidden.details()) == (unknown.code(), unknown.details()), method
        assert getattr(inside, method)(request("inside"), metadata=credential, timeout=PATIENCE)
    answer = outputs_of(inside.ModelInfer(request_to("inside"), metadata=credential, timeout=PATIENCE))
    assert (answer["OUTPUT0"] == 2).all()
    health = health_pb2_grpc.HealthStub(world.server.channel())
    assert failure(health.Check, health_pb2.HealthCheckRequest(service="inside")).code().name == "NOT_FOUND"


def test_the_same_over_http(world):
    credential = {"Authorization": key(world, "inside")}
    for headers in ({}, credential):
        assert score(world.http, "inside", headers) == score(world.http, "nowhere", headers)
    assert score(world.private_http, "inside", credential)[0] == 200
    assert score(world.private_http, "inside")[0] == 401


def test_a_public_endpoint_is_served_everywhere(world):
    credential = {"Authorization": key(world, "outside")}
    for port in (world.http, world.private_http):
        assert score(port, "outside", credential)[0] == 200
    for stub in (world.server.stub(),
                 service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{world.private}"))):
        metadata = [("authorization", credential["Authorization"])]
        assert stub.ModelInfer(request_to("outside"), metadata=metadata, timeout=PATIENCE)


def test_a_change_of_the_access_is_in_force_at_once(world):
    credential = [("authorization", key(world, "outside"))]
    stub = world.server.stub()
    stub.ModelInfer(request_to("outside"), metadata=credential, timeout=PATIENCE)
    world.apus("endpoint", "update", "-n", "outside", "--set", "public_network_access=disabled")
    assert failure(stub.ModelInfer, request_to("outside"), metadata=credential)
    world.apus("endpoint", "update", "-n", "outside", "--set", "public_network_access=enabled")
    stub.ModelInfer(request_to("outside"), metadata=credential, timeout=PATIENCE)


# Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and what it signed: for the server, and for clients with different names."""
    folder = tmp_path_factory.mktemp("certificates")
    curve = "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", *curve, "-days", "2", "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=authority")
    for name, subject, names in (
            ("server", "/CN=server", "DNS:localhost,IP:127.0.0.1"), ("spiffe", "/CN=one", f"URI:{SPIFFE},DNS:two.example.org"),
            ("dns", "/CN=one", "DNS:two.example.org"), ("common", "/O=Example/CN=three", "IP:127.0.0.1"),
            ("nobody", "/O=Example", "IP:127.0.0.1")):
        (folder / f"{name}.cnf").write_text(f"subjectAltName={names}\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.cnf", "-out", f"{name}.pem")
    return folder


def credentials(certificates, client=None):
    read = lambda name: (certificates / name).read_bytes()
    if client is None:
        return grpc.ssl_channel_credentials(read("authority.pem"))
    return grpc.ssl_channel_credentials(read("authority.pem"), read(f"{client}.key"), read(f"{client}.pem"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory, certificates):
    world = World(
        tmp_path_factory.mktemp("secure"), "--tls-certificate", certificates / "server.pem", "--tls-key",
        certificates / "server.key", "--tls-client-ca", certificates / "authority.pem",
        credentials=credentials(certificates))
    with world.server:
        world.endpoint("scores", auth_mode="aad_token")
        world.allow(f"certificate:{SPIFFE}", "scores")
        world.allow("certificate:dns:two.example.org", "scores")
        world.allow("certificate:cn:three", "scores")
        yield world


def stub_as(secure, certificates, client=None):
    channel = grpc.secure_channel(secure.server.address, credentials(certificates, client))
    secure.server.channels.append(channel)
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("client", ["spiffe", "dns", "common"])
def test_a_certificate_opens_the_endpoints_that_its_principal_may_score(secure, certificates, client):
    stub = stub_as(secure, certificates, client)
    for _ in range(3):
        assert (outputs_of(stub.ModelInfer(request_to("scores"), timeout=PATIENCE))["OUTPUT0"] == 2).all()
    assert stub.ModelMetadata(pb.ModelMetadataRequest(name="scores"), timeout=PATIENCE).name == "scores"
    answers = stub.ModelStreamInfer(iter([request_to("scores")] * 2), timeout=PATIENCE)
    assert all(not answer.error_message for answer in answers)
    # What it shows itself counts before the certificate of its connection.
    refused = failure(stub.ModelInfer, request_to("scores"), metadata=[("authorization", "Bearer nonsense")])
    assert refused.code().name == "UNAUTHENTICATED"
    assert failure(stub.ModelInfer, request_to("nowhere")).code().name == "PERMISSION_DENIED"


@pytest.mark.parametrize("client", [None, "nobody"])
def test_without_a_certificate_that_says_who_it_is_a_client_is_nobody(secure, certificates, client):
    stub = stub_as(secure, certificates, client)
    assert failure(stub.ModelInfer, request_to("scores")).code().name == "UNAUTHENTICATED"


def test_a_right_that_is_taken_back_is_gone_for_connections_that_are_open(secure, certificates):
    stub = stub_as(secure, certificates, "common")
    stub.ModelInfer(request_to("scores"), timeout=PATIENCE)
    assignments = json.loads(secure.apus("role", "assignment", "list", "-o", "json"))
    name = next(one["name"] for one in assignments if one["principal_id"] == "certificate:cn:three")
    secure.apus("role", "assignment", "delete", "-n", name, "--yes")
    try:
        assert failure(stub.ModelInfer, request_to("scores")).code().name == "PERMISSION_DENIED"
    finally:
        secure.allow("certificate:cn:three", "scores")
    stub.ModelInfer(request_to("scores"), timeout=PATIENCE)


def test_certificates_count_over_https_too(secure, certificates):
    def context(client=None):
        made = ssl.create_default_context(cafile=certificates / "authority.pem")
        if client:
            made.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
        return made

    assert score(secure.http, "scores", context=context("spiffe"))[0] == 200
    assert score(secure.http, "scores", context=context())[0] == 401
    assert score(secure.http, "scores", context=context("nobody"))[0] == 401
