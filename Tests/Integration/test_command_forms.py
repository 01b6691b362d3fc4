"""What the commands for endpoints have in common: forms of output, a server's refusals in its own words, help and
completion."""

import json
import subprocess

import pytest

from server import FAILED, NO_PERMISSION, UNREACHABLE, USAGE


@pytest.mark.parametrize("status, code, ends", [
    (401, "Unauthorized", NO_PERMISSION), (403, "AuthorizationFailed", NO_PERMISSION), (400, "BadArgument", FAILED),
    (500, "InternalServerError", FAILED)])
def test_refusals_are_told_in_the_servers_words(plane, apus, status, code, ends):
    error = {"code": code, "message": "no, because", "details": [{"message": "this"}, {"message": "and that"}]}
    plane.rule("GET", "/onlineEndpoints", (status, {"error": error}))
    done = apus("endpoint", "list", status=ends)
    assert f"({code}) no, because\n  this\n  and that\n" in done.stderr


def test_an_answer_that_is_no_json_is_quoted(plane, apus):
    plane.rule("GET", "/onlineEndpoints", (502, b"<html>Bad gateway</html>"))
    assert "<html>Bad gateway</html>" in apus("endpoint", "list", status=FAILED).stderr


def test_a_server_that_is_not_there(apus, tmp_path):
    done = apus("endpoint", "list", "--server", "http://127.0.0.1:1", status=UNREACHABLE)
    assert "can't reach http://127.0.0.1:1: Connection refused" in done.stderr
    done = apus("endpoint", "list", "--server", f"unix:{tmp_path}/none.sock", status=UNREACHABLE)
    assert "none.sock" in done.stderr
    assert "no server" in apus("endpoint", "list", status=USAGE, APUS_SERVER=None).stderr
    assert "unix:PATH" in apus("endpoint", "list", "--server", "127.0.0.1:8001", status=USAGE).stderr


def test_lists_in_all_forms(plane, apus):
    plane.keep_endpoint("churn", traffic={"blue": 90, "green": 10})
    plane.keep_endpoint("fraud")
    assert [e["name"] for e in json.loads(apus("endpoint", "list").stdout)] == ["churn", "fraud"]
    assert apus("endpoint", "list", "--query", "[].[name, auth_mode]", "-o", "tsv").stdout == "churn\tkey\nfraud\tkey\n"
    table = apus("endpoint", "list", "-o", "table").stdout.splitlines()
    assert table[0].split()[:4] == ["NAME", "AUTH", "STATE", "TRAFFIC"] and "blue=90 green=10" in table[1]
    assert "- name: churn" in apus("endpoint", "list", "-o", "yaml", "--query", "[].{name: name}").stdout
    assert apus("endpoint", "list", "-o", "none").stdout == ""
    assert "\x1b[34m" in apus("endpoint", "list", "-o", "jsonc").stdout
    assert json.loads(apus("endpoint", "list", APUS_OUTPUT="table", *["-o", "json"]).stdout)
    assert apus("endpoint", "list", APUS_OUTPUT="table").stdout.startswith("NAME")


def test_a_list_of_many_pages_is_one(plane, apus):
    pages = [[{"name": f"e{i}", "properties": {"authMode": "Key"}} for i in range(start, start + 2)] for start in (0, 2, 4)]
    plane.rule("GET", "/onlineEndpoints", lambda request: (
        200, {"value": pages[int(dict(p.split("=") for p in request.query.split("&") if p).get("skip", 0)) // 2]}
        | ({"nextSkip": 2} if not request.query else {"nextSkip": 4} if "skip=2" in request.query else {})))
    assert apus("endpoint", "list", "--query", "[].name", "-o", "tsv").stdout.split() == [f"e{i}" for i in range(6)]


def test_an_element_that_cannot_be_read_does_not_hide_a_list(plane, apus):
    plane.rule("GET", "/onlineEndpoints", (200, {"value": [
        {"name": "x", "properties": {"authMode": "Key", "novelKey": {"innerKey": 1}}}, {"name": "churn", "odd": 1, "properties": {
            "authMode": "Key", "novelKey": {"innerKey": 1}}}]}))
    shown = json.loads(apus("endpoint", "list").stdout)
    assert [(e["name"], e["novel_key"]) for e in shown] == [("x", {"inner_key": 1}), ("churn", {"inner_key": 1})]


def test_a_wrong_query_costs_no_request(plane, apus):
    done = apus("endpoint", "list", "--query", "[?name=='x'", status=USAGE)
    assert "query, character 12" in done.stderr
    assert plane.requests == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(apus, shell):
    script = apus("--generate-completion-script", shell).stdout
    assert "get-credentials" in script and "endpoint list --timeout 2s" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_help_exists_for_every_verb(apus):
    for group in ("endpoint", "deployment", "model", "environment", "rollout", "role", "principal", "autoscale", "local"):
        assert "OVERVIEW" in apus(group, "--help").stdout
