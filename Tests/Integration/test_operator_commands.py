"""Commands of those who run endpoints: roles, rollouts, rules of scaling, reports and the local server. The control plane is
scripted."""

import json

from server import FAILED, USAGE


def test_roles_and_principals(plane, apus):
    plane.rule("PUT", "/principals/ci", (201, {"name": "ci", "principalId": "local:ci", "secret": "apus_login_x",
                                               "properties": {"principalType": "ServicePrincipal"}}))
    assert apus("principal", "create", "-n", "ci", "--query", "secret", "-o", "tsv").stdout == "apus_login_x\n"
    apus("role", "assignment", "create", "--assignee", "local:ci", "--role", "Endpoint Operator", "--scope", "endpoint/churn")
    put = plane.sent("PUT")[-1]
    assert put.place == "/roleAssignments/local-ci.endpoint-operator.endpoint-churn"
    assert put.body["properties"] == {"principalId": "local:ci", "role": "Endpoint Operator", "scope": "endpoint/churn"}
    assert "local:ci" in apus("role", "assignment", "list", "-o", "table").stdout
    apus("role", "assignment", "delete", "--assignee", "local:ci", "--role", "Endpoint Operator",
         "--scope", "endpoint/churn", "-y")
    assert plane.kept == {}
    apus("role", "definition", "create", "-n", "Warden", "--actions", "onlineEndpoints/read", "onlineEndpoints/write")
    assert plane.sent("PUT")[-1].body["properties"]["permissions"][0]["actions"] == [
        "onlineEndpoints/read", "onlineEndpoints/write"]
    plane.rule("POST", "/principals/ci/rotateSecret", (200, {"name": "ci", "secret": "new"}))
    assert json.loads(apus("principal", "rotate-secret", "-n", "ci").stdout)["secret"] == "new"


def test_a_rollout_is_followed_and_its_way_back_is_a_failure(plane, apus):
    state = lambda state, **more: (200, {"name": "churn", "properties": {"state": state, "percent": 5, "deployment": "green"} | more})
    plane.rule("PUT", "/onlineEndpoints/churn/rollout", (201, {}))
    plane.rule("GET", "/onlineEndpoints/churn/rollout", state("holding"), state("finished"))
    done = apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", "5", "100", "--hold", "90s", "--mirror", "20",
                "--max-latency-ratio", "none", "--max-error-difference", "0.02")
    assert plane.sent("PUT")[0].body["properties"] == {
        "deployment": "green", "steps": [5, 100], "hold": "PT90S",
        "bounds": {"maxErrorDifference": 0.02, "maxLatencyRatio": None}, "mirror": {"percent": 20}}
    assert json.loads(done.stdout)["state"] == "finished"
    apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", "25,50,100", "--no-wait")
    assert plane.sent("PUT")[-1].body["properties"]["steps"] == [25, 50, 100]
    for given, sent in (("none", None), ("30m", "PT1800S")):
        apus("rollout", "start", "-e", "churn", "-d", "green", "--step-timeout", given, "--no-wait")
        assert plane.sent("PUT")[-1].body["properties"] == {"deployment": "green", "stepTimeout": sent}
    for steps, words in (("25,abc", "'abc'"), ("50,25", "25 after 50"), ("50,101", "'101'")):
        assert words in apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", steps, status=USAGE).stderr
    assert len(plane.sent("PUT")) == 4
    plane.rule("GET", "/onlineEndpoints/churn/rollout", state("rolledBack", reason="too many errors"))
    assert "too many errors" in apus("rollout", "status", "-e", "churn", "--watch", status=FAILED).stderr
    plane.rule("POST", "/onlineEndpoints/churn/rollout/abort", state("leaving"))
    apus("rollout", "abort", "-e", "churn", "--reason", "it is Friday")
    assert plane.sent("POST")[-1].body == {"reason": "it is Friday"}


def test_rules_of_scaling(plane, apus):
    place = "/onlineEndpoints/churn/deployments/blue/autoscale"
    apus("autoscale", "create", "-e", "churn", "-d", "blue", "--min-count", "1", "--max-count", "5", "--count", "2")
    apus("autoscale", "rule", "create", "-e", "churn", "-d", "blue", "--condition", "CpuUtilizationPercentage > 70 avg 5m",
         "--scale", "out", "2", "--cooldown", "3")
    profile, = plane.kept[place]["properties"]["profiles"]
    assert profile["capacity"] == {"minimum": "1", "maximum": "5", "default": "2"}
    rule, = profile["rules"]
    assert (rule["metricTrigger"]["threshold"], rule["scaleAction"]["value"], rule["scaleAction"]["cooldown"]) == (70, "2", "PT3M")
    assert "there is no metric" in apus(
        "autoscale", "rule", "create", "-e", "churn", "-d", "blue", "--condition", "Cpu > 70 avg 5m", "--scale", "in 1",
        status=USAGE).stderr
    assert json.loads(apus("autoscale", "show", "-e", "churn", "-d", "blue").stdout)["deployment_name"] == "blue"
    apus("autoscale", "delete", "-e", "churn", "-d", "blue", "-y")
    assert plane.kept == {}


def test_reports(plane, apus):
    plane.rule("GET", "/auditLog", (200, {"value": [{"time": "t", "principal": "local:ci", "action": "a", "resource": "r"}]}))
    assert "local:ci" in apus("audit", "list", "-o", "table", "--count", "5").stdout
    assert plane.requests[-1].query == "count=5"
    plane.rule("GET", "/onlineEndpoints/churn/mirrorReport", (200, {
        "live": "blue", "shadow": "green", "comparedRequests": 4, "mismatchedRequests": 1, "shadowFailures": 2,
        "requestsWithOtherLabels": 1, "requestsWithOtherNumbers": 3, "requestsWithOtherStructure": 0,
        "outputs": [{"name": "scores", "elements": 40, "unequalElements": 30, "maxAbsoluteDifference": 0.5,
                     "meanAbsoluteDifference": 0.125, "labels": 4, "mismatchedLabels": 1}]}))
    done = apus("mirror", "report", "-e", "churn", "-o", "table")
    assert done.stderr.splitlines() == [
        "green against blue: 4 answers compared; the shadow failed in 2 more", "another label: 1",
        "a number that is not exactly the same: 3", "other outputs, shapes or datatypes: 0", "count as different: 1"]
    assert done.stdout.splitlines()[-1].split() == ["scores", "40", "30", "0.5", "0.125", "4", "1"]
    amount = lambda cores: {"cores": cores, "memoryBytes": cores << 30, "gpus": 0}
    plane.rule("GET", "/computes", (200, {
        "value": [{"name": "small", "properties": amount(2)}], "total": amount(8), "free": amount(6),
        "reservations": [{"deployment": "churn/blue", "instanceType": "small", "count": 1, "resources": amount(2)}]}))
    assert json.loads(apus("compute", "list").stdout) == [{"name": "small", "cores": 2, "memory_bytes": 2 << 30, "gpus": 0}]
    assert apus("compute", "list-usage", "--query", "free.cores").stdout == "6\n"
    done = apus("compute", "list-usage", "-o", "table")
    assert "free: 6 cores, 6.0 GiB, 0 GPUs of 8 cores" in done.stderr and "churn/blue" in done.stdout


def test_no_local_server_runs(apus):
    assert json.loads(apus("local", "status", status=FAILED).stdout)["running"] is False
    assert "was not running" in apus("local", "stop").stderr
