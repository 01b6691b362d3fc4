"""SIGTERM: nothing new is taken, what is in finishes, and the program ends with 0."""

import signal
import socket

import grpc
import numpy
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server import PATIENCE, Server, copy_models, eventually, infer_request, outputs_of, pb


@pytest.fixture
def repository(tmp_path):
    return copy_models(tmp_path, "simple", "slow")


def slow_request():
    return infer_request("slow", {"INPUT0": numpy.array([[1, 2, 3, 4]], dtype=numpy.float32)})


def begin_slow_calls(server, count=1):
    stub = server.stub()
    calls = [stub.ModelInfer.future(slow_request(), timeout=PATIENCE) for _ in range(count)]
    # On the same connection, behind them: when this is answered, they have been taken in.
    stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
    return calls


def test_a_call_in_flight_finishes(repository):
    with Server(repository) as server:
        call, = begin_slow_calls(server)
        server.terminate()
        assert (outputs_of(call.result())["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        assert server.process.wait(PATIENCE) == 0


def test_new_connections_are_refused_while_it_drains(repository):
    with Server(repository) as server:
        call, = begin_slow_calls(server)
        server.terminate()

        def is_refused():
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE).close()
                return False
            except ConnectionRefusedError:
                return True

        eventually(is_refused, what="a closed door")
        call.result()


def test_a_watcher_of_health_is_told(repository):
    with Server(repository) as server:
        watch = health_pb2_grpc.HealthStub(server.channel()).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.terminate()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        # A watch never ends by itself, so the server must end it, or it would never be drained.
        try:
            rest = list(watch)
            assert rest == []
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert server.process.wait(PATIENCE) == 0


def test_an_idle_server_ends_at_once_on_sigint_too(repository):
    with Server(repository) as server:
        server.assert_serves()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0


def test_a_call_that_outlasts_the_grace_gets_a_status(repository):
    with Server(repository, "--drain-grace", "100ms") as server:
        calls = begin_slow_calls(server, count=4)
        server.terminate()
        for call in calls:
            assert call.exception(PATIENCE) is None or call.code() == grpc.StatusCode.UNAVAILABLE
        server.process.wait(PATIENCE)
