"""Who may call an endpoint and change it, over every door of the real program: keys, tokens of the server and of an OpenID
Connect issuer, roles, and what those without a right learn, which is nothing."""

import base64
import time

import grpc
import pytest
import requests
from endpoints import EndpointServer, infer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from issuer import Issuer, make_key, make_token, read_token
from server import NO_PERMISSION, PATIENCE, eventually, pb

OK, UNAUTHENTICATED, PERMISSION_DENIED = (
    grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
SERVED, UNKNOWN_CALLER, NO_RIGHT = (OK, 200), (UNAUTHENTICATED, 401), (PERMISSION_DENIED, 403)
# Of the server's tokens, in seconds.
LIFETIME = 10


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    with Issuer(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def server(tmp_path_factory, issuer):
    """With an endpoint of each kind, called as its `auth_mode`, and `other`, also by key."""
    options = ["--oidc-issuer", f"corp={issuer.address},apus", "--token-lifetime", f"{LIFETIME}s"]
    with EndpointServer(tmp_path_factory.mktemp("access"), *options) as server:
        server.make_model("simple")
        for name, mode in (("by-key", "Key"), ("other", "Key"), ("by-token", "AMLToken"), ("by-issuer", "AADToken")):
            server.make_endpoint(name, mode)
            server.make_deployment(name, "blue")
            server.set_traffic(name, blue=100)
        yield server


def doors(server, endpoint, credential):
    """What both doors answer to one credential, which has to mean the same."""
    code = server.call("ModelInfer", infer(endpoint), credential)[0]
    return code, server.score(endpoint, credential).status_code


def everything_said(server, endpoint, credential):
    """All that a caller can learn of an endpoint, through both doors, without its name."""
    said = []
    for path in ("", "/ready", "/config", "/stats", "/versions/blue", "/versions/blue/ready", "/swagger.json"):
        answer = server.get(f"/v2/models/{endpoint}{path}", credential)
        said.append((path, answer.status_code, answer.text))
    for path in (f"/endpoints/{endpoint}/swagger.json", f"/v2/models/{endpoint}/trace/setting"):
        answer = server.get(path, credential)
        said.append((path, answer.status_code, answer.text))
    for headers in ({}, {"azureml_model_deployment": "blue"}):
        answer = server.score(endpoint, credential, **headers)
        said.append(("score", answer.status_code, answer.text))
    answer = requests.post(f"{server.http}/v2/models/{endpoint}/infer", json={"inputs": []}, timeout=PATIENCE,
                           headers={"authorization": f"Bearer {credential}"} if credential else {})
    said.append(("infer", answer.status_code, answer.text))
    for method, request in (
        ("ModelInfer", infer(endpoint)), ("ModelInfer", infer(endpoint, model_version="blue")),
        ("ModelMetadata", pb.ModelMetadataRequest(name=endpoint)), ("ModelReady", pb.ModelReadyRequest(name=endpoint)),
        ("ModelConfig", pb.ModelConfigRequest(name=endpoint)), ("ModelStatistics", pb.ModelStatisticsRequest(name=endpoint)),
    ):
        code, text, _, _ = server.call(method, request, credential)
        said.append((method, code, str(text)))
    health = health_pb2_grpc.HealthStub(server.channel())
    metadata = [("authorization", f"Bearer {credential}")] if credential else []
    try:
        said.append(("Check", str(health.Check(
            health_pb2.HealthCheckRequest(service=endpoint), timeout=PATIENCE, metadata=metadata))))
    except grpc.RpcError as error:
        said.append(("Check", error.code(), error.details()))
    return [tuple(str(part).replace(endpoint, "NAME") for part in parts) for parts in said]


# MARK: what is not told


def test_to_nobody_an_endpoint_that_is_there_and_one_that_is_not_look_the_same(server):
    for credential in (None, "wrong", "a.b.c"):
        there, absent = (everything_said(server, name, credential) for name in ("by-key", "absent"))
        assert there == absent
        assert {said[1] for said in there if said[0] != "Check"} <= {"401", "404", "StatusCode.UNAUTHENTICATED"}


def test_to_the_key_of_another_endpoint_they_look_the_same_too(server):
    key = server.keys("other")[0]
    assert everything_said(server, "by-key", key) == everything_said(server, "absent", key)


def test_to_somebody_known_without_a_right_they_look_the_same_too(server, issuer):
    token = issuer.token("stranger")
    there, absent = (everything_said(server, name, token) for name in ("by-issuer", "absent"))
    assert there == absent
    assert doors(server, "by-issuer", token) == doors(server, "absent", token) == NO_RIGHT


def test_lists_over_the_data_doors_do_not_name_endpoints(server):
    for credential in (None, "wrong"):
        index = server.call("RepositoryIndex", pb.RepositoryIndexRequest(), credential)[1]
        assert "by-key" not in str(index)
        statistics = server.call("ModelStatistics", pb.ModelStatisticsRequest(), credential)[1]
        assert "by-key" not in str(statistics)
        for path in ("/v2", "/v2/models", "/v2/models/stats", "/v2/health/ready"):
            assert "by-key" not in server.get(path, credential).text


def test_nobody_loads_a_model_beside_the_endpoints(server):
    parameters = {"config": "{}", "file:1/model.onnx": base64.b64encode(b"x").decode()}
    answer = requests.post(f"{server.http}/v2/repository/models/intruder/load", json={"parameters": parameters}, timeout=PATIENCE)
    assert answer.status_code == 503 and "model control is switched off" in answer.text
    assert server.call("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="intruder"))[0] == (
        grpc.StatusCode.UNAVAILABLE)
    assert server.call("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="intruder"))[0] == (
        grpc.StatusCode.UNAVAILABLE)


# MARK: keys


def test_both_keys_open_their_endpoint_and_no_other(server):
    for key in server.keys("by-key"):
        assert doors(server, "by-key", key) == SERVED
        assert doors(server, "other", key) == UNKNOWN_CALLER
        assert doors(server, "by-key", key[:-1]) == doors(server, "by-key", key + "x") == UNKNOWN_CALLER


def test_a_rotated_key_is_refused_at_once_while_the_other_goes_on(server):
    primary, secondary = server.keys("by-key")
    assert doors(server, "by-key", primary) == doors(server, "by-key", secondary) == SERVED
    server.run("endpoint", "regenerate-keys", "-n", "by-key", "--key-type", "primary", "-y")
    assert doors(server, "by-key", primary) == UNKNOWN_CALLER
    assert doors(server, "by-key", secondary) == SERVED
    fresh, same = server.keys("by-key")
    assert same == secondary and fresh != primary
    assert doors(server, "by-key", fresh) == SERVED
    server.ask("POST", "onlineEndpoints/by-key/regenerateKeys", {"keyType": "Secondary"})
    assert doors(server, "by-key", secondary) == UNKNOWN_CALLER
    assert doors(server, "by-key", fresh) == SERVED


def test_keys_survive_a_restart_and_lie_nowhere_in_the_clear(server):
    keys = server.keys("other")
    server.restart()
    assert server.keys("other") == keys
    assert doors(server, "other", keys[0]) == SERVED
    for file in server.data.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [key for key in keys if key.encode() in content], file
    assert not [key for key in keys if key in server.log()]


# MARK: the server's own tokens


def test_a_token_of_the_server_opens_its_endpoint_and_no_other(server):
    token = server.run("endpoint", "get-credentials", "-n", "by-token", "--query", "accessToken", "-o", "tsv").stdout.strip()
    assert doors(server, "by-token", token) == SERVED
    assert doors(server, "by-key", token) == doors(server, "absent", token)
    assert doors(server, "by-key", token)[0] != OK
    # It is no way into the control plane either.
    server.ask("GET", "onlineEndpoints", token=token, status=401)


def test_a_token_without_a_good_signature_is_refused(server, tmp_path):
    header, claims = read_token(server.ask("POST", "onlineEndpoints/by-token/token").json()["accessToken"])
    claims["exp"] += 3600  # so that it is not for its age
    own = make_key(tmp_path / "own.pem", "ec")
    assert header["alg"] == "ES256"
    for bad in (
        make_token(header | {"alg": "none"}, claims), make_token({"alg": "none"}, claims), make_token(header, claims),
        make_token(header, claims, own), make_token(header | {"kid": "other"}, claims, own),
        make_token({"alg": "ES256"}, claims, own), make_token(header, claims | {"iss": "elsewhere"}, own),
        make_token(header, claims | {"aud": "another"}, own),
        make_token(header | {"alg": "RS256"}, claims, make_key(tmp_path / "rsa.pem", "rsa")),
    ):
        assert doors(server, "by-token", bad) == UNKNOWN_CALLER, read_token(bad)


def test_claims_that_were_changed_after_signing_are_refused(server):
    token = server.ask("POST", "onlineEndpoints/by-token/token").json()["accessToken"]
    head, body, signature = token.split(".")
    header, claims = read_token(token)
    changed = make_token(header, claims | {"exp": claims["exp"] + 3600}).rstrip(".")
    assert doors(server, "by-token", f"{changed}.{signature}") == UNKNOWN_CALLER
    last = "A" if signature[-10] != "A" else "B"
    assert doors(server, "by-token", f"{head}.{body}.{signature[:-10]}{last}{signature[-9:]}") == UNKNOWN_CALLER


# MARK: tokens of an OpenID Connect issuer


@pytest.fixture(scope="module")
def caller(server, issuer):
    """Somebody with the right to call `by-issuer`."""
    role = ["--assignee", "oidc:corp:caller", "--assignee-type", "User", "--role", "Endpoint Operator",
            "--scope", "endpoint/by-issuer"]
    server.run("role", "assignment", "create", *role)
    return "caller"


def test_an_issuers_token_opens_what_its_subject_has_a_right_to(server, issuer, caller):
    assert doors(server, "by-issuer", issuer.token(caller)) == SERVED
    assert doors(server, "by-issuer", issuer.token("stranger")) == NO_RIGHT
    assert doors(server, "by-key", issuer.token(caller)) == doors(server, "absent", issuer.token(caller))


@pytest.mark.parametrize("claims", [
    {"exp": 1_700_000_000}, {"nbf": 4_000_000_000}, {"aud": "another"}, {"aud": []}, {"iss": "http://127.0.0.1:1"},
    {"exp": None}], ids=["expired", "not yet good", "of another audience", "of none", "of another issuer", "without an end"])
def test_an_issuers_token_is_refused_when_it_is(server, issuer, caller, claims):
    assert doors(server, "by-issuer", issuer.token(caller, **claims)) == UNKNOWN_CALLER


def test_an_issuers_token_is_refused_without_its_signature(server, issuer, caller, tmp_path):
    claims = issuer.claims(caller)
    for bad in (
        make_token({"alg": "none"}, claims), make_token({"alg": "none", "kid": "1"}, claims),
        make_token({"alg": "RS256", "kid": "1"}, claims),
        issuer.token(caller, key=make_key(tmp_path / "swapped.pem", "rsa")),
        make_token({"alg": "ES256", "kid": "1"}, claims, make_key(tmp_path / "ec.pem", "ec")),
    ):
        assert doors(server, "by-issuer", bad) == UNKNOWN_CALLER


# MARK: roles


def test_a_role_that_is_given_or_taken_counts_at_once_at_both_doors(server, issuer):
    token = issuer.token("guest")
    assert doors(server, "by-issuer", token) == NO_RIGHT
    role = {"principalId": "oidc:corp:guest", "principalType": "User", "role": "Endpoint Operator", "scope": "endpoint/by-issuer"}
    server.ask("PUT", "roleAssignments/guest", {"properties": role})
    assert doors(server, "by-issuer", token) == SERVED
    server.ask("DELETE", "roleAssignments/guest")
    assert doors(server, "by-issuer", token) == NO_RIGHT


def test_a_principals_secret_opens_what_its_role_says_until_it_is_replaced(server):
    secret = server.ask("PUT", "principals/batcher", {"properties": {"principalType": "ServicePrincipal"}}).json()["secret"]
    assert doors(server, "by-issuer", secret) == doors(server, "absent", secret) == NO_RIGHT
    role = {"principalId": "local:batcher", "principalType": "ServicePrincipal", "role": "Endpoint Scorer",
            "scope": "endpoint/by-issuer"}
    server.ask("PUT", "roleAssignments/batcher", {"properties": role})
    assert doors(server, "by-issuer", secret) == SERVED
    # Endpoints of another mode take no principals, and one that is not there looks like them.
    assert doors(server, "by-key", secret) == doors(server, "by-token", secret) == doors(server, "absent", secret) == NO_RIGHT
    fresh = server.ask("POST", "principals/batcher/rotateSecret").json()["secret"]
    assert doors(server, "by-issuer", secret) == UNKNOWN_CALLER
    assert doors(server, "by-issuer", fresh) == SERVED
    server.ask("DELETE", "principals/batcher")
    assert doors(server, "by-issuer", fresh) == UNKNOWN_CALLER


def test_a_role_without_the_right_reads_and_does_not_write(server):
    secret = server.ask("PUT", "principals/reader", {"properties": {"principalType": "ServicePrincipal"}}).json()["secret"]
    role = {"principalId": "local:reader", "principalType": "ServicePrincipal", "role": "Reader", "scope": "workspace"}
    server.ask("PUT", "roleAssignments/reader", {"properties": role})
    server.ask("GET", "onlineEndpoints/by-key", token=secret)
    for method, path, body in (
        ("PUT", "onlineEndpoints/by-key", {"properties": {"authMode": "Key"}}), ("DELETE", "onlineEndpoints/by-key", None),
        ("PATCH", "onlineEndpoints/by-key", {"tags": {"a": "b"}}), ("POST", "onlineEndpoints/by-key/listKeys", None),
        ("POST", "onlineEndpoints/by-key/regenerateKeys", {"keyType": "Primary"}),
        ("POST", "onlineEndpoints/by-token/token", None), ("DELETE", "onlineEndpoints/by-key/deployments/blue", None),
        ("PUT", "principals/more", {"properties": {}}), ("POST", "uploads", {"manifest": ""}),
        ("PUT", "roleAssignments/mine", {"properties": role | {"role": "Owner"}}),
    ):
        answer = server.ask(method, path, body, token=secret, status=403)
        assert answer.json()["error"]["code"] == "AuthorizationFailed"
        # The same for what is not there.
        if "by-key" in path:
            same = server.ask(method, path.replace("by-key", "absent"), body, token=secret, status=403)
            assert same.text.replace("absent", "by-key") == answer.text
    refused = server.run("endpoint", "delete", "-n", "by-key", "-y", token=secret, status=NO_PERMISSION)
    assert "AuthorizationFailed" in refused.stderr
    server.ask("DELETE", "principals/reader")
    server.ask("GET", "onlineEndpoints/by-key", token=secret, status=401)


def test_a_first_secret_is_good_once(server):
    answer = requests.post(server.control + "/login", json={"secret": server.secret}, timeout=PATIENCE)
    assert answer.status_code == 401


def test_every_change_is_in_the_audit_log_with_who_made_it(server):
    server.ask("PATCH", "onlineEndpoints/other", {"tags": {"audited": "yes"}})
    entry = server.ask("GET", "auditLog?count=1").json()["value"][0]
    assert entry["principal"] == "local:admin" and entry["resource"] == "onlineEndpoints/other"


# MARK: the end of a token


def test_a_token_of_the_server_is_refused_when_it_has_expired(server):
    token = server.ask("POST", "onlineEndpoints/by-token/token").json()["accessToken"]
    claims = read_token(token)[1]
    assert claims["exp"] == claims["iat"] + LIFETIME
    assert doors(server, "by-token", token) == SERVED
    gone = lambda: doors(server, "by-token", token) == UNKNOWN_CALLER
    eventually(gone, seconds=LIFETIME + PATIENCE, every=0.2, what="the token's end")
    assert time.time() >= claims["exp"]
