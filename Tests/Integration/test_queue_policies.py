"""Policies of a model's queue over the wire: of each priority how many may wait, how long, and what comes after it; and
answers that leave in the order of the requests.

The model is as slow as it is told, and runs one request at a time. A call that never ends keeps an instance busy for as long
as a test wants: it is of the first priority, so that nothing else is run before it. Nothing here looks at a clock."""

import contextlib
import json

import grpc
import numpy
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from models import make_slow_model
from server import PATIENCE, SERVICE, Server, eventually, failure, infer_request, outputs_of, pb
from wire import Peer, grpc_message

ENDLESS = 1e9
OK, DEADLINE_EXCEEDED = 0, grpc.StatusCode.DEADLINE_EXCEEDED.value[0]

SIZES = """
  default_queue_policy { max_queue_size: 3 }
  priority_queue_policy { key: 1 value { } }
  priority_queue_policy { key: 2 value { max_queue_size: 2 } }
"""
TIMES = """
  priority_queue_policy { key: 2 value { default_timeout_microseconds: 1000 } }
  priority_queue_policy { key: 3 value { allow_timeout_override: true } }
"""
DELAYS = "priority_queue_policy { key: 2 value { timeout_action: DELAY default_timeout_microseconds: 1 } }"
ORDERED = """
  preserve_ordering: true
  priority_queue_policy { key: 4 value { default_timeout_microseconds: 1 } }
"""
MODELS = {"sizes": (1, SIZES), "times": (1, TIMES), "delays": (1, DELAYS), "ordered": (3, ORDERED)}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    for name, (instances, policies) in MODELS.items():
        config = make_slow_model(folder, name=name) / "config.pbtxt"
        config.write_text(
            f"max_batch_size: 1 instance_group [{{ count: {instances} }}]\n"
            f"dynamic_batching {{ priority_levels: 4 default_priority_level: 3 {policies} }}\n")
    with Server(folder) as server:
        yield server


def told(model, steps=1, id="", **parameters):
    request = infer_request(model, {"INPUT0": numpy.full((1, 4), steps, dtype=numpy.float32)}, id=id)
    for name, value in parameters.items():
        request.parameters[name].int64_param = value
    return request


@contextlib.contextmanager
def busy(stub, model):
    """Keeps the model's only instance busy. The endless call is the first in the pool: what follows on the same connection
    is answered after it was taken in."""
    call = stub.ModelInfer.future(told(model, ENDLESS, priority=1))
    stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
    try:
        yield
    finally:
        call.cancel()


def send(stub, *requests):
    """Begins calls one after the other; the server has read all of them on return."""
    calls = [stub.ModelInfer.future(request, timeout=PATIENCE) for request in requests]
    stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
    return calls


def begin(peer, *requests):
    """Begins calls on one connection, which the server reads together; their streams."""
    frames, write = [], peer.write
    peer.write = frames.append
    streams = []
    for request in requests:
        streams.append(peer.begin(SERVICE + "ModelInfer"))
        peer.data(streams[-1], grpc_message(request.SerializeToString()), end=True)
    peer.write = write
    peer.write(b"".join(frames))
    return streams


def completed(peer, streams):
    """The streams in the order in which their answers came, all of them."""
    order = []
    while len(order) < len(streams):
        assert peer.next_frame(PATIENCE) is not None, "the server has ended the connection"
        order += [stream for stream in streams if peer.answers[stream].is_complete and stream not in order]
    return order


# How many, how long, and what comes after it


def test_the_configuration_says_what_each_priority_has(server):
    config = server.stub().ModelConfig(pb.ModelConfigRequest(name="sizes"), timeout=PATIENCE).config
    policies = config.dynamic_batching.priority_queue_policy
    assert {level: policies[level].max_queue_size for level in policies} == {1: 0, 2: 2}
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 3


def test_each_priority_has_its_own_limit(server):
    stub = server.stub()
    with busy(stub, "sizes"):
        second = send(stub, *[told("sizes", priority=2)] * 3)
        third = send(stub, *[told("sizes")] * 4)
        fourth = send(stub, *[told("sizes", priority=4)] * 3)
        for calls, text in ((second, "of priority 2: 2 requests are waiting; the limit is 2"),
                            (third, "of priority 3: 3 requests are waiting; the limit is 3")):
            eventually(lambda: any(call.done() for call in calls), what="a refusal")
            refused, = (call for call in calls if call.done())
            assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert f"Exceeds maximum queue size {text}" in refused.details()
        assert not any(call.done() for call in fourth)
        # The same by Triton's client, one more of a priority that is full.
        inputs = [triton.InferInput("INPUT0", [1, 4], "FP32")]
        inputs[0].set_data_from_numpy(numpy.ones((1, 4), dtype=numpy.float32))
        with triton.InferenceServerClient(server.address) as client:
            with pytest.raises(InferenceServerException) as refusal:
                client.infer("sizes", inputs, priority=2, client_timeout=PATIENCE)
        assert "Exceeds maximum queue size of priority 2" in refusal.value.message()
    answered = [call for call in (*second, *third, *fourth) if call.exception(PATIENCE) is None]
    assert len(answered) == 2 + 3 + 3


