"""What the measurements share: servers and h2load, each on CPUs of its own, and what each of them used."""

import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

import grpc
from tritonclient.grpc import service_pb2 as pb

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
SCRATCH = CACHE / "bench"
SERVICE = "/inference.GRPCInferenceService/"
INFER = SERVICE + "ModelInfer"
IDENTITY = "identity_uint8"
UNBOUNDED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
PATIENCE = 60  # seconds for a server to come up, or to answer one call
TICKS = os.sysconf("SC_CLK_TCK")


# Servers


def free_port():
    """A port that nobody listens on. Two servers with SO_REUSEPORT would share one without an error."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process under measurement, on the CPUs given. `command` is made with the port that it shall listen on; `tls` is
    the certificate and key that it uses, if any."""

    def __init__(self, name, command, cpus="0", tls=None):
        self.name = name
        self.scheme = "https" if tls else "http"
        self.port = free_port()
        self.log = SCRATCH / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", cpus, *(str(word) for word in command(self.port))],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment())
        address, settings = f"127.0.0.1:{self.port}", [*UNBOUNDED, ("grpc.use_local_subchannel_pool", 1)]
        if tls:
            credentials = grpc.ssl_channel_credentials(pathlib.Path(tls[0]).read_bytes())
            self.channel = grpc.secure_channel(address, credentials, settings)
        else:
            self.channel = grpc.insecure_channel(address, settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            sys.exit(f"{self.name} did not end on SIGTERM; its log is {self.log}")

    def await_listening(self, every=0.001):
        while time.monotonic() < self.started + PATIENCE:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
                    # While nobody listens, the system may pick this very port for our end: a socket connected to itself.
                    if connection.getsockname() != connection.getpeername():
                        return
            time.sleep(every)
        sys.exit(f"{self.name} did not listen; its log, {self.log}, ends with:\n{self.log.read_text()[-2000:]}")

    def await_ready(self, every=0.001):
        """Waits until it says that it is ready, and returns the seconds since it was started."""
        self.await_listening(every)
        while not self.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse).ready:
            if time.monotonic() > self.started + PATIENCE:
                sys.exit(f"{self.name} is not ready after {PATIENCE} s; its log is {self.log}")
            time.sleep(every)
        return time.monotonic() - self.started

    def call(self, method, message):
        """The bytes that answer these bytes."""
        # A server that is slow to start, as under callgrind, may listen a moment later than it lets itself be connected to.
        return self.channel.unary_unary(SERVICE + method)(message, timeout=PATIENCE, wait_for_ready=True)

    def ask(self, method, request, answer):
        return answer.FromString(self.call(method, request.SerializeToString()))

    def cpu_seconds(self):
        """User and system time of all its threads so far, in nanosecond steps where /proc/PID/stat has clock ticks."""
        # What clock_getcpuclockid(3) gives for a process id; Python does not have it.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory_bytes(self):
        """Resident memory, now and at its peak."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        value = lambda key: int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M)[1]) << 10
        return value("VmRSS"), value("VmHWM")


def environment():
    return {"APUS_ONNXRUNTIME": str(CACHE / "onnxruntime/lib")} | os.environ


def apus(binary, repository, options=()):
    """The command of `apus serve`, as a function of its port."""
    return lambda port: [binary, "serve", "--model-repository", repository, "--listen", f"127.0.0.1:{port}", *options]


def prepare():
    """Installs and builds what is missing, and returns the gRPC C++ server's path."""
    return tool("Tools/bench/prepare")


def certificate():
    """A certificate for 127.0.0.1 and its key, made once."""
    folder = SCRATCH / "tls"
    paths = folder / "certificate.pem", folder / "key.pem"
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-out", paths[0],
             "-keyout", paths[1]], check=True, stderr=subprocess.DEVNULL)
    return paths


