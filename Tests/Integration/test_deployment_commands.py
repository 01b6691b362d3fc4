"""`apus deployment` as a shell sees it. The control plane is scripted."""

import json

from control_plane import Uploads, model_folder, write
from server import FAILED, USAGE

BLUE = """
name: blue
endpoint_name: churn
model: {path: model, type: custom_model}
instance_type: small
instance_count: 2
request_settings: {request_timeout_ms: 8000, max_concurrent_requests_per_instance: 4}
"""


def test_what_a_deployment_nests_is_registered_by_its_contents(plane, apus, tmp_path):
    Uploads(plane)
    plane.keep_endpoint()
    model_folder(tmp_path)
    write(tmp_path, "blue.yml", BLUE)
    apus("deployment", "create", "-f", "blue.yml", "--all-traffic")
    check, *_ = plane.sent("CHECK")
    assert check.place == "/onlineEndpoints/churn/deployments/blue" and check.headers["if-none-match"] == "*"
    assert check.body["sku"]["capacity"] == 2 and "model" not in check.body["properties"]
    assert plane.requests.index(check) < plane.requests.index(plane.sent("POST")[0])
    model, deployment, traffic = plane.sent("PUT")
    name = model.place.split("/")[2]
    assert name.startswith("anonymous-") and model.place == f"/models/{name}/versions/1"
    assert model.body["properties"]["isAnonymous"] is True
    assert deployment.place == "/onlineEndpoints/churn/deployments/blue"
    assert deployment.headers["if-none-match"] == "*"
    assert name in json.dumps(deployment.body["properties"]["model"])
    assert deployment.body["properties"]["requestSettings"]["requestTimeout"] == "PT8S"
    assert deployment.body["sku"]["capacity"] == 2
    assert traffic.body["properties"]["traffic"] == {"blue": 100}
    apus("deployment", "create", "-f", "blue.yml", "-n", "green")
    assert [r.place for r in plane.sent("PUT")[3:]] == ["/onlineEndpoints/churn/deployments/green"]


def test_a_deployment_is_changed_in_place(plane, apus, tmp_path):
    plane.keep("/models/m/versions/1", {"properties": {}})
    write(tmp_path, "blue.yml", BLUE.replace("{path: model, type: custom_model}", "azureml:m:1"))
    apus("deployment", "create", "-f", "blue.yml")
    apus("online-deployment", "update", "-n", "blue", "-e", "churn", "--set", "instance_count=5", "--only-show-errors")
    changed = plane.sent("PUT")[-1]
    assert changed.body["sku"]["capacity"] == 5 and changed.body["properties"]["instanceType"] == "small"
    assert "if-match" in changed.headers
    assert "nothing to change" in apus("deployment", "update", "-n", "blue", "-e", "churn", status=USAGE).stderr
    assert "keeps its name" in apus(
        "deployment", "update", "-n", "blue", "-e", "churn", "--set", "name=red", status=USAGE).stderr


def test_options_of_az_without_a_meaning_are_told(plane, apus, tmp_path):
    write(tmp_path, "blue.yml", BLUE.replace("{path: model, type: custom_model}", "azureml:m:1"))
    options = ["--skip-script-validation", "--package-model", "--web", "--vscode-debug", "--local-enable-gpu"]
    for command in (["create", "-f", "blue.yml"], ["update", "-n", "blue", "-e", "churn", "--set", "instance_count=3"]):
        done = apus("deployment", *command, *options)
        assert [option for option in options if f"warning: {option} has no effect: " not in done.stderr] == []
    for command in (["create"], ["update", "--set", "tags.a=b"]):
        assert "warning: --web has no effect" in apus("endpoint", *command, "-n", "churn", "--web").stderr
    assert apus("deployment", "create", "-f", "blue.yml", "-n", "green", *options, "--only-show-errors").stderr == ""


def test_logs_are_printed_as_they_are(plane, apus):
    plane.rule("POST", "/onlineEndpoints/churn/deployments/blue/getLogs", (200, {"content": "one\ntwo\n"}))
    assert apus("deployment", "get-logs", "-n", "blue", "-e", "churn", "-l", "7").stdout == "one\ntwo\n"
    assert plane.sent("POST")[0].body == {"containerType": "InferenceServer", "tail": 7}
    assert apus("deployment", "get-logs", "-n", "blue", "-e", "churn", "-o", "json").stdout == '"one\\ntwo\\n"\n'


def test_the_profiles_endpoint_is_meant_where_none_is_named(plane, apus):
    plane.rule("GET", "/onlineEndpoints/churn/deployments", (200, {"value": []}))
    assert "--endpoint-name" in apus("deployment", "list", status=USAGE).stderr
    apus("configure", "--defaults", "endpoint=churn", "output=tsv")
    assert apus("deployment", "list").stdout == ""
    assert len(plane.sent("GET", "/onlineEndpoints/churn/deployments")) == 1


def test_what_the_server_would_refuse_is_refused_before_anything_is_sent(plane, apus, tmp_path):
    Uploads(plane)
    model_folder(tmp_path)
    write(tmp_path, "blue.yml", BLUE)
    plane.rule("CHECK", ".*", (400, {"error": {"code": "OutOfQuota", "message": "1 core is free; 8 are asked for"}}))
    assert "(OutOfQuota) 1 core is free" in apus("deployment", "create", "-f", "blue.yml", status=FAILED).stderr
    plane.keep("/onlineEndpoints/churn/deployments/blue", {"sku": {"capacity": 1}, "properties": {"instanceType": "small"}})
    assert "(OutOfQuota) 1 core is free" in apus("deployment", "update", "-e", "churn", "-f", "blue.yml", status=FAILED).stderr
    assert plane.sent("POST") == [] and plane.sent("PUT") == []


def test_one_that_is_there_gets_the_traffic_that_it_is_to_have(plane, apus, tmp_path):
    plane.keep_endpoint(traffic={"green": 100})
    plane.keep("/models/m/versions/1", {"properties": {}})
    write(tmp_path, "blue.yml", BLUE.replace("{path: model, type: custom_model}", "azureml:m:1"))
    apus("deployment", "create", "-f", "blue.yml")
    apus("deployment", "create", "-f", "blue.yml", "--exist-ok")
    traffic = [r.body["properties"]["traffic"] for r in plane.sent("PUT", "/onlineEndpoints/churn")]
    assert traffic == []
    apus("deployment", "create", "-f", "blue.yml", "--exist-ok", "--all-traffic")
    assert [r.body["properties"]["traffic"] for r in plane.sent("PUT", "/onlineEndpoints/churn")] == [{"blue": 100}]
    assert plane.sent("CHECK") == []
