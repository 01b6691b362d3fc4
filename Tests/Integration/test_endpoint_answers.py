"""How a call of an endpoint can end, with the same meaning at both doors: the status of HTTP, and the code of gRPC."""

import shutil
from concurrent import futures

import grpc
import numpy
import pytest
import requests
from endpoints import ONES, EndpointServer, infer
from models import make_slow_model
from server import PATIENCE, TEST_MODELS, infer_request

FOUR = {"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


def four(endpoint):
    return infer_request(endpoint, {"INPUT0": numpy.array([[1, 2, 3, 4]], dtype=numpy.float32)})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("answers")) as server:
        for model in ("simple", "reshapes"):
            server.make_model(model)
        server.make_model("slow", make_slow_model(tmp_path_factory.mktemp("models"), steps=400))
        yield server


def make(server, endpoint, model, **settings):
    """An endpoint of one deployment with all the traffic; its key."""
    server.make_endpoint(endpoint)
    server.make_deployment(endpoint, "only", model, **settings)
    server.set_traffic(endpoint, only=100)
    return server.keys(endpoint)[0]


@pytest.fixture(scope="module")
def steady(server):
    """The key of an endpoint that is well."""
    return make(server, "steady", "simple")


def test_what_the_open_inference_protocol_calls_a_model_is_the_endpoint(server, steady):
    assert server.get("/v2/models/steady", steady).json()["name"] == "steady"
    assert server.get("/v2/models/steady/ready", steady).status_code == 200
    answer = requests.post(
        server.http + "/v2/models/steady/infer", json=ONES, headers={"authorization": f"Bearer {steady}"}, timeout=PATIENCE)
    assert answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [2] * 16
    assert answer.headers["azureml-model-deployment"] == "only"


def test_a_wrong_request_is_told_what_is_wrong_with_it(server):
    key = make(server, "wrong", "simple")
    body = {"inputs": [ONES["inputs"][0], ONES["inputs"][1] | {"datatype": "FP32"}]}
    answer = server.score("wrong", key, body)
    assert answer.status_code == 400 and all(word in answer.text for word in ("INPUT1", "INT32", "FP32")), answer.text
    request = infer("wrong")
    request.inputs[1].datatype = "FP32"
    code, said, _, _ = server.call("ModelInfer", request, key)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and all(word in said for word in ("INPUT1", "INT32", "FP32")), said


def test_an_endpoint_whose_deployments_have_no_traffic_is_not_found(server):
    server.make_endpoint("without")
    server.make_deployment("without", "only")
    key = server.keys("without")[0]
    assert server.score("without", key).status_code == 404
    assert server.call("ModelInfer", infer("without"), key)[0] == grpc.StatusCode.NOT_FOUND
    assert server.score("without", key, azureml_model_deployment="only").status_code == 200


def test_a_call_past_the_deployments_time_is_ended(server):
    key = make(server, "late", "slow", requestSettings={"requestTimeout": "PT0.05S"})
    assert server.score("late", key, FOUR).status_code == 408
    assert server.call("ModelInfer", four("late"), key)[0] == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_model_that_fails_is_told_from_a_server_that_fails(server):
    key = make(server, "failing", "reshapes")
    answer = server.score("failing", key, FOUR)
    assert answer.status_code == 424 and "Reshape" in answer.text
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500" and answer.headers["ms-azureml-model-error-reason"]
    assert answer.headers["azureml-model-deployment"] == "only"
    code, said, _, _ = server.call("ModelInfer", four("failing"), key)
    assert code == grpc.StatusCode.INTERNAL and "Reshape" in said


def test_a_deployment_that_did_not_come_back_is_unavailable_and_the_others_serve(server, steady, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(TEST_MODELS / "simple", folder)
    (folder / "notes.txt").write_text("a model that nothing else has")
    server.make_model("damaged", folder)
    server.make_endpoint("damaged")
    server.make_deployment("damaged", "only", "damaged")
    server.set_traffic("damaged", only=100)
    key = server.keys("damaged")[0]
    server.kill()
    for checkout in (server.data / "artifacts/checkouts").iterdir():
        if (checkout / "notes.txt").exists():
            (checkout / "1/model.onnx").unlink()
    server.start()
    answer = server.score("damaged", key)
    assert answer.status_code == 503 and "'only'" in answer.text and "LOADING" not in answer.text, answer.text
    assert server.call("ModelInfer", infer("damaged"), key)[0] == grpc.StatusCode.UNAVAILABLE
    shown = server.ask("GET", "onlineEndpoints/damaged/deployments/only").json()["properties"]
    assert shown["provisioningState"] == "Failed" and "model.onnx" in shown["provisioningError"]["message"]
    assert server.score("steady", steady).status_code == 200


@pytest.fixture(scope="module")
def crowded(server):
    """The key of an endpoint whose one instance runs one request at a time."""
    return make(server, "crowded", "slow", requestSettings={"requestTimeout": "PT60S", "maxConcurrentRequestsPerInstance": 1})


def at_once(call):
    with futures.ThreadPoolExecutor(4) as callers:
        return [future.result() for future in [callers.submit(call) for _ in range(4)]]


def test_over_http_who_comes_past_twice_what_may_run_at_once_is_told_when_to_come_back(server, crowded):
    answers = at_once(lambda: server.score("crowded", crowded, FOUR))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


def test_over_grpc_who_comes_past_twice_what_may_run_at_once_is_told_when_to_come_back(server, crowded):
    server.channel()
    answers = at_once(lambda: server.call("ModelInfer", four("crowded"), crowded))
    refused = [last for code, _, _, last in answers if code == grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert len(refused) == 2 and {code for code, *_ in answers} == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(int(last["grpc-retry-pushback-ms"]) > 0 for last in refused)