def mlserver():
    """The command of MLServer with an identity model, as a function of its port. Installs it from PyPI when it is not."""
    folder = SCRATCH / "mlserver"
    program = folder / "venv/bin/mlserver"
    if not program.exists():
        print("installing MLServer into .cache/bench/mlserver", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([folder / "venv/bin/pip", "install", "--quiet", "mlserver"], check=True)

    def command(port):
        model = folder / f"models-{port}"
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(ROOT / "Tools/bench/mlserver", model)
        (model / "settings.json").write_text(json.dumps({
            "grpc_port": port, "http_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0,
            "host": "127.0.0.1", "grpc_max_message_length": -1, "debug": False}))
        (model / "model-settings.json").write_text(json.dumps(
            {"name": IDENTITY, "implementation": "identity.Identity"}))
        return ["env", f"PYTHONPATH={model}", program, "start", model]

    return command


def preloaded(name):
    """A library of Tools/bench/preload, built."""
    library = SCRATCH / f"{name}.so"
    source = ROOT / "Tools/bench/preload" / f"{name}.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], check=True)
    return library


def tool(*command):
    """Runs one of the project's tools and returns the last line that it prints: a path."""
    done = subprocess.run([ROOT / command[0], *command[1:]], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip().splitlines()[-1]


def model_repository(name, model, source, configuration):
    """A repository of one model, in the scratch folder, with this config.pbtxt."""
    folder = SCRATCH / "repositories" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source / model, folder / model)
    (folder / model / "config.pbtxt").write_text(configuration)
    return folder


# The identity model: an answer is the request's tensor


def identity_repository(max_batch_size):
    """With one instance. 0 rows in a batch: the model is run for each request alone."""
    configuration = f"max_batch_size: {max_batch_size}\ninstance_group [{{ count: 1 kind: KIND_CPU }}]\n"
    if max_batch_size > 0:
        configuration += "dynamic_batching {}\n"
    return model_repository("identity", IDENTITY, pathlib.Path(tool("Tools/make-test-models")), configuration)


def identity_request(size):
    contents = bytes(index % 251 for index in range(size))
    message = pb.ModelInferRequest(model_name=IDENTITY, id="1", raw_input_contents=[contents])
    message.inputs.add(name="INPUT0", datatype="UINT8", shape=[1, size])
    return message


def checked_answer(server, message):
    """Awaits a server and asks it once: the length of a framed answer, after a look at what is in it."""
    server.await_ready()
    answer = server.call("ModelInfer", message.SerializeToString())
    parsed = pb.ModelInferResponse.FromString(answer)
    if parsed.raw_output_contents != message.raw_input_contents or parsed.id != message.id:
        sys.exit(f"{server.name} gives a wrong answer to {message.inputs[0].shape[1]} bytes")
    return len(framed(answer))


# Load


def write_body(message):
    """The file that h2load posts."""
    body = SCRATCH / "body"
    body.write_bytes(framed(message.SerializeToString()))
    return body


def framed(message):
    """A message as gRPC sends it: not compressed, and its length in front."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@dataclasses.dataclass
class Load:
    """One run of h2load, and what it found. Times are in the unit of their names; `_us` is microseconds a request."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_us: float
    server_cpu_us: float
    other_cpus: float  # that anybody else kept busy meanwhile

    @property
    def rate(self):
        return self.requests / self.seconds


def load(server, path, body, answer_bytes, connections, streams, requests, cpus="1"):
    """Posts `body` to `path` so many times, shared out among the connections, with so many calls in flight on each.

    Each answer must be a 2xx, and all of them together exactly as long as so many answers of `answer_bytes`.
    """
    log = SCRATCH / "latencies.tsv"
    log.unlink(missing_ok=True)
    # The windows take any answer whole.
    command = [
        "taskset", "--cpu-list", cpus, "h2load", "-t", "1", "-c", str(connections), "-m", str(streams),
        "-n", str(requests), "-w", "24", "-W", "26", "-d", str(body), "-H", "content-type: application/grpc",
        "-H", "te: trailers", "--log-file", str(log), f"{server.scheme}://127.0.0.1:{server.port}{path}",
    ]
    before, started = snapshot(server), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wall = time.monotonic() - started
    server_cpu, client_cpu, busy = (after - was for was, after in zip(before, snapshot(server)))

    def number(pattern):
        found = re.search(pattern, done.stdout)
        if not found:
            sys.exit(f"{server.name}: h2load ended with {done.returncode} and said:\n{done.stdout[-2000:]}")
        return float(found[1])

    took = number(r"finished in ([\d.]+)(?:s|ms|us)") * {"s": 1, "ms": 1e-3, "us": 1e-6}[
        re.search(r"finished in [\d.]+(s|ms|us)", done.stdout)[1]]
    succeeded, received = int(number(r"(\d+) 2xx")), int(number(r"\((\d+)\) data"))
    if succeeded != requests or received != requests * answer_bytes:
        sys.exit(
            f"{server.name}: {requests} requests of {answer_bytes} bytes each were expected, and {succeeded} were "
            f"answered with {received} bytes in all. h2load said:\n{done.stdout[-2000:]}")
    # A row ends with the microseconds until the end of the answer.
    with open(log, "rb") as rows:
        latencies = sorted(int(row.rsplit(b"\t", 1)[1]) for row in rows)
    at = lambda share: latencies[min(int(len(latencies) * share), len(latencies) - 1)] / 1e3
    return Load(
        succeeded, took, at(0.50), at(0.99), client_cpu / succeeded * 1e6, server_cpu / succeeded * 1e6,
        max(0.0, (busy - server_cpu - client_cpu) / wall))


def warm_up(send, seconds, connections, streams):
    """Puts a server under load for about so long by `send(requests=…)`, and returns the requests per second."""
    requests = connections * streams
    while True:
        one = send(requests=requests)
        if one.seconds >= seconds / 2:
            return one.rate
        requests = max(2 * requests, multiple(one.rate * seconds, connections))


def multiple(count, of):
    """The largest multiple that is not above `count`, but one at least."""
    return max(int(count) // of, 1) * of


def snapshot(server):
    """CPU seconds so far: the server's, those of clients that have ended, and those of the whole machine."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    # user nice system idle iowait irq softirq steal
    busy = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return server.cpu_seconds(), children.ru_utime + children.ru_stime, (sum(busy) - busy[3] - busy[4]) / TICKS


# Results


def median(values):
    return statistics.median(list(values))


def table(head, rows):
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def number(value):
    """Three figures that count, in plain notation."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine():
    """What a figure was measured on and with."""
    said = lambda *command: subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT).stdout.strip()
    return {
        "processor": re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1],
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "commit": said("git", "describe", "--always", "--dirty"),
        "h2load": said("h2load", "--version").removeprefix("h2load "),
        "grpc++": said("pkg-config", "--modversion", "grpc++"),
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def show(text, chosen):
    """Prints a table, and puts it into the docs if `--publish` names a place there."""
    print("\n" + text)
    if chosen.publish:
        publish(chosen.publish, text)


def publish(name, text):
    """Puts a table into docs/performance.md, between the marks of that name, with what it was measured on."""
    path = ROOT / "docs/performance.md"
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    page = path.read_text()
    if begin not in page or end not in page:
        sys.exit(f"docs/performance.md has no place marked {begin.strip()}")
    on = machine()
    where = f"{on['date'][:10]}, {on['processor']}, {on['processors']} CPUs, Linux {on['kernel']}."
    before, rest = page.split(begin, 1)
    path.write_text(f"{before}{begin}{where}\n\n{text}{end}{rest.split(end, 1)[1]}")
    print(f"docs/performance.md has the table '{name}'")


def keep(name, results):
    """Writes everything that was measured, each round of it, and says where."""
    path = SCRATCH / "results" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine()} | results, indent=2, default=dataclasses.asdict) + "\n")
    print(f"\nAll rounds: {path.relative_to(ROOT)}")
