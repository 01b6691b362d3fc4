"""Sticky endpoints through both doors of the real program: equal `apus-routing-key`, same deployment; different keys by the
split; no key, the split itself."""

import queue
from collections import Counter

import grpc
import numpy
import pytest
import tritonclient.grpc as triton
from endpoints import EndpointServer, infer
from server import PATIENCE

WHO, KEY = "azureml-model-deployment", "apus-routing-key"
KEYS = [f"customer-{number}" for number in range(400)]

STICKY = """
name: sticky
auth_mode: key
apus: {sticky: true}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With `sticky` and `loose`, which is not: two deployments each, 70 % of the traffic at blue."""
    with EndpointServer(tmp_path_factory.mktemp("sticky")) as server:
        server.make_model("simple")
        server.run("endpoint", "create", "-f", server.write("sticky.yml", STICKY))
        server.make_endpoint("loose")
        for endpoint in ("sticky", "loose"):
            for deployment in ("blue", "green"):
                server.make_deployment(endpoint, deployment)
        server.secrets = {endpoint: server.keys(endpoint)[0] for endpoint in ("sticky", "loose")}
        yield server


@pytest.fixture(autouse=True)
def split(server):
    for endpoint in ("sticky", "loose"):
        server.set_traffic(endpoint, blue=70, green=30)


def by_grpc(server, key=None, endpoint="sticky", *metadata):
    """Who answers a call."""
    if key is not None:
        metadata = ((KEY, key), *metadata)
    code, answer, first, _ = server.call("ModelInfer", infer(endpoint), server.secrets[endpoint], *metadata)
    assert code == grpc.StatusCode.OK and answer.model_version == first[WHO], answer
    return first[WHO]


def by_rest(server, key=None, endpoint="sticky", **headers):
    if key is not None:
        headers[KEY] = key
    answer = server.score(endpoint, server.secrets[endpoint], **headers)
    assert answer.status_code == 200, answer.text
    return answer.headers[WHO]


def test_equal_keys_go_to_the_same_deployment_through_both_doors_and_different_ones_by_the_split(server):
    homes = {key: by_grpc(server, key) for key in KEYS}
    # In another order each time: in the same one, the split's own order would give the same answers.
    for call, keys in ((by_grpc, sorted(KEYS)), (by_rest, KEYS[::-1]), (by_rest, sorted(KEYS, key=len, reverse=True))):
        assert {key: call(server, key) for key in keys} == homes
    # 400 keys of which each has its own chance of 70 %: the standard deviation is 9.
    counts = Counter(homes.values())
    assert 280 - 40 < counts["blue"] < 280 + 40 and counts.total() == len(KEYS), counts


def test_a_key_in_a_streams_metadata_holds_for_all_its_requests(server):
    homes = {key: by_grpc(server, key) for key in KEYS[:8]}
    assert len(set(homes.values())) == 2
    for key, home in homes.items():
        answers = queue.Queue()
        with triton.InferenceServerClient(server.address) as client:
            client.start_stream(
                lambda result, error: answers.put(error or result.get_response().model_version),
                headers={"authorization": f"Bearer {server.secrets['sticky']}", KEY: key})
            for _ in range(10):
                client.async_stream_infer("sticky", inputs())
            assert [answers.get(timeout=PATIENCE) for _ in range(10)] == [home] * 10


def inputs():
    tensors = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for tensor in tensors:
        tensor.set_data_from_numpy(numpy.ones((1, 16), dtype=numpy.int32))
    return tensors


@pytest.mark.parametrize("call", [by_grpc, by_rest])
@pytest.mark.parametrize("key", [None, ""], ids=["no key", "an empty key"])
def test_without_a_key_the_split_is_exact(server, call, key):
    assert Counter(call(server, key) for _ in range(100)) == {"blue": 70, "green": 30}


@pytest.mark.parametrize("call", [by_grpc, by_rest])
def test_an_endpoint_that_is_not_sticky_takes_no_notice_of_keys(server, call):
    assert Counter(call(server, "customer-1", "loose") for _ in range(100)) == {"blue": 70, "green": 30}


def test_a_pin_goes_before_a_key(server):
    for pin in ("blue", "green"):
        for key in KEYS[:8]:
            assert by_grpc(server, key, "sticky", (WHO, pin)) == by_rest(server, key, **{WHO: pin}) == pin


def test_a_change_of_the_split_moves_only_keys_of_the_deployment_that_loses(server):
    before = {key: by_grpc(server, key) for key in KEYS}
    server.set_traffic("sticky", blue=40, green=60)
    after = {key: by_rest(server, key) for key in KEYS}
    moves = Counter((before[key], after[key]) for key in KEYS if before[key] != after[key])
    assert set(moves) == {("blue", "green")} and moves.total() < len(KEYS) / 2
    server.set_traffic("sticky", blue=70, green=30)
    assert {key: by_grpc(server, key) for key in KEYS} == before


def test_keys_of_a_deployment_without_traffic_go_to_the_other_and_come_back(server):
    before = {key: by_grpc(server, key) for key in KEYS[:40]}
    server.set_traffic("sticky", green=100)
    assert {by_grpc(server, key) for key in KEYS[:40]} == {by_rest(server, key) for key in KEYS[:40]} == {"green"}
    server.set_traffic("sticky", blue=70, green=30)
    assert {key: by_rest(server, key) for key in KEYS[:40]} == before


def test_a_key_has_the_same_home_after_a_restart(server):
    before = {key: by_grpc(server, key) for key in KEYS[:40]}
    server.restart()
    assert {key: by_grpc(server, key) for key in KEYS[39::-1]} == before
