"""Models that leave memory, when nobody calls them or when memory is short, and come back with their next request: seen
through both doors of the real program, where none of it may cost a call."""

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy
import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from endpoints import ONES, EndpointServer, infer
from server import PATIENCE, TEST_MODELS, eventually, pb

DEPLOYMENT = f"""
name: blue
endpoint_name: rare
model: {{path: {TEST_MODELS / "simple"}, type: triton_model}}
instance_type: Standard_DS3_v2
instance_count: 1
apus: {{load_on_demand: true, idle_time: 1}}
"""
ON_DEMAND = {"loadOnDemand": True}
SHELF = ("one", "two", "three")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With endpoint `rare`, whose model leaves memory after a second, and `shelf`, whose one deployment stays in it."""
    with EndpointServer(tmp_path_factory.mktemp("on-demand")) as server:
        server.make_model("simple")
        server.make_endpoint("rare")
        server.run("deployment", "create", "-f", server.write("blue.yml", DEPLOYMENT), "--all-traffic")
        server.make_endpoint("shelf")
        server.make_deployment("shelf", "stays")
        server.key = server.keys("rare")[0]
        yield server


@pytest.fixture(scope="module")
def shelf(server, tmp_path_factory):
    """A server with memory for three and a half models, and four: one that stays, and three that come and go."""
    half = memory(server, server.keys("shelf")[0], "stays", "shelf") // 2
    with EndpointServer(tmp_path_factory.mktemp("short-of-memory"), "--model-memory-bytes", str(7 * half)) as shelf:
        shelf.make_model("simple")
        shelf.make_endpoint("shelf")
        shelf.make_deployment("shelf", "stays")
        for name in SHELF:
            shelf.make_deployment("shelf", name, apus=ON_DEMAND)
        shelf.key = shelf.keys("shelf")[0]
        yield shelf


def memory(server, key, deployment, endpoint):
    """Bytes that a deployment's model has in memory, as its statistics say."""
    request = pb.ModelStatisticsRequest(name=endpoint, version=deployment)
    code, answer, _, _ = server.call("ModelStatistics", request, key)
    assert code == grpc.StatusCode.OK, answer
    return sum(usage.byte_size for usage in answer.model_stats[0].memory_usage)


def instances(server, endpoint="rare", deployment="blue"):
    return server.ask("GET", f"onlineEndpoints/{endpoint}/deployments/{deployment}").json()["properties"]["instances"]


def is_out(server):
    return memory(server, server.key, "blue", "rare") == 0 and instances(server)["ready"] == 0


def on_shelf(server):
    """Who is in memory."""
    return {name for name in ("stays", *SHELF) if memory(server, server.key, name, "shelf") > 0}


# Through each door a client of its own: (module, address).
DOORS = {
    "gRPC": (triton_grpc, lambda server: server.address),
    "REST": (triton_http, lambda server: server.http.removeprefix("http://")),
}


