"""gRPC's interoperability cases: grpcio as the client, `apus-interop-server` as the server, in the clear and over TLS.

Source: gRPC, "gRPC Interop Test Case Descriptions" (interop-test-descriptions.md). The messages are compiled from
proto/grpc/testing by Debian's protoc when the tests begin; as a descriptor set, because generated modules would be
called `grpc.testing`, which grpcio has already.
"""

import pathlib
import resource
import socket
import ssl
import subprocess
import time
import types

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICE = "grpc.testing.TestService"
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
REQUEST_SIZES, RESPONSE_SIZES = [27182, 8, 1828, 45904], [31415, 9, 2653, 58979]
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"
PATIENCE = 30  # seconds until a case that hangs fails


def interop_server():
    for build in ("release", "debug"):
        path = ROOT / ".build" / build / "apus-interop-server"
        if path.exists():
            return path
    pytest.skip("apus-interop-server is not built: swift build --product apus-interop-server")


@pytest.fixture(scope="session")
def pb(tmp_path_factory):
    """The message classes of proto/grpc/testing, by name."""
    output = tmp_path_factory.mktemp("proto") / "testing.pb"
    files = [f"grpc/testing/{name}.proto" for name in ("empty", "messages", "test")]
    subprocess.run(["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={output}", *files], check=True)
    pool = descriptor_pool.DescriptorPool()
    classes = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file:
        pool.Add(file)
        for message in file.message_type:
            descriptor = pool.FindMessageTypeByName(f"{file.package}.{message.name}")
            classes[message.name] = message_factory.GetMessageClass(descriptor)
    return types.SimpleNamespace(**classes)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: its file and its key's."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=apus interop", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True)
    return files


