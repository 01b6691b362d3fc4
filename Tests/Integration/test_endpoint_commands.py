"""`apus endpoint` and `apus operation` as a shell sees them: what they ask of a control plane, which is scripted, what they
print, and the number at the end."""

import json

import pytest

from control_plane import BASE, write
from server import FAILED, NOT_FOUND, USAGE

ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: churn
auth_mode: key
tags: {team: risk}
"""


def test_a_file_becomes_the_body_of_a_put(plane, apus, tmp_path):
    done = apus("endpoint", "create", "-f", write(tmp_path, "endpoint.yml", ENDPOINT))
    put, = plane.sent("PUT")
    assert put.path == BASE + "/onlineEndpoints/churn"
    assert put.headers["if-none-match"] == "*"
    assert put.body["tags"] == {"team": "risk"}
    assert put.body["properties"]["authMode"] == "Key"
    shown = json.loads(done.stdout)
    assert (shown["name"], shown["auth_mode"], shown["provisioning_state"]) == ("churn", "key", "Succeeded")
    assert shown["scoring_uri"].endswith("/endpoints/churn/score")


def test_options_and_edits_override_the_file(plane, apus, tmp_path):
    apus("online-endpoint", "create", "-f", write(tmp_path, "e.yml", ENDPOINT), "-n", "other", "--auth-mode", "aml_token",
         "--set", "tags.team=fraud", "tags.level=7", "--force-string", "--remove", "description",
         status=USAGE)  # nothing to remove
    apus("online-endpoint", "create", "-f", "e.yml", "-n", "other", "--auth-mode", "aml_token",
         "--set", "tags.team=fraud", "tags.level=7", "--force-string")
    put, = plane.sent("PUT")
    assert put.place == "/onlineEndpoints/other"
    assert put.body["tags"] == {"team": "fraud", "level": "7"}
    assert put.body["properties"]["authMode"] == "AMLToken"


def test_a_key_with_dots_stands_in_brackets(plane, apus):
    plane.keep_endpoint()
    apus("endpoint", "update", "-n", "churn", "--set", 'tags["example.com/team"]=risk', "tags.a=b")
    assert plane.sent("PUT")[-1].body["tags"] == {"example.com/team": "risk", "a": "b"}
    apus("endpoint", "update", "-n", "churn", "--remove", "tags['example.com/team']")
    assert plane.sent("PUT")[-1].body["tags"] == {"a": "b"}
    done = apus("endpoint", "update", "-n", "churn", "--remove", "tags['example.com/team']", status=USAGE)
    assert "there is nothing to remove" in done.stderr and len(plane.sent("PUT")) == 2


def test_a_create_of_what_is_there_fails_unless_that_is_fine(plane, apus):
    plane.keep_endpoint()
    done = apus("endpoint", "create", "-n", "churn", status=FAILED)
    assert "churn is there already" in done.stderr and done.stdout == ""
    done = apus("endpoint", "create", "-n", "churn", "--exist-ok", "--query", "name", "-o", "tsv")
    assert done.stdout == "churn\n"
    assert plane.sent("PUT") == []


def test_an_unknown_key_is_told_with_its_line_and_costs_no_request(plane, apus, tmp_path):
    done = apus("endpoint", "create", "-f", write(tmp_path, "e.yml", "name: churn\nauth_mod: key\n"), status=USAGE)
    assert "auth_mod" in done.stderr and "auth_mode" in done.stderr and "line 2" in done.stderr
    assert plane.requests == []


def test_traffic_changes_only_what_it_names_and_only_what_was_seen(plane, apus):
    plane.keep_endpoint(description="who leaves", mirrorTraffic={"green": 20})
    apus("endpoint", "update", "-n", "churn", "-r", "blue=90 green=10", "--mirror-traffic", "")
    put, = plane.sent("PUT")
    assert put.headers["if-match"] == '"0"'
    assert put.body["properties"]["traffic"] == {"blue": 90, "green": 10}
    assert put.body["properties"].get("mirrorTraffic", {}) == {}
    assert put.body["properties"]["description"] == "who leaves"


def test_who_comes_second_is_told(plane, apus):
    plane.keep_endpoint()
    plane.rule("PUT", "/onlineEndpoints/churn", (412, {"error": {"code": "PreconditionFailed", "message": "it changed"}}))
    done = apus("endpoint", "update", "-n", "churn", "--set", "tags.a=b", status=FAILED)
    assert "(PreconditionFailed) it changed" in done.stderr and "again" in done.stderr


@pytest.mark.parametrize("traffic, said", [
    ("blue=fifty", "'blue=fifty'"), ("blue", "'blue'"), ("blue=101", "'blue=101'"), ("a=1 a=2", "given twice")])
def test_shares_that_are_none(plane, apus, traffic, said):
    plane.keep_endpoint()
    done = apus("endpoint", "update", "-n", "churn", "--traffic", traffic, status=USAGE)
    assert "--traffic" in done.stderr and said in done.stderr


def test_what_is_not_there_has_a_status_of_its_own(plane, apus):
    done = apus("endpoint", "show", "-n", "none", status=NOT_FOUND)
    assert (done.stdout, "ResourceNotFound" in done.stderr) == ("", True)


def test_deleting_must_be_confirmed_where_nobody_can_be_asked(plane, apus):
    plane.keep_endpoint()
    assert "--yes" in apus("endpoint", "delete", "-n", "churn", status=USAGE).stderr
    assert plane.sent("DELETE") == []
    apus("endpoint", "delete", "-n", "churn", "-y", "-g", "any-group")
    assert len(plane.sent("DELETE", "/onlineEndpoints/churn")) == 1


# MARK: operations


def begin_operation(plane, *steps, place="/onlineEndpoints/churn"):
    """The next PUT begins an operation that goes through these steps."""
    def begin(request):
        plane.keep(request.place, request.body)
        address = f"http://elsewhere.example{BASE}/operations/17"
        return 201, plane.kept[request.place], {"Azure-AsyncOperation": address, "Location": address}
    plane.rule("PUT", place, begin)
    plane.rule("GET", "/operations/17", *[(200, {"name": "17"} | step) for step in steps])


def test_a_long_operation_is_followed_to_its_end(plane, apus):
    begin_operation(plane, {"status": "InProgress", "percentComplete": 20, "message": "loading"},
                    {"status": "InProgress", "percentComplete": 80, "message": "warming"}, {"status": "Succeeded"})
    done = apus("endpoint", "create", "-n", "churn")
    assert done.stderr.splitlines() == [
        "endpoint churn: InProgress 20 %, loading", "endpoint churn: InProgress 80 %, warming", "endpoint churn: Succeeded"]
    assert json.loads(done.stdout)["name"] == "churn"
    assert apus("endpoint", "create", "-n", "fraud", "--only-show-errors").stderr == ""


def test_a_server_that_restarts_meanwhile_is_asked_again(plane, apus):
    begin_operation(plane, {"status": "InProgress"})
    steps = [{"status": "InProgress"}, *[None] * 4, {"status": "Succeeded"}]
    plane.rule("GET", "/operations/17", *[step and (200, {"name": "17"} | step) for step in steps])
    apus("endpoint", "create", "-n", "churn")
    assert len(plane.sent("GET", "/operations/17")) == len(steps)


def test_a_failed_operation_says_why(plane, apus):
    begin_operation(plane, {"status": "Failed", "error": {"code": "OutOfQuota", "message": "2 cores are free; 4 are asked for"}})
    done = apus("endpoint", "create", "-n", "churn", status=FAILED)
    assert "(OutOfQuota) endpoint churn: Failed: 2 cores are free; 4 are asked for" in done.stderr


def test_nobody_waits_with_no_wait(plane, apus):
    begin_operation(plane, {"status": "InProgress"})
    done = apus("endpoint", "create", "-n", "churn", "--no-wait")
    assert "operation show --name 17" in done.stderr and plane.sent("GET", "/operations/17") == []
    plane.rule("GET", "/operations/17", (200, {"name": "17", "status": "Succeeded", "kind": "createEndpoint"}))
    assert json.loads(apus("operation", "wait", "-n", "17").stdout)["status"] == "Succeeded"
    assert apus("operation", "show", "-n", "17", "--query", "status", "-o", "tsv").stdout == "Succeeded\n"


# MARK: shortcuts


def test_what_is_done_every_day_needs_no_group(plane, apus):
    plane.keep_endpoint()
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (200, {"primaryKey": "p", "secondaryKey": "s"}))
    plane.rule("POST", "/onlineEndpoints/churn/regenerateKeys", (200, {}))
    plane.rule("POST", "/onlineEndpoints/churn/deployments/blue/getLogs", (200, {"content": "one\n"}))
    assert apus("get-credentials", "-n", "churn", "--query", "primaryKey", "-o", "tsv").stdout == "p\n"
    apus("regenerate-keys", "-n", "churn", "--key-type", "secondary", "-y")
    assert plane.sent("POST", ".*/regenerateKeys")[0].body == {"keyType": "Secondary"}
    assert apus("get-logs", "-n", "blue", "-e", "churn").stdout == "one\n"