def test_each_priority_has_its_own_time_which_ends_while_the_instance_is_busy(server):
    stub = server.stub()
    with busy(stub, "times"):
        patient, unheeded, hurried, late = send(
            stub, told("times"), told("times", priority=4, timeout=1000), told("times", timeout=1000),
            told("times", priority=2, timeout=60_000_000))
        for call in (hurried, late):
            assert call.exception(PATIENCE).code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "Request timeout expired" in call.details()
        assert not patient.done() and not unheeded.done()
    assert (outputs_of(patient.result(PATIENCE))["OUTPUT0"] == 1).all()
    assert (outputs_of(unheeded.result(PATIENCE))["OUTPUT0"] == 1).all()


def test_a_priority_s_late_requests_may_be_delayed_in_place_of_failing(server):
    stub = server.stub()
    with Peer(server) as peer:
        with busy(stub, "delays"):
            late, patient = begin(peer, told("delays", priority=2), told("delays"))
            assert peer.round_trip()
        assert completed(peer, [late, patient]) == [patient, late]
        assert peer.answers[late].grpc_status == peer.answers[patient].grpc_status == OK


# Answers in order


def executions(stub, model):
    return stub.ModelStatistics(pb.ModelStatisticsRequest(name=model), timeout=PATIENCE).model_stats[0].execution_count


def test_answers_wait_for_those_whose_requests_came_first(server):
    """One of three instances never ends; what the others have done meanwhile is held back until that call is given up."""
    stub = server.stub()
    before = executions(stub, "ordered")
    with Peer(server) as peer:
        endless, *streams = begin(
            peer, told("ordered", ENDLESS, priority=1), told("ordered", 20), told("ordered"), told("ordered", 5),
            told("ordered", priority=1), told("ordered", priority=4), told("ordered"))
        late = streams[4]
        eventually(lambda: executions(stub, "ordered") == before + 5, what="the runs of all others")
        assert peer.round_trip()
        assert not any(peer.answers[stream].is_complete for stream in streams)
        peer.reset(endless)
        order = completed(peer, streams)
        # A refusal is a bare status, which HTTP/2 may send before the contents of another answer.
        assert [stream for stream in order if stream != late] == [stream for stream in streams if stream != late]
        assert [peer.answers[stream].grpc_status for stream in streams] == [OK, OK, OK, OK, DEADLINE_EXCEEDED, OK]


def test_a_call_that_is_given_up_holds_nobody_back(server):
    stub = server.stub()
    with Peer(server) as peer:
        for _ in range(3):
            first, second, third, fourth = begin(
                peer, told("ordered", ENDLESS, priority=1), told("ordered", 3), told("ordered", ENDLESS, priority=1),
                told("ordered"))
            peer.reset(third)
            peer.reset(first)
            assert completed(peer, [second, fourth]) == [second, fourth]
            assert peer.answers[second].grpc_status == peer.answers[fourth].grpc_status == OK
    stub.ModelInfer(told("ordered"), timeout=PATIENCE)


def test_one_stream_has_its_answers_in_order_the_late_ones_too(server):
    requests = [told("ordered", steps, id=str(number), priority=priority) for number, (steps, priority) in enumerate(
        [(20, 3), (1, 1), (1, 4), (5, 2), (1, 4), (1, 3), (2, 1)])]
    answers = list(server.stub().ModelStreamInfer(iter(requests), timeout=PATIENCE))
    assert [answer.infer_response.id for answer in answers] == [request.id for request in requests]
    assert ["Request timeout expired" in answer.error_message for answer in answers] == [
        False, False, True, False, True, False, False]


def test_a_policy_for_a_priority_that_does_not_exist_is_an_error_that_names_it(server):
    def load(level):
        request = pb.RepositoryModelLoadRequest(model_name="sizes")
        policies = {level: {"max_queue_size": 7}}
        request.parameters["config"].string_param = json.dumps({"max_batch_size": 1, "dynamic_batching": {
            "priority_levels": 2, "default_priority_level": 1, "priority_queue_policy": policies}})
        return server.stub().RepositoryModelLoad(request, timeout=PATIENCE)

    error = failure(lambda **_: load("5"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "priority_queue_policy has the key 5; expected a key from 1 to 2" in error.details()
    load("2")
    try:
        config = server.stub().ModelConfig(pb.ModelConfigRequest(name="sizes"), timeout=PATIENCE).config
        assert config.dynamic_batching.priority_queue_policy[2].max_queue_size == 7
    finally:
        server.stub().RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="sizes"), timeout=PATIENCE)