class InteropServer:
    """A running server, which ends with its standard input."""

    def __init__(self, *certificate, **options):
        self.process = subprocess.Popen(
            [interop_server(), "127.0.0.1:0", *map(str, certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, **options)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.split()[-1]
        self.port = int(self.address.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE) == 0


@pytest.fixture(scope="module", params=["clear", "tls"])
def channel(request):
    if request.param == "clear":
        with InteropServer() as server, grpc.insecure_channel(server.address) as channel:
            yield channel
        return
    files = request.getfixturevalue("certificate")
    credentials = grpc.ssl_channel_credentials(files[0].read_bytes())
    with InteropServer(*files) as server, grpc.secure_channel(server.address, credentials) as channel:
        yield channel


@pytest.fixture
def call(channel, pb):
    """The service's methods."""

    def method(kind, name, request, response, service=SERVICE):
        serialize = request.SerializeToString
        return getattr(channel, kind)(
            f"/{service}/{name}", request_serializer=lambda message: serialize(message),
            response_deserializer=response.FromString)

    streaming = pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse
    return types.SimpleNamespace(
        empty=method("unary_unary", "EmptyCall", pb.Empty, pb.Empty),
        unary=method("unary_unary", "UnaryCall", pb.SimpleRequest, pb.SimpleResponse),
        cacheable=method("unary_unary", "CacheableUnaryCall", pb.SimpleRequest, pb.SimpleResponse),
        output=method("unary_stream", "StreamingOutputCall", *streaming),
        input=method("stream_unary", "StreamingInputCall", pb.StreamingInputCallRequest, pb.StreamingInputCallResponse),
        duplex=method("stream_stream", "FullDuplexCall", *streaming),
        half_duplex=method("stream_stream", "HalfDuplexCall", *streaming),
        unimplemented=method("unary_unary", "UnimplementedCall", pb.Empty, pb.Empty),
        unimplemented_service=method(
            "unary_unary", "UnimplementedCall", pb.Empty, pb.Empty, service="grpc.testing.UnimplementedService"))


def large(pb, **fields):
    return pb.SimpleRequest(response_size=LARGE_RESPONSE, payload=pb.Payload(body=bytes(LARGE_REQUEST)), **fields)


def code_of(body):
    with pytest.raises(grpc.RpcError) as caught:
        body()
    return caught.value.code()


def test_empty_unary(call, pb):
    assert call.empty(pb.Empty(), timeout=PATIENCE) == pb.Empty()


def test_large_unary(call, pb):
    assert call.unary(large(pb), timeout=PATIENCE).payload.body == bytes(LARGE_RESPONSE)


def test_cacheable_unary(call, pb):
    request = pb.SimpleRequest(payload=pb.Payload(body=str(time.monotonic_ns()).encode()))
    first, second = (
        call.cacheable(request, metadata=[("x-user-ip", "1.2.3.4")], timeout=PATIENCE) for _ in range(2))
    assert first == second


def test_client_compressed_unary(call, pb):
    probe = large(pb, expect_compressed=pb.BoolValue(value=True))
    assert code_of(lambda: call.unary(probe, timeout=PATIENCE)) == grpc.StatusCode.INVALID_ARGUMENT
    answer = call.unary(probe, compression=grpc.Compression.Gzip, timeout=PATIENCE)
    assert answer.payload.body == bytes(LARGE_RESPONSE)
    plain = large(pb, expect_compressed=pb.BoolValue(value=False))
    assert call.unary(plain, timeout=PATIENCE).payload.body == bytes(LARGE_RESPONSE)
    deflated = call.unary(probe, compression=grpc.Compression.Deflate, timeout=PATIENCE)
    assert deflated.payload.body == bytes(LARGE_RESPONSE)


@pytest.mark.parametrize("compressed", [True, False])
def test_server_compressed_unary(call, pb, compressed):
    answer = call.unary(large(pb, response_compressed=pb.BoolValue(value=compressed)), timeout=PATIENCE)
    assert answer.payload.body == bytes(LARGE_RESPONSE)


def test_client_streaming(call, pb):
    requests = (pb.StreamingInputCallRequest(payload=pb.Payload(body=bytes(size))) for size in REQUEST_SIZES)
    assert call.input(requests, timeout=PATIENCE).aggregated_payload_size == sum(REQUEST_SIZES)


def test_server_streaming(call, pb):
    request = pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=size) for size in RESPONSE_SIZES])
    assert [len(answer.payload.body) for answer in call.output(request, timeout=PATIENCE)] == RESPONSE_SIZES


def test_server_compressed_streaming(call, pb):
    request = pb.StreamingOutputCallRequest(
        response_parameters=[
            pb.ResponseParameters(size=size, compressed=pb.BoolValue(value=index % 2 == 0))
            for index, size in enumerate(RESPONSE_SIZES)])
    assert [len(answer.payload.body) for answer in call.output(request, timeout=PATIENCE)] == RESPONSE_SIZES


class Conversation:
    """A stream of requests that the test sends one by one, each after it has seen the answer to the one before."""

    def __init__(self, method, **options):
        import queue

        self.requests = queue.Queue()
        self.call = method(iter(self.requests.get, None), **{"timeout": PATIENCE, **options})

    def send(self, request):
        self.requests.put(request)

    def end(self):
        self.requests.put(None)


def exchange(pb, size_up, size_down, interval_us=0):
    return pb.StreamingOutputCallRequest(
        response_parameters=[pb.ResponseParameters(size=size_down, interval_us=interval_us)],
        payload=pb.Payload(body=bytes(size_up)))


def test_ping_pong(call, pb):
    talk = Conversation(call.duplex)
    for up, down in zip(REQUEST_SIZES, RESPONSE_SIZES):
        talk.send(exchange(pb, up, down))
        assert len(next(talk.call).payload.body) == down
    talk.end()
    assert list(talk.call) == []
    assert talk.call.code() == grpc.StatusCode.OK


def test_half_duplex(call, pb):
    requests = [exchange(pb, up, down) for up, down in zip(REQUEST_SIZES, RESPONSE_SIZES)]
    answers = call.half_duplex(iter(requests), timeout=PATIENCE)
    assert [len(answer.payload.body) for answer in answers] == RESPONSE_SIZES


