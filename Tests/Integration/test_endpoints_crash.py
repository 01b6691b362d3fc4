"""`kill -9` of the real program at any moment: what was acknowledged is there and serves after a restart, operations go on to
their end, and what was not acknowledged leaves nothing half done."""


import pytest
from endpoints import EndpointServer, infer
from server import TEST_MODELS


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("crash")) as server:
        server.make_model("simple")
        server.make_endpoint("steady")
        server.make_deployment("steady", "blue")
        server.set_traffic("steady", blue=100)
        yield server


def test_a_deployment_that_was_being_created_is_finished_after_the_crash(server):
    answer = server.put_deployment("steady", "green")
    server.restart()
    assert server.score("steady", server.keys("steady")[0]).headers["azureml-model-deployment"] == "blue"
    server.await_operation(answer)
    shown = server.ask("GET", "onlineEndpoints/steady/deployments/green").json()
    assert shown["properties"]["provisioningState"] == "Succeeded"
    key = server.keys("steady")[0]
    assert server.score("steady", key, azureml_model_deployment="green").status_code == 200
    server.set_traffic("steady", green=100)
    server.restart()
    assert server.score("steady", key).headers["azureml-model-deployment"] == "green"
    server.set_traffic("steady", blue=100)


def test_a_rotated_key_stays_rotated(server):
    old, other = server.keys("steady")
    server.ask("POST", "onlineEndpoints/steady/regenerateKeys", {"keyType": "Primary"})
    server.restart()
    assert server.score("steady", old).status_code == 401
    assert server.score("steady", other).status_code == 200
    assert server.keys("steady")[1] == other


def test_an_endpoint_that_was_being_deleted_is_gone_after_the_crash(server):
    server.make_endpoint("leaving")
    server.make_deployment("leaving", "blue")
    key = server.keys("leaving")[0]
    answer = server.ask("DELETE", "onlineEndpoints/leaving")
    server.restart()
    server.await_operation(answer)
    server.ask("GET", "onlineEndpoints/leaving", status=404)
    assert server.score("leaving", key).status_code == 401
    # Nothing of it is in the way of another of the same name.
    server.make_endpoint("leaving")
    server.ask("GET", "onlineEndpoints/leaving/deployments/blue", status=404)
    server.await_operation(server.ask("DELETE", "onlineEndpoints/leaving"))


def test_changes_that_were_acknowledged_before_a_kill_at_any_moment_are_all_there(server):
    """A writer makes endpoints until the server is killed in the middle of one; each that was acknowledged has to be there,
    and the one that was not is there whole or not at all."""
    for round_number, most in enumerate((1, 7)):
        tried = []

        def make(number):
            tried.append(f"made-{round_number}-{number}")
            body = {"properties": {"authMode": "Key"}, "tags": {"number": str(number)}}
            server.ask("PUT", f"onlineEndpoints/{tried[-1]}", body, status=201)
            return tried[-1]

        acknowledged = server.until_killed(make, most)
        there = {value["name"]: value for value in server.ask("GET", "onlineEndpoints").json()["value"]}
        made = {name for name in there if name.startswith(f"made-{round_number}-")}
        assert set(acknowledged) <= made <= set(tried)
        for name in made:
            assert there[name]["tags"] == {"number": name.rsplit("-", 1)[1]}
            assert there[name]["properties"]["provisioningState"] == "Succeeded"
            assert len(set(server.keys(name))) == 2
    assert server.score("steady", server.keys("steady")[0]).status_code == 200


def test_a_command_that_did_not_wait_finds_its_operation_after_the_crash(server):
    file = server.write("purple.yml", f"""
name: purple
endpoint_name: steady
model: {{path: {TEST_MODELS / 'simple'}, type: triton_model}}
instance_type: Standard_DS3_v2
instance_count: 1
""")
    done = server.run("deployment", "create", "-f", file, "--no-wait")
    operation = done.stderr.split("--name ")[1].split()[0].strip("'\".")
    server.restart()
    server.run("operation", "wait", "-n", operation)
    assert server.call("ModelInfer", infer("steady", model_version="purple"), server.keys("steady")[0])[0].name == "OK"


def test_a_deployment_whose_instance_type_is_no_longer_declared_comes_back_with_its_instances(tmp_path):
    with EndpointServer(tmp_path / "server", "--instance-type", "retired=1,1Gi") as server:
        server.make_model("simple")
        server.make_endpoint("steady")
        body = {"properties": {"model": "azureml:simple:1", "instanceType": "retired"}, "sku": {"capacity": 3}}
        server.await_operation(server.ask("PUT", "onlineEndpoints/steady/deployments/blue", body))
        server.options = ()
        server.restart()
        assert server.score("steady", server.keys("steady")[0], azureml_model_deployment="blue").status_code == 200
        instances = server.ask("GET", "onlineEndpoints/steady/deployments/blue").json()["properties"]["instances"]
        assert (instances["wanted"], instances["ready"]) == (3, 3)