def ask(server, door, number=1):
    """One request by Triton's client; true if it was answered, and rightly."""
    module, address = DOORS[door]
    first, second = numpy.full((1, 16), number, numpy.int32), numpy.full((1, 16), 3, numpy.int32)
    with module.InferenceServerClient(address(server)) as client:
        inputs = [module.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
        for tensor, values in zip(inputs, (first, second)):
            tensor.set_data_from_numpy(values)
        answer = client.infer("rare", inputs, headers={"authorization": f"Bearer {server.key}"})
    return (answer.as_numpy("OUTPUT0") == first + second).all() and (answer.as_numpy("OUTPUT1") == first - second).all()


# MARK: nobody calls


@pytest.mark.parametrize("door", DOORS)
def test_a_model_leaves_memory_when_idle_and_comes_back_with_the_next_request(server, door):
    left = lambda: server.run("deployment", "get-logs", "-e", "rare", "-n", "blue").stdout.count("out of memory: no request")
    for number in range(2):
        eventually(lambda: is_out(server), what="the idle model's leave")
        before = left()
        assert ask(server, door, number)
        eventually(lambda: left() == before + 1, every=0.2, what="another leave, for which it must have come back")


def test_first_requests_that_come_at_once_are_all_answered(server):
    eventually(lambda: is_out(server), what="the idle model's leave")
    start = threading.Barrier(16)

    def first(number):
        start.wait(PATIENCE)
        return ask(server, ("gRPC", "REST")[number % 2], number)

    with ThreadPoolExecutor(16) as callers:
        assert all(callers.map(first, range(16)))


def test_a_model_that_is_out_is_described_and_ready_and_stays_out(server):
    eventually(lambda: is_out(server), what="the idle model's leave")
    assert server.call("ModelReady", pb.ModelReadyRequest(name="rare"), server.key)[1].ready
    assert server.call("ModelMetadata", pb.ModelMetadataRequest(name="rare"), server.key)[1].inputs[0].name == "INPUT0"
    for path in ("/v2/models/rare/ready", "/v2/models/rare", "/v2/models/rare/config", "/endpoints/rare/swagger.json"):
        assert server.get(path, server.key).status_code == 200
    shown = server.ask("GET", "onlineEndpoints/rare/deployments/blue").json()["properties"]
    assert shown["provisioningState"] == "Succeeded" and is_out(server)


def test_who_may_not_call_brings_nothing_back(server):
    eventually(lambda: is_out(server), what="the idle model's leave")
    assert server.call("ModelInfer", infer("rare"), "wrong")[0] == grpc.StatusCode.UNAUTHENTICATED
    assert server.score("rare", "wrong").status_code == 401
    assert is_out(server)


def test_one_that_was_not_made_for_it_stays_however_long_nobody_calls(server):
    eventually(lambda: is_out(server), what="the idle model's leave")
    assert instances(server, "shelf", "stays")["ready"] == 1


def test_a_model_that_can_not_come_back_is_not_its_callers_fault_and_comes_when_it_can(server):
    eventually(lambda: is_out(server), what="the idle model's leave")
    files = [file for file in (server.data / "artifacts/checkouts").rglob("model.onnx")]
    for file in files:
        file.rename(file.with_name("hidden"))
    try:
        code, said, _, _ = server.call("ModelInfer", infer("rare"), server.key)
        answer = server.score("rare", server.key)
    finally:
        for file in files:
            file.with_name("hidden").rename(file)
    assert (code, answer.status_code) == (grpc.StatusCode.UNAVAILABLE, 503)
    for text in (said, answer.text):
        assert "can't be loaded again" in text and str(server.data) not in text
    reason = server.run("deployment", "get-logs", "-e", "rare", "-n", "blue").stdout.splitlines()[-1]
    assert "not loaded again" in reason and "No such file" in reason
    assert ask(server, "gRPC")


# MARK: memory is short


def test_the_least_recently_used_leaves_first_and_no_other(shelf):
    """Between two calls the server may look or not: once the last of three was called, the first is who has to go."""
    for first, *others in (("one", "two", "three"), ("two", "three", "one"), ("three", "two", "one"), ("two", "one", "three")):
        for name in (first, *others):
            assert shelf.call("ModelInfer", infer("shelf", model_version=name), shelf.key)[0] == grpc.StatusCode.OK
        eventually(lambda: on_shelf(shelf) == {"stays", *others}, what=f"the leave of {first}, and of nobody else")
        said = shelf.run("deployment", "get-logs", "-e", "shelf", "-n", first).stdout.splitlines()
        assert re.search(r"out of memory: memory is short by .* and it is the least recently used", said[-1])


def test_no_call_fails_while_models_leave_and_come_back(shelf):
    """Three callers of three models of which two fit: at every look of the server somebody has to go."""
    is_over, answers = threading.Event(), Counter()
    leaves = lambda: shelf.log().count("took a model out of memory")

    def call(name):
        with requests.Session() as session:
            headers = {"authorization": f"Bearer {shelf.key}", "azureml-model-deployment": name}
            score = lambda: session.post(
                f"{shelf.http}/endpoints/shelf/score", json=ONES, headers=headers, timeout=PATIENCE)
            while not is_over.is_set():
                answers[shelf.call("ModelInfer", infer("shelf", model_version=name), shelf.key)[0]] += 1
                try:
                    answers[score().status_code] += 1
                except requests.RequestException as error:
                    answers[repr(error)] += 1

    before = leaves()
    with ThreadPoolExecutor(len(SHELF)) as pool:
        callers = [pool.submit(call, name) for name in SHELF]
        try:
            eventually(lambda: leaves() >= before + 3, what="three leaves under load")
        finally:
            is_over.set()
        for caller in callers:
            caller.result()
    assert set(answers) == {grpc.StatusCode.OK, 200}, answers
