"""`kill -9` of the server at any moment while somebody changes one kind of thing again and again: what was acknowledged is
there and has effect, and the one change that was under way is there whole or not at all."""

from collections import Counter

import pytest
import requests
from endpoints import EndpointServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("crash")) as server:
        server.make_model("simple")
        server.make_endpoint("steady")
        for name in ("blue", "green"):
            server.make_deployment("steady", name)
        yield server


@pytest.mark.parametrize("most", [1, 6])
def test_traffic_is_as_it_was_acknowledged_and_requests_follow_it(server, most):
    split = lambda number: {"blue": 100 - number % 100, "green": number % 100}
    server.set_traffic("steady", **split(0))
    count = len(server.until_killed(lambda number: server.set_traffic("steady", **split(number + 1)), most))
    traffic = server.ask("GET", "onlineEndpoints/steady").json()["properties"]["traffic"]
    assert traffic in (split(count), split(count + 1))
    key = server.keys("steady")[0]
    answered = Counter(server.score("steady", key).headers["azureml-model-deployment"] for _ in range(100))
    assert answered == Counter(traffic)


@pytest.mark.parametrize("most", [1, 6])
def test_one_key_opens_and_those_before_it_do_not(server, most):
    server.set_traffic("steady", blue=100)
    first, secondary = server.keys("steady")

    def regenerate(number):
        server.ask("POST", "onlineEndpoints/steady/regenerateKeys", {"keyType": "Primary"})
        return server.keys("steady")[0]

    seen = [first, *server.until_killed(regenerate, most)]
    assert len(set(seen)) == len(seen)
    # One that was regenerated and not looked at any more may have followed.
    primary, kept = server.keys("steady")
    assert kept == secondary and primary not in seen[:-1]
    assert {server.score("steady", key).status_code for key in (primary, secondary)} == {200}
    assert {server.score("steady", key).status_code for key in seen if key != primary} == {401}


@pytest.mark.parametrize("most", [1, 4])
def test_deployments_that_were_being_created_are_created(server, most):
    endpoint = f"made-{most}"
    server.make_endpoint(endpoint)
    answers = server.until_killed(lambda number: server.put_deployment(endpoint, f"d-{number}"), most)
    key = server.keys(endpoint)[0]
    for number, answer in enumerate(answers):
        server.await_operation(answer)
        assert server.score(endpoint, key, azureml_model_deployment=f"d-{number}").status_code == 200
    # Putting it again is fine, whether it is there or not.
    server.await_operation(server.put_deployment(endpoint, f"d-{len(answers)}"))
    assert server.score(endpoint, key, azureml_model_deployment=f"d-{len(answers)}").status_code == 200
    server.await_operation(server.ask("DELETE", f"onlineEndpoints/{endpoint}"))


@pytest.mark.parametrize("most", [1, 3])
def test_endpoints_that_were_being_deleted_are_deleted_and_the_others_serve(server, most):
    names = [f"left-{most}-{number}" for number in range(8)]
    for name in names:
        server.make_endpoint(name)
        server.make_deployment(name, "only")
        server.set_traffic(name, only=100)
    keys = {name: server.keys(name)[0] for name in names}

    def delete(number):
        if number == len(names):
            raise requests.RequestException("all of them are deleted before the kill")
        return server.ask("DELETE", f"onlineEndpoints/{names[number]}")

    answers = server.until_killed(delete, most)
    for answer in answers:
        server.await_operation(answer)
    there = {value["name"] for value in server.ask("GET", "onlineEndpoints").json()["value"]} & set(names)
    assert there <= set(names[len(answers):])
    assert there >= set(names[len(answers) + 1:])
    for name in names[:len(answers)]:
        server.ask("GET", f"onlineEndpoints/{name}/deployments/only", status=404)
        assert server.score(name, keys[name]).status_code == 401
    for name in names[len(answers) + 1:]:
        assert server.score(name, keys[name]).status_code == 200
