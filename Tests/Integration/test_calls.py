"""gRPC's own rules for a call: compression, deadlines, cancellation, metadata, limits and what a client may get wrong."""

import concurrent.futures
import gzip
import zlib

import grpc
import numpy
import pytest

from server import PATIENCE, SERVICE, Server, copy_models, failure, infer_request, outputs_of, pb, simple_request
from wire import Peer, grpc_message

INFER = SERVICE + "ModelInfer"
CODES = {code.name: code.value[0] for code in grpc.StatusCode}


def slow_request():
    return infer_request("slow", {"INPUT0": numpy.array([[1, 2, 3, 4]], dtype=numpy.float32)})


# Compression


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_request_is_understood(server, compression):
    rows = numpy.arange(64 * 16, dtype=numpy.int32).reshape(64, 16)[:4]
    answer = server.stub().ModelInfer(simple_request(rows, rows), compression=compression, timeout=PATIENCE)
    assert (outputs_of(answer)["OUTPUT0"] == 2 * rows).all()


def test_answers_are_compressed_for_clients_that_accept_it_where_the_server_is_told_to(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--response-compression", "gzip") as server:
        server.assert_serves()
        payload = grpc_message(simple_request().SerializeToString())
        with Peer(server) as peer:
            answer = peer.call(INFER, payload, ("grpc-accept-encoding", "identity,gzip"))
            assert answer.headers["grpc-encoding"] == "gzip"
            assert answer.body[0] == 1
            response = pb.ModelInferResponse.FromString(gzip.decompress(answer.body[5:]))
            assert (outputs_of(response)["OUTPUT0"] == 2).all()
            # The same call without the offer.
            answer = peer.call(INFER, payload)
            assert answer.headers.get("grpc-encoding", "identity") == "identity"
            assert answer.body[0] == 0


def test_the_server_says_which_encodings_it_takes(server):
    with Peer(server) as peer:
        answer = peer.call(INFER, grpc_message(b"x"), ("grpc-encoding", "zstd"))
        assert answer.grpc_status == CODES["UNIMPLEMENTED"]
        accepted = (answer.headers | answer.trailers)["grpc-accept-encoding"]
        assert {"identity", "gzip"} <= {name.strip() for name in accepted.split(",")}


@pytest.mark.parametrize("encoding, payload", [
    ("gzip", b"this is no gzip"), ("gzip", gzip.compress(b"x" * 1000)[:-4]), ("deflate", b"\0\1\2\3"),
])
def test_corrupt_compression_fails_the_call(server, encoding, payload):
    with Peer(server) as peer:
        answer = peer.call(INFER, grpc_message(payload, flag=1), ("grpc-encoding", encoding))
        assert answer.grpc_status == CODES["INTERNAL"]


def test_a_compressed_message_without_an_encoding_fails_the_call(server):
    with Peer(server) as peer:
        assert peer.call(INFER, grpc_message(gzip.compress(b""), flag=1)).grpc_status == CODES["INTERNAL"]


def test_a_compression_bomb_is_stopped_at_the_message_limit(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--max-message-bytes", "1048576") as server:
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = bomb.compress(bytes(512 << 20)) + bomb.flush()
        assert len(packed) < 1 << 20
        with Peer(server) as peer:
            answer = peer.call(INFER, grpc_message(packed, flag=1), ("grpc-encoding", "gzip"))
        assert answer.grpc_status == CODES["RESOURCE_EXHAUSTED"]
        assert "1048576" in answer.grpc_message
        server.assert_serves()


# Deadlines and cancellation


def test_a_deadline_that_passes_while_the_model_runs_ends_the_call(server):
    assert failure(server.stub().ModelInfer, slow_request(), timeout=0.05).code().name == "DEADLINE_EXCEEDED"


def test_the_server_itself_keeps_the_deadline(server):
    """The peer here has no clock: what comes back is the server's word."""
    with Peer(server) as peer:
        message = grpc_message(slow_request().SerializeToString())
        answer = peer.call(INFER, message, ("grpc-timeout", "20m"))
        assert answer.grpc_status == CODES["DEADLINE_EXCEEDED"] or answer.reset is not None


@pytest.mark.parametrize("timeout", ["", "1", "S", "123456789S", "1x", "-1S", "1.5S"])
def test_a_timeout_that_is_none_fails_the_call(server, timeout):
    with Peer(server) as peer:
        answer = peer.call(SERVICE + "ServerLive", grpc_message(b""), ("grpc-timeout", timeout))
        assert answer.grpc_status not in (0, None)


@pytest.mark.parametrize("timeout", ["99999999H", "10S", "10000m", "10000000u", "99999999n"])
def test_every_unit_of_timeout_is_understood(server, timeout):
    with Peer(server) as peer:
        assert peer.call(SERVICE + "ServerLive", grpc_message(b""), ("grpc-timeout", timeout)).grpc_status == 0


def test_a_request_past_its_deadline_in_the_queue_never_runs(tmp_path):
    """One instance is busy for a second; behind it waits a request that has no such time."""
    repository = copy_models(tmp_path, "slow", "simple")
    (repository / "slow/config.pbtxt").write_text("max_batch_size: 1 instance_group [{ count: 1 }]\n")
    with Server(repository) as server:
        stub = server.stub()
        running = stub.ModelInfer.future(slow_request(), timeout=PATIENCE)
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        assert failure(stub.ModelInfer, slow_request(), timeout=0.05).code().name == "DEADLINE_EXCEEDED"
        running.result()
        counted = stub.ModelStatistics(pb.ModelStatisticsRequest(name="slow")).model_stats[0]
        assert counted.execution_count == 1
        assert counted.inference_stats.success.count == 1


def test_a_cancelled_call_frees_the_instance_for_the_next(tmp_path):
    repository = copy_models(tmp_path, "slow", "simple")
    (repository / "slow/config.pbtxt").write_text("max_batch_size: 1 instance_group [{ count: 1 }]\n")
    with Server(repository) as server:
        stub = server.stub()
        calls = [stub.ModelInfer.future(slow_request(), timeout=PATIENCE) for _ in range(8)]
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        for call in calls:
            call.cancel()
        last = stub.ModelInfer(slow_request(), timeout=PATIENCE)
        assert (outputs_of(last)["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        counted = stub.ModelStatistics(pb.ModelStatisticsRequest(name="slow")).model_stats[0]
        assert counted.execution_count <= 3, "those that waited were still run"


# Metadata


def test_unknown_metadata_is_no_matter(server):
    metadata = [("x-request-source", "test"), ("trace-bin", bytes(range(256)))]
    server.stub().ModelInfer(simple_request(), metadata=metadata, timeout=PATIENCE)


def test_an_error_s_text_survives_any_characters(server):
    error = failure(server.stub().ModelMetadata, pb.ModelMetadataRequest(name="größer % 50\n大"))
    assert error.code().name == "NOT_FOUND"
    assert "größer % 50\n大" in error.details()


# Limits


def test_a_message_over_the_limit_is_refused_and_the_limit_named(tmp_path):
    with Server(copy_models(tmp_path, "simple"), "--max-message-bytes", "65536") as server:
        error = failure(server.stub().ModelInfer, simple_request(id="x" * 70000))
        assert error.code().name == "RESOURCE_EXHAUSTED"
        assert "65536" in error.details()
        server.stub().ModelInfer(simple_request(id="x" * 60000), timeout=PATIENCE)
        server.assert_serves()


def test_a_full_queue_refuses_and_those_in_it_are_served(tmp_path):
    repository = copy_models(tmp_path, "slow", "simple")
    (repository / "slow/config.pbtxt").write_text(
        "max_batch_size: 1 instance_group [{ count: 1 }]\n"
        "dynamic_batching { default_queue_policy { max_queue_size: 2 } }\n")
    with Server(repository) as server:
        stub = server.stub()
        calls = [stub.ModelInfer.future(slow_request(), timeout=PATIENCE) for _ in range(8)]
        outcomes = [call.exception(PATIENCE) for call in calls]
        refused = [error for error in outcomes if error is not None]
        assert 2 <= len(outcomes) - len(refused) <= 4
        for error in refused:
            assert error.code().name == "RESOURCE_EXHAUSTED"
            assert "2" in error.details()
        server.assert_serves()


# What a client may get wrong


def test_a_body_that_is_shorter_than_its_prefix_fails_the_call(server):
    with Peer(server) as peer:
        assert peer.call(INFER, grpc_message(b"short", length=1000)).grpc_status == CODES["INTERNAL"]


def test_a_body_that_is_longer_than_its_prefix_fails_the_call(server):
    with Peer(server) as peer:
        answer = peer.call(INFER, grpc_message(bytes(1000), length=5))
        assert answer.grpc_status not in (0, None)


@pytest.mark.parametrize("length", [2**32 - 1, 2**31, 2**31 - 1])
def test_a_giant_prefix_is_refused_before_anything_is_held(server, length):
    before = server.resident_bytes()
    with Peer(server) as peer:
        stream = peer.begin(INFER)
        peer.data(stream, grpc_message(b"", length=length))
        answer = peer.answer(stream)
    assert answer.grpc_status == CODES["RESOURCE_EXHAUSTED"]
    assert str(length) in answer.grpc_message
    assert server.resident_bytes() - before < 32 << 20


@pytest.mark.parametrize("body", [b"", b"\0\0\0"])
def test_a_call_without_a_message_fails(server, body):
    with Peer(server) as peer:
        assert peer.call(INFER, body).grpc_status not in (0, None)


def test_a_second_message_in_a_unary_call_fails_it(server):
    with Peer(server) as peer:
        message = grpc_message(simple_request().SerializeToString())
        assert peer.call(INFER, message + message).grpc_status not in (0, None)


def test_an_unknown_compression_flag_fails_the_call(server):
    with Peer(server) as peer:
        assert peer.call(INFER, grpc_message(b"", flag=7)).grpc_status == CODES["INTERNAL"]


def test_a_message_in_pieces_of_one_byte_is_served(server):
    message = grpc_message(simple_request().SerializeToString())
    with Peer(server) as peer:
        peer.await_settings()
        stream = peer.begin(INFER)
        for index in range(len(message)):
            peer.data(stream, message[index : index + 1])
        peer.data(stream, end=True)
        assert peer.answer(stream).grpc_status == 0


def test_a_client_that_disconnects_while_its_batch_runs_takes_nobody_with_it(tmp_path):
    """Two requests in one batch; one client goes while it runs, the other gets its own rows."""
    repository = copy_models(tmp_path, "slow", "simple")
    (repository / "slow/config.pbtxt").write_text(
        "max_batch_size: 2 instance_group [{ count: 1 }]\n"
        "dynamic_batching { preferred_batch_size: [2] max_queue_delay_microseconds: 60000000 }\n")
    with Server(repository) as server:
        with Peer(server) as peer:
            stream = peer.begin(INFER)
            leaving = infer_request("slow", {"INPUT0": numpy.full((1, 4), 9, numpy.float32)})
            peer.data(stream, grpc_message(leaving.SerializeToString()), end=True)
            assert peer.round_trip()
            staying = server.stub().ModelInfer.future(slow_request(), timeout=PATIENCE)
            # Its batch is full now and begins; the statistics' socket comes after it.
            server.stub().ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        assert (outputs_of(staying.result())["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        server.assert_serves()


def test_a_stream_that_is_reset_in_mid_request_leaves_the_connection_usable(server):
    with Peer(server) as peer:
        message = grpc_message(simple_request().SerializeToString())
        for _ in range(50):
            stream = peer.begin(INFER)
            peer.data(stream, message[: len(message) // 2])
            peer.reset(stream)
        assert peer.call(INFER, message).grpc_status == 0


def test_many_clients_at_once_get_their_own_answers(server):
    def client(number):
        stub = server.stub()
        for turn in range(50):
            rows = numpy.full((1 + turn % 3, 16), number * 1000 + turn, numpy.int32)
            answer = outputs_of(stub.ModelInfer(simple_request(rows, rows), timeout=PATIENCE))
            assert (answer["OUTPUT0"] == 2 * rows).all() and (answer["OUTPUT1"] == 0).all()

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for done in [pool.submit(client, number) for number in range(32)]:
            done.result()
