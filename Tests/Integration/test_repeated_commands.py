"""Commands that a pipeline runs again: what they make of things that are there already, or gone already. The control plane
is scripted."""

import json

import pytest

from control_plane import write
from server import FAILED, USAGE

BLUE = "name: blue\nendpoint_name: churn\nmodel: azureml:m:1\ninstance_type: small\ninstance_count: 1\n"
PLACE = "/onlineEndpoints/churn/deployments/blue"


def found(state, **properties):
    return 200, {"name": "blue", "properties": {"provisioningState": state} | properties}


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_a_deployment_that_is_there_without_having_succeeded_is_told_with_its_reason(plane, apus, tmp_path, state):
    error = {"code": "OutOfQuota", "message": "2 cores are free; 4 are asked for", "details": ["small has 4 cores"]}
    plane.rule("GET", PLACE, found(state, provisioningError=error))
    done = apus("deployment", "create", "-f", write(tmp_path, "blue.yml", BLUE), "--exist-ok", status=FAILED)
    assert f"(OutOfQuota) deployment blue: {state}: 2 cores are free; 4 are asked for\n  small has 4 cores\n" in done.stderr
    assert done.stdout == "" and plane.sent("PUT") == []
    apus("deployment", "create", "-f", "blue.yml", "--exist-ok", "--no-wait", status=FAILED)


def test_an_endpoint_that_is_there_without_having_succeeded_is_told(plane, apus):
    plane.keep_endpoint()
    plane.kept["/onlineEndpoints/churn"]["properties"]["provisioningState"] = "Failed"
    done = apus("endpoint", "create", "-n", "churn", "--exist-ok", status=FAILED)
    assert "endpoint churn: Failed: it gives no reason" in done.stderr and done.stdout == ""


def test_what_is_under_way_is_followed_to_its_end(plane, apus, tmp_path):
    write(tmp_path, "blue.yml", BLUE)
    plane.rule("GET", PLACE, found("Creating"), found("Creating"), found("Succeeded"))
    done = apus("deployment", "create", "-f", "blue.yml", "--exist-ok")
    assert json.loads(done.stdout)["provisioning_state"] == "Succeeded" and "deployment blue: Creating" in done.stderr
    assert len(plane.sent("GET", PLACE)) == 3
    error = {"code": "ResourceNotReady", "message": "it did not start"}
    plane.rule("GET", PLACE, found("Creating"), found("Failed", provisioningError=error))
    assert "(ResourceNotReady)" in apus("deployment", "create", "-f", "blue.yml", "--exist-ok", status=FAILED).stderr
    plane.rule("GET", PLACE, found("Deleting"))
    assert "is being deleted" in apus("deployment", "create", "-f", "blue.yml", "--exist-ok", status=FAILED).stderr


def test_nobody_follows_with_no_wait(plane, apus, tmp_path):
    plane.rule("GET", PLACE, found("Updating"))
    done = apus("deployment", "create", "-f", write(tmp_path, "blue.yml", BLUE), "--exist-ok", "--no-wait")
    assert "deployment blue: Updating" in done.stderr and len(plane.sent("GET", PLACE)) == 1


@pytest.mark.parametrize("words, place, said", [
    (("deployment", "delete", "-n", "blue", "-e", "churn"), PLACE, "deployment 'blue'"),
    (("endpoint", "delete", "-n", "churn"), "/onlineEndpoints/churn", "endpoint 'churn'"),
    (("model", "delete", "-n", "churn", "-v", "2"), "/models/churn/versions/2", "model 'churn:2'"),
    (("environment", "delete", "-n", "env", "-v", "2"), "/environments/env/versions/2", "environment 'env:2'")])
def test_deleting_asks_first_and_tells_what_was_not_there(plane, apus, words, place, said):
    plane.keep(place, {"properties": {}})
    assert "--yes" in apus(*words, status=USAGE).stderr
    assert place in plane.kept
    done = apus(*words, "--yes")
    assert (done.stdout, done.stderr) == ("", "") and place not in plane.kept
    plane.rule("DELETE", place, (204, None))
    assert apus(*words, "-y").stderr == f"{said} was not there\n"
    assert apus(*words, "-y", "--only-show-errors").stderr == ""


def test_a_version_that_is_in_use_is_not_deleted(plane, apus):
    error = {"code": "Conflict", "message": "version '2' of model 'churn' is used by deployment 'churn/blue'"}
    plane.rule("DELETE", "/models/churn/versions/2", (409, {"error": error}))
    assert "is used by deployment" in apus("model", "delete", "-n", "churn", "-v", "2", "-y", status=FAILED).stderr
    assert "--version" in apus("model", "delete", "-n", "churn", "-y", status=USAGE).stderr
