"""The real program under test: started on a port of its own, awaited, stopped as an operator would stop it."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import grpc
import numpy
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
TEST_MODELS = CACHE / "test-models"
APUS = pathlib.Path(os.environ.get("APUS_BINARY", ROOT / ".build/release/apus"))
# Under a sanitizer everything is slower and larger: bounds on memory say nothing there.
SANITIZED = "APUS_SANITIZED" in os.environ
PATIENCE = 120 if SANITIZED else 30

# What the program ends with. The numbers from 64 on are of sysexits.h.
DONE, FAILED, NOT_FOUND, USAGE, UNREACHABLE, NO_PERMISSION = 0, 1, 3, 64, 69, 77

SERVICE = "/inference.GRPCInferenceService/"
UNBOUNDED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def environment():
    """Without whatever options this shell may have set for a server of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APUS_")}
    return kept | {"APUS_ONNXRUNTIME": os.environ.get("APUS_ONNXRUNTIME", str(CACHE / "onnxruntime/lib"))}


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def eventually(condition, seconds=PATIENCE, every=0.02, what="the condition"):
    """Waits until `condition()` is true and returns what it gave. For what a server says no word about."""
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(every)


def copy_models(folder, *names, source=TEST_MODELS):
    """Makes a model repository of these models and returns it."""
    for name in names:
        shutil.copytree(source / name, pathlib.Path(folder) / name)
    return pathlib.Path(folder)


class Server:
    """One `apus serve`. Leaving the `with` block stops it by SIGTERM, and it has to exit with 0."""

    def __init__(self, repository, *options, listen=None, await_ready=True, credentials=None):
        self.repository = pathlib.Path(repository)
        self.port = free_port()
        self.listen = listen or f"127.0.0.1:{self.port}"
        self.credentials = credentials
        self.output = tempfile.TemporaryFile("w+")
        self.channels = []
        self.is_told_to_stop = False
        command = [APUS, "serve", "--model-repository", repository, "--listen", self.listen, *options]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env=environment())
        if await_ready:
            try:
                self.await_ready()
            except BaseException:
                self.process.kill()
                self.process.wait()
                print(self.log())
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        code = self.stop()
        print(self.log())  # pytest shows it beside a failure
        if kind is None:
            assert code == 0, f"the server ended with {code} on SIGTERM:\n{self.log()}"

    def log(self):
        """All it has said so far. The file is shared with the server, which appends: read from a position of our own."""
        return os.pread(self.output.fileno(), 1 << 24, 0).decode(errors="replace")

    # Ready and gone

    def is_listening(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def await_ready(self):
        eventually(self.is_listening, what=f"a socket at {self.listen}")
        stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel())
        ask = lambda: stub.ServerReady(pb.ServerReadyRequest(), timeout=PATIENCE).ready
        eventually(ask, what="a ready server")

    def await_model(self, name):
        """For a repository that holds broken models as well, with which the server as a whole need not be ready."""
        eventually(self.is_listening, what=f"a socket at {self.listen}")
        stub = service_pb2_grpc.GRPCInferenceServiceStub(self.channel())

        def ask():
            try:
                return stub.ModelReady(pb.ModelReadyRequest(name=name), timeout=PATIENCE).ready
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND), error
                return False

        eventually(ask, what=f"a ready model {name}")

    def terminate(self):
        """Once only: a second signal would end it without a drain."""
        self.is_told_to_stop = True
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None and not self.is_told_to_stop:
            self.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"nothing, {PATIENCE} s after SIGTERM"

    # Talking to it

    @property
    def address(self):
        return f"127.0.0.1{self.listen}" if self.listen.startswith(":") else self.listen

    def connect(self):
        """A plain socket to it."""
        if self.listen.startswith("unix:"):
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(PATIENCE)
            try:
                raw.connect(self.listen[5:])
            except OSError:
                raw.close()
                raise
            return raw
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE)

    def channel(self, *options):
        """A gRPC channel of its own, closed with the server."""
        options = [*UNBOUNDED, ("grpc.use_local_subchannel_pool", 1), *options]
        if self.credentials:
            channel = grpc.secure_channel(self.address, self.credentials, options)
        else:
            channel = grpc.insecure_channel(self.address, options)
        self.channels.append(channel)
        return channel

    def stub(self, *options):
        return service_pb2_grpc.GRPCInferenceServiceStub(self.channel(*options))

    def raw_call(self, method="ModelInfer"):
        """A unary call that sends and returns bytes as they are."""
        path = method if method.startswith("/") else SERVICE + method
        return self.channel().unary_unary(path)

    # What it costs, and whether it still serves

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
        raise AssertionError("no VmRSS: the server is gone")

    def socket_count(self):
        folder = pathlib.Path(f"/proc/{self.process.pid}/fd")
        return sum(str(path.readlink()).startswith("socket:") for path in folder.iterdir() if path.is_symlink())

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def assert_serves(self):
        """An ordinary request on a new connection is answered, and rightly."""
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        first = numpy.arange(16, dtype=numpy.int32).reshape(1, 16)
        second = numpy.full((1, 16), 3, dtype=numpy.int32)
        answer = self.stub().ModelInfer(simple_request(first, second), timeout=PATIENCE)
        assert answer.raw_output_contents[0] == (first + second).tobytes()
        assert answer.raw_output_contents[1] == (first - second).tobytes()


class PeakMemory:
    """Samples a server's resident memory while a block runs."""

    def __init__(self, server):
        self.server = server
        self.before = self.peak = server.resident_bytes()

    def __enter__(self):
        self.is_over = threading.Event()
        self.sampler = threading.Thread(target=self.sample)
        self.sampler.start()
        return self

    def sample(self):
        while not self.is_over.wait(0.01):
            self.peak = max(self.peak, self.server.resident_bytes())

    def __exit__(self, *_):
        self.is_over.set()
        self.sampler.join()

    def assert_below(self, growth):
        if not SANITIZED:
            grown = self.peak - self.before
            assert grown < growth, f"the server grew by {grown >> 20} MiB; {growth >> 20} MiB are its bound"


# Requests

DATATYPES = {
    numpy.dtype("bool"): "BOOL", numpy.dtype("uint8"): "UINT8", numpy.dtype("uint16"): "UINT16",
    numpy.dtype("uint32"): "UINT32", numpy.dtype("uint64"): "UINT64", numpy.dtype("int8"): "INT8",
    numpy.dtype("int16"): "INT16", numpy.dtype("int32"): "INT32", numpy.dtype("int64"): "INT64",
    numpy.dtype("float16"): "FP16", numpy.dtype("float32"): "FP32", numpy.dtype("float64"): "FP64",
}


def infer_request(model, inputs, **fields):
    """A ModelInferRequest with raw contents, made of arrays by input name."""
    request = pb.ModelInferRequest(model_name=model, **fields)
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=DATATYPES[array.dtype], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return request


def simple_request(first=None, second=None, **fields):
    ones = numpy.ones((1, 16), dtype=numpy.int32)
    inputs = {"INPUT0": ones if first is None else first, "INPUT1": ones if second is None else second}
    return infer_request("simple", inputs, **fields)


def outputs_of(response):
    """Arrays by output name."""
    by_datatype = {name: dtype for dtype, name in DATATYPES.items()}
    return {
        output.name: numpy.frombuffer(raw, dtype=by_datatype[output.datatype]).reshape(tuple(output.shape))
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def failure(call, *arguments, **keywords):
    """The error that a call has to end with."""
    try:
        answer = call(*arguments, **({"timeout": PATIENCE} | keywords))
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"expected a failed call; it was answered with {answer!r:.300}")
