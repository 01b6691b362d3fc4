"""Callers of one endpoint take turns, and one with a thousand requests does not keep another's single one waiting; nor do
those by one connection more than the endpoint takes.

A model that is slow and runs one request at a time; a peer that writes the requests of all callers at once, on one
connection; and the order in which the answers come back. Nothing here looks at a clock."""

import json
import re
from collections import Counter

import grpc
import numpy
import pytest
from endpoints import EndpointServer
from issuer import Issuer
from models import make_slow_model
from server import PATIENCE, SERVICE, eventually, infer_request, pb
from wire import Peer, grpc_message

STEPS = 15
MANY = 12
# Of `narrow`: twice this may be in hand.
CONCURRENCY = 8
DOORS = ("grpc", "http")
CALLERS = ("tokens", "keys")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """With `keys`, called by either of its keys, `tokens`, called by principals, and `narrow`, where few may wait."""
    folder = tmp_path_factory.mktemp("fair")
    with Issuer(folder / "issuer") as issuer, EndpointServer(folder, "--oidc-issuer", f"corp={issuer.address},apus") as server:
        server.issuer = issuer
        server.make_model("slow", make_slow_model(folder, STEPS))
        server.make_model("told", make_slow_model(folder, name="told"))
        for name, mode in (("keys", "Key"), ("tokens", "AADToken"), ("narrow", "AADToken")):
            model, settings = "slow", {"requestTimeout": "PT5M"}
            if name == "narrow":
                model, settings["maxConcurrentRequestsPerInstance"] = "told", CONCURRENCY
            server.make_endpoint(name, mode)
            server.make_deployment(name, "blue", model, requestSettings=settings)
            server.set_traffic(name, blue=100)
        for door in DOORS:
            server.make_endpoint(f"few-{door}", "AADToken", apus={"maxConnections": 1})
            server.make_deployment(f"few-{door}", "blue", "told", requestSettings={"requestTimeout": "PT5M"})
            server.set_traffic(f"few-{door}", blue=100)
        for caller in ("heavy", "light"):
            server.run("role", "assignment", "create", "--assignee", f"oidc:corp:{caller}", "--assignee-type", "User",
                       "--role", "Endpoint Scorer", "--scope", "workspace")
        yield server


def credentials(server, endpoint):
    """Those of a heavy caller and a light one."""
    return server.keys(endpoint) if endpoint == "keys" else [server.issuer.token(name) for name in ("heavy", "light")]


class Line:
    """Requests on one connection, which the server reads together; answered in an order of its own.

    With `behind` they find a call that runs already, and that is given up when so many of them were answered."""

    def __init__(self, server, door, endpoint, line, behind=None):
        self.door, self.order = door, []
        with Peer(FarEnd(server, door)) as peer:
            for credential in set(line):  # So that none of them is looked at for the first time below.
                assert status(peer.answer(ask(peer, door, endpoint, credential), PATIENCE), door) == "answered"
            frames, write = [], peer.write
            peer.write = frames.append
            streams = [ask(peer, door, endpoint, credential) for credential in line]
            peer.write = write
            if behind:
                call = begin_endless_call(server, endpoint, line[0])
            peer.write(b"".join(frames))
            while len(self.order) < len(line):
                assert peer.next_frame(PATIENCE) is not None, "the server has ended the connection"
                self.order += [place for place, stream in enumerate(streams)
                               if peer.answers[stream].is_complete and place not in self.order]
                if behind and len(self.order) == behind:
                    call.cancel()
            self.answers = [peer.answers[stream] for stream in streams]

    @property
    def statuses(self):
        return [status(answer, self.door) for answer in self.answers]


def ask(peer, door, endpoint, credential):
    """Begins a request; its stream."""
    authorization = ("authorization", f"Bearer {credential}")
    if door == "grpc":
        stream = peer.begin(SERVICE + "ModelInfer", authorization)
        request = infer_request(endpoint, {"INPUT0": numpy.ones((1, 4), dtype=numpy.float32)})
        peer.data(stream, grpc_message(request.SerializeToString()), end=True)
    else:
        stream = peer.headers([
            (":method", "POST"), (":scheme", "http"), (":path", f"/endpoints/{endpoint}/score"), (":authority", "test"),
            ("content-type", "application/json"), authorization])
        peer.data(stream, json.dumps({"input_data": [[1, 1, 1, 1]]}).encode(), end=True)
    return stream