def test_empty_stream(call):
    assert list(call.duplex(iter([]), timeout=PATIENCE)) == []


def test_custom_metadata(call, pb):
    sent = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]
    _, unary = call.unary.with_call(large(pb), metadata=sent, timeout=PATIENCE)
    stream = call.duplex(iter([exchange(pb, 1, 1)]), metadata=sent, timeout=PATIENCE)
    assert len(list(stream)) == 1
    for one in (unary, stream):
        assert dict(one.initial_metadata())[INITIAL] == "test_initial_metadata_value"
        assert dict(one.trailing_metadata())[TRAILING] == b"\xab\xab\xab"


@pytest.mark.parametrize(
    "message", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"],
    ids=["status_code_and_message", "special_status_message"])
def test_status(call, pb, message):
    status = pb.EchoStatus(code=2, message=message)
    stream_request = pb.StreamingOutputCallRequest(response_status=status)
    for body in (
        lambda: call.unary(pb.SimpleRequest(response_status=status), timeout=PATIENCE),
        lambda: list(call.duplex(iter([stream_request]), timeout=PATIENCE)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            body()
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNKNOWN, message)


def test_unimplemented_method(call, pb):
    assert code_of(lambda: call.unimplemented(pb.Empty(), timeout=PATIENCE)) == grpc.StatusCode.UNIMPLEMENTED


def test_unimplemented_service(call, pb):
    assert code_of(lambda: call.unimplemented_service(pb.Empty(), timeout=PATIENCE)) == grpc.StatusCode.UNIMPLEMENTED


def test_cancel_after_begin(call):
    import queue

    future = call.input.future(iter(queue.Queue().get, None), timeout=PATIENCE)
    future.cancel()
    assert future.code() == grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(call, pb):
    talk = Conversation(call.duplex)
    talk.send(exchange(pb, REQUEST_SIZES[0], RESPONSE_SIZES[0]))
    assert len(next(talk.call).payload.body) == RESPONSE_SIZES[0]
    talk.call.cancel()
    assert talk.call.code() == grpc.StatusCode.CANCELLED
    talk.end()


def test_timeout_on_sleeping_server(call, pb):
    talk = Conversation(call.duplex, timeout=0.05)
    talk.send(exchange(pb, REQUEST_SIZES[0], RESPONSE_SIZES[0], interval_us=PATIENCE * 1_000_000))
    assert code_of(lambda: next(talk.call)) == grpc.StatusCode.DEADLINE_EXCEEDED
    talk.end()


def test_a_tls_peer_that_is_gone_does_not_end_the_server(certificate, pb):
    """The server writes to a connection that was reset: without a care that is SIGPIPE."""
    context = ssl.create_default_context(cafile=certificate[0])
    context.set_alpn_protocols(["h2"])
    settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + bytes(8)
    with InteropServer(*certificate) as server:
        for _ in range(20):
            peer = context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1")
            peer.sendall(settings + 50 * ping)
            # SO_LINGER of 0: close resets the connection.
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
            peer.close()
        credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
        with grpc.secure_channel(server.address, credentials) as channel:
            channel.unary_unary(f"/{SERVICE}/EmptyCall")(b"", timeout=PATIENCE)


def test_connections_past_the_descriptor_limit_are_turned_away(pb):
    """They are closed rather than left waiting, which would keep the server's loop busy; those that are open go on."""
    limit = (40, 40)
    with InteropServer(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)) as server:
        with grpc.insecure_channel(server.address) as channel:
            empty = channel.unary_unary(f"/{SERVICE}/EmptyCall")
            empty(b"", timeout=PATIENCE)
            peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
            peers[-1].settimeout(PATIENCE)
            assert peers[-1].recv(1) == b""
            empty(b"", timeout=PATIENCE)
            for peer in peers:
                peer.close()
