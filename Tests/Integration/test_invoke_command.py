"""`apus endpoint invoke`, and the credentials that it and other callers send. The control plane is scripted."""

import json

from control_plane import write
from server import FAILED, NO_PERMISSION, USAGE


def test_credentials_by_mode(plane, apus):
    plane.keep_endpoint()
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (200, {"primaryKey": "p", "secondaryKey": "s"}))
    assert apus("endpoint", "get-credentials", "-n", "churn", "--query", "primaryKey", "-o", "tsv").stdout == "p\n"
    plane.rule("POST", "/onlineEndpoints/churn/regenerateKeys", (202, None))
    assert "--yes" in apus("endpoint", "regenerate-keys", "-n", "churn", status=USAGE).stderr
    apus("endpoint", "regenerate-keys", "-n", "churn", "--key-type", "secondary", "-y")
    assert plane.sent("POST", ".*regenerateKeys")[0].body == {"keyType": "Secondary"}
    plane.keep_endpoint(authMode="AMLToken")
    plane.rule("POST", "/onlineEndpoints/churn/token", (200, {"accessToken": "t", "expiryTimeUtc": 9}))
    for verb in ("get-credentials", "get-token"):
        assert json.loads(apus("endpoint", verb, "-n", "churn").stdout)["accessToken"] == "t"
    plane.keep_endpoint(authMode="AADToken")
    assert "issuer" in apus("endpoint", "get-credentials", "-n", "churn", status=USAGE).stderr


def test_invoke_sends_what_callers_send(plane, apus, tmp_path):
    plane.keep_endpoint()
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (200, {"primaryKey": "p", "secondaryKey": "s"}))
    plane.rule("POST", "/endpoints/churn/score", (200, b'{"predictions": [1, 2]}'))
    write(tmp_path, "row.json", '{"rows": [[1]]}')
    done = apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", "-d", "green")
    assert (done.stdout, done.stderr) == ('{"predictions": [1, 2]}', "")
    call, = plane.sent("POST", "/endpoints/churn/score")
    assert call.content == b'{"rows": [[1]]}'
    assert call.headers["authorization"] == "Bearer p"
    assert call.headers["azureml-model-deployment"] == "green"
    assert call.headers["content-type"] == "application/json"
    done = apus("invoke", "-n", "churn", "-r", "-", "--query", "predictions[1]", stdin="{}")
    assert done.stdout == "2\n"


def test_invoke_without_the_right_to_keys(plane, apus, tmp_path):
    plane.keep_endpoint()
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (403, {"error": {"code": "AuthorizationFailed", "message": "no"}}))
    plane.rule("POST", "/endpoints/churn/score", (200, b"[]"))
    write(tmp_path, "row.json", "{}")
    assert "APUS_ENDPOINT_KEY" in apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", status=NO_PERMISSION).stderr
    apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", APUS_ENDPOINT_KEY="k")
    assert plane.sent("POST", "/endpoints/.*")[0].headers["authorization"] == "Bearer k"


def test_an_endpoints_error_is_told_with_the_models_own_status(plane, apus, tmp_path):
    plane.keep_endpoint(authMode="AADToken")
    plane.rule("POST", "/endpoints/churn/score", (
        424, {"error": {"code": "ModelError", "message": "shape"}}, {"ms-azureml-model-error-statuscode": "400"}))
    write(tmp_path, "row.json", "{}")
    done = apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", status=FAILED, APUS_TOKEN="mine")
    assert "answered 424: shape (the model's own status: 400)" in done.stderr
    assert plane.sent("POST", "/endpoints/.*")[0].headers["authorization"] == "Bearer mine"