def status(answer, door):
    known = {0: "answered", grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]: "refused", "200": "answered", "429": "refused"}
    code = answer.grpc_status if door == "grpc" else answer.http_status
    return known.get(code, (code, answer))


def begin_endless_call(server, endpoint, credential):
    """One that runs until it is given up, of a model that is as slow as it is told."""
    once, endless = (infer_request(endpoint, {"INPUT0": numpy.full((1, 4), steps, dtype=numpy.float32)}) for steps in (1, 1e9))
    metadata = [("authorization", f"Bearer {credential}")]
    # The loop of this connection may see the credential for the first time: it would let the endless call wait meanwhile.
    server.stub.ModelInfer(once, timeout=PATIENCE, metadata=metadata)
    call = server.stub.ModelInfer.future(endless, metadata=metadata)
    # On the same connection, behind it: when this is answered, it has been taken in.
    server.stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
    return call


class FarEnd:
    def __init__(self, server, door):
        self.connect = lambda: server.connect(door)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("endpoint", CALLERS)
def test_a_single_request_does_not_wait_for_anothers_queue(server, endpoint, door):
    heavy, light = credentials(server, endpoint)
    line = Line(server, door, endpoint, [heavy] * MANY + [light])
    assert set(line.statuses) == {"answered"}
    assert line.order.index(MANY) < MANY // 2, line.order


@pytest.mark.parametrize("door", DOORS)
def test_two_queues_are_served_in_turns(server, door):
    heavy, light = credentials(server, "tokens")
    line = Line(server, door, "tokens", [heavy] * MANY + [light] * MANY)
    first = [place >= MANY for place in line.order[:MANY]]
    assert set(line.statuses) == {"answered"}
    assert MANY // 2 - 2 <= sum(first) <= MANY // 2 + 2, line.order


def test_requests_of_one_caller_keep_their_order(server):
    heavy, _ = credentials(server, "tokens")
    line = Line(server, "grpc", "tokens", [heavy] * MANY)
    assert line.order == list(range(MANY))


def test_another_token_of_the_same_caller_is_no_other_caller(server):
    tokens = [server.issuer.token("heavy", number=number) for number in range(2)]
    line = Line(server, "grpc", "tokens", [tokens[0]] * MANY + [tokens[1]])
    assert line.order == list(range(MANY + 1))


@pytest.mark.parametrize("door", DOORS)
def test_a_full_queue_makes_room_for_whoever_has_less_in_it(server, door):
    heavy, light = credentials(server, "narrow")
    # One runs, and takes a place; the light caller has another in the end.
    kept = 2 * CONCURRENCY - 2
    refused = 3 * CONCURRENCY - kept
    # Nothing runs to its end before all that have to be refused are.
    line = Line(server, door, "narrow", [heavy] * (3 * CONCURRENCY) + [light], behind=refused)
    assert line.statuses[-1] == "answered"
    assert Counter(line.statuses[:-1]) == {"answered": kept, "refused": refused}, line.statuses
    refusals = [answer for answer in line.answers if status(answer, door) == "refused"]
    if door == "grpc":
        # Requests come in as they were sent: the last that found room has to give it up again.
        assert line.statuses[:-1] == ["answered"] * kept + ["refused"] * refused
        displaced = line.answers[kept].grpc_message
        assert re.search(r"16 are in flight; the limit is 16.*another came first by .*its caller's share", displaced)
        assert all("grpc-retry-pushback-ms" in answer.headers | answer.trailers for answer in refusals)
    else:
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refusals)


@pytest.mark.parametrize("door", DOORS)
def test_requests_of_one_connection_too_many_are_refused_until_there_is_room(server, door):
    heavy, light = credentials(server, f"few-{door}")
    call = begin_endless_call(server, f"few-{door}", heavy)
    with Peer(FarEnd(server, door)) as peer:
        def answer():
            return peer.answer(ask(peer, door, f"few-{door}", light), PATIENCE)

        refused = answer()
        assert status(refused, door) == "refused"
        if door == "grpc":
            assert refused.grpc_message == "too many connections: endpoint 'few-grpc' takes requests of 1 at a time"
            assert "grpc-retry-pushback-ms" in refused.headers | refused.trailers
        else:
            assert int(refused.headers["retry-after"]) >= 1
        call.cancel()
        eventually(lambda: status(answer(), door) == "answered", what="room for another connection")
