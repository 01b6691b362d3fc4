"""The control plane over REST as scripts written for Azure call it: by its own long addresses, with its bodies and statuses;
and its limits."""

import pytest
import requests
from endpoints import EndpointServer
from server import PATIENCE

WORKSPACE = "/subscriptions/0000-1111/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/default"
VERSION = {"api-version": "2024-04-01"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("rest")) as server:
        server.make_model("simple")
        yield server


@pytest.fixture
def ask(server):
    def ask(method, path, body=None):
        return requests.request(
            method, server.control + WORKSPACE + path, params=VERSION, json=body, timeout=PATIENCE,
            headers={"authorization": f"Bearer {server.token}"})

    return ask


def test_the_life_of_an_endpoint_by_azures_own_addresses(server, ask):
    body = {"location": "westeurope", "tags": {"team": "risk"}, "properties": {"authMode": "Key", "description": "who leaves"}}
    made = ask("PUT", "/onlineEndpoints/churn", body)
    assert made.status_code == 201 and made.json()["properties"]["scoringUri"].endswith("/endpoints/churn/score")
    server.await_operation(made)
    assert ask("GET", "/onlineEndpoints/churn").json()["tags"] == {"team": "risk"}
    assert [value["name"] for value in ask("GET", "/onlineEndpoints").json()["value"]] == ["churn"]
    deployment = {
        "location": "westeurope", "sku": {"name": "Default", "tier": "Standard", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2",
            "model": f"{WORKSPACE}/models/simple/versions/1", "requestSettings": {"requestTimeout": "PT10S"}}}
    made = ask("PUT", "/onlineEndpoints/churn/deployments/blue", deployment)
    assert made.status_code == 201
    # The operation's address is followed as it is given.
    state = lambda: requests.get(
        made.headers["Azure-AsyncOperation"], headers={"authorization": f"Bearer {server.token}"}, timeout=PATIENCE).json()
    server.await_operation(made)
    assert state()["status"] == "Succeeded"
    assert ask("PATCH", "/onlineEndpoints/churn", {"properties": {"traffic": {"blue": 100}}}).status_code == 200
    keys = ask("POST", "/onlineEndpoints/churn/listKeys").json()
    assert server.score("churn", keys["secondaryKey"]).status_code == 200
    assert ask("POST", "/onlineEndpoints/churn/regenerateKeys", {"keyType": "Primary"}).status_code in (200, 202)
    assert server.score("churn", keys["primaryKey"]).status_code == 401
    logs = ask("POST", "/onlineEndpoints/churn/deployments/blue/getLogs", {"containerType": "InferenceServer", "tail": 5})
    assert logs.status_code == 200 and "content" in logs.json()
    gone = ask("DELETE", "/onlineEndpoints/churn")
    assert gone.status_code == 202
    server.await_operation(gone)
    missing = ask("GET", "/onlineEndpoints/churn")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "ResourceNotFound"


def test_a_list_is_narrowed_and_followed_from_page_to_page_by_its_next_link(server, ask):
    names = [f"page-{n}" for n in range(5)]
    try:
        for n, name in enumerate(names):
            made = ask("PUT", f"/onlineEndpoints/{name}", {"tags": {"even": str(n % 2 == 0)}, "properties": {}})
            assert made.status_code == 201
        found, answer = [], ask("GET", "/onlineEndpoints?count=2&tags=even%3DTrue&orderBy=CreatedAtAsc")
        while True:
            assert answer.status_code == 200
            found += [value["name"] for value in answer.json()["value"]]
            if "nextLink" not in answer.json():
                break
            answer = requests.get(
                answer.json()["nextLink"], headers={"authorization": f"Bearer {server.token}"}, timeout=PATIENCE)
        assert found == ["page-0", "page-2", "page-4"]
        unknown = ask("GET", "/onlineEndpoints?filter=even")
        assert unknown.status_code == 400 and unknown.json()["error"]["code"] == "BadArgument"
        assert "'filter'" in unknown.json()["error"]["message"]
    finally:
        for name in names:
            gone = ask("DELETE", f"/onlineEndpoints/{name}")
            if gone.status_code == 202:
                server.await_operation(gone)


def test_another_workspace_is_told_the_one_that_is_here(server):
    answer = requests.get(
        f"{server.control}{WORKSPACE.replace('default', 'other')}/onlineEndpoints", timeout=PATIENCE,
        headers={"authorization": f"Bearer {server.token}"})
    assert answer.status_code == 404 and "'default'" in answer.json()["error"]["message"]


def test_an_endpoint_has_twenty_deployments_and_no_more(server):
    server.make_endpoint("many")
    made = [server.put_deployment("many", f"d-{number}") for number in range(20)]
    error = server.ask(
        "PUT", "onlineEndpoints/many/deployments/d-20",
        {"properties": {"model": "azureml:simple:1", "instanceType": "Standard_DS3_v2"}}, status=400).json()["error"]
    assert error["code"] == "OutOfQuota" and "20" in error["message"]
    for answer in made:
        server.await_operation(answer)
    server.set_traffic("many", **{f"d-{number}": 5 for number in range(20)})
    key = server.keys("many")[0]
    answered = {server.score("many", key).headers["azureml-model-deployment"] for _ in range(20)}
    assert answered == {f"d-{number}" for number in range(20)}
