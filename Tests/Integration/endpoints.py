"""A server with endpoints: set up by `apus init`, told what to do by the program's own commands or over REST."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading

import grpc
import requests
from server import APUS, DONE, PATIENCE, TEST_MODELS, UNBOUNDED, environment, eventually, pb
from tritonclient.grpc import service_pb2_grpc

ONES = {"inputs": [{"name": name, "shape": [1, 16], "datatype": "INT32", "data": [1] * 16} for name in ("INPUT0", "INPUT1")]}


class EndpointServer:
    """One `apus serve --data`, with ports that the system chose and its log says. `home` is that of its administrator, who
    has signed in."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.data, self.home = self.folder / "data", self.folder / "home"
        self.home.mkdir(exist_ok=True)
        self.options = options
        self.channels = []
        if not (self.data / "master.key").exists():
            said = self.run("init", "--data", self.data)
            self.secret = re.search(r"apus_once_[\w-]+", said.stdout).group()
        self.start()
        self.token = requests.post(self.control + "/login", json={"secret": self.secret}, timeout=PATIENCE).json()["token"]

    # The process

    def start(self):
        self.output = tempfile.TemporaryFile("w+")
        command = [APUS, "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                   "--control-listen", "127.0.0.1:0", "--control-grpc-listen", "127.0.0.1:0",
                   "--machine", "64,64Gi", "--instance-type", "Standard_DS3_v2=1,1Gi",
                   *self.options]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            env=environment())
        try:
            eventually(self.is_ready, what="a server that says ready")
        except BaseException:
            self.kill()
            print(self.log())
            raise
        self.address = re.search(r"apus\.server listening addresses=(\S+)", self.log()).group(1)
        self.grpc_control = re.search(r"listening for control addresses=(\S+)", self.log()).group(1)
        self.http = re.search(r"(http://\S+) \(public\)", self.log()).group(1)
        self.control = re.search(r"(http://\S+) \(control\)", self.log()).group(1)

    def is_ready(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        return " apus.server ready" in self.log()

    def log(self):
        return os.pread(self.output.fileno(), 1 << 24, 0).decode(errors="replace")

    def kill(self):
        """As a crash would end it."""
        self.close_channels()
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def until_killed(self, change, most):
        """Calls `change` with 0, 1, 2, … until the server, killed when `most` are acknowledged, no longer answers. Starts it
        again, and returns what the acknowledged ones gave."""
        given, refusals, enough = [], [], threading.Event()

        def write():
            try:
                while True:
                    given.append(change(len(given)))
                    if len(given) == most:
                        enough.set()
            except requests.RequestException:
                pass
            except AssertionError as error:
                refusals.append(error)
            enough.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert enough.wait(PATIENCE)
        self.kill()
        writer.join()
        self.start()
        assert not refusals
        return given

    def close_channels(self):
        while self.channels:
            self.channels.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close_channels()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = f"nothing, {PATIENCE} s after SIGTERM"
        print(self.log())  # pytest shows it beside a failure
        if kind is None:
            assert code == 0, f"the server ended with {code} on SIGTERM:\n{self.log()}"

    # The program's commands

    def run(self, *arguments, status=DONE, stdin=None, token=None, **variables):
        """One command by the administrator, or by whoever `token` is, which has to end with `status`, if that is not None."""
        done = self.start_command(*arguments, stdin=subprocess.PIPE, token=token, **variables)
        out, err = done.communicate(stdin, timeout=PATIENCE)
        assert status in (None, done.returncode), f"{arguments} ended with {done.returncode}: {out}\n{err}"
        return subprocess.CompletedProcess(arguments, done.returncode, out, err)

    def start_command(self, *arguments, stdin=subprocess.DEVNULL, token=None, **variables):
        settings = environment() | {
            "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "XDG_DATA_HOME": str(self.home / "data")}
        if hasattr(self, "control"):
            settings |= {"APUS_SERVER": self.control}
        if token or hasattr(self, "token"):
            settings |= {"APUS_TOKEN": token or self.token}
        return subprocess.Popen(
            [str(part) for part in (APUS, *arguments)], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=self.folder, env=settings | variables)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    # The control plane over REST

    def ask(self, method, path, body=None, status=None, token=None, headers=(), **options):
        """One request below the workspace; its answer has to have `status`, one number or several, or it has succeeded."""
        answer = requests.request(
            method, f"{self.control}/workspaces/default/{path}", json=body, timeout=PATIENCE,
            headers={"authorization": f"Bearer {token or self.token}"} | dict(headers), **options)
        expected = (200, 201, 202, 204) if status is None else status if isinstance(status, tuple) else (status,)
        assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def await_operation(self, answer, ends="Succeeded"):
        """Follows the operation that an answer names, also one from before a restart, and returns its last state."""
        name = answer.headers["Azure-AsyncOperation"].rsplit("/", 1)[1]

        def final():
            operation = self.ask("GET", f"operations/{name}").json()
            return operation if operation["status"] in ("Succeeded", "Failed", "Canceled") else None

        operation = eventually(final, what=f"the end of operation {name}")
        assert operation["status"] == ends, operation
        return operation

    def make_model(self, name, path=None, version="1"):
        path = path or TEST_MODELS / name
        self.run("model", "create", "-n", name, "-v", version, "-p", path, "-t", "triton_model", "-o", "none")

    def make_endpoint(self, name, mode="Key", **properties):
        return self.ask("PUT", f"onlineEndpoints/{name}", {"location": "local", "properties": {"authMode": mode} | properties})

    def put_deployment(self, endpoint, name, model="simple", **properties):
        body = {"model": f"azureml:{model}:1", "instanceType": "Standard_DS3_v2", "endpointComputeType": "Managed"}
        return self.ask(
            "PUT", f"onlineEndpoints/{endpoint}/deployments/{name}",
            {"location": "local", "properties": body | properties, "sku": {"name": "Default", "capacity": 1}})

    def make_deployment(self, endpoint, name, model="simple", **properties):
        self.await_operation(self.put_deployment(endpoint, name, model, **properties))

    def set_traffic(self, endpoint, **traffic):
        """Replaces the whole split."""
        old = self.ask("GET", f"onlineEndpoints/{endpoint}").json()["properties"].get("traffic", {})
        traffic = {name: None for name in old} | traffic
        return self.ask("PATCH", f"onlineEndpoints/{endpoint}", {"properties": {"traffic": traffic}})

    def keys(self, endpoint):
        answer = self.ask("POST", f"onlineEndpoints/{endpoint}/listKeys").json()
        return answer["primaryKey"], answer["secondaryKey"]

    # The data plane

    def score(self, endpoint, credential=None, body=ONES, **headers):
        if credential:
            headers["authorization"] = f"Bearer {credential}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.http}/endpoints/{endpoint}/score", json=body, headers=headers, timeout=PATIENCE)

    def get(self, path, credential=None):
        headers = {"authorization": f"Bearer {credential}"} if credential else {}
        return requests.get(self.http + path, headers=headers, timeout=PATIENCE)

    def connect(self, door="grpc"):
        """A plain socket to the door for gRPC, or to that for HTTP."""
        host, port = (self.address if door == "grpc" else self.http.removeprefix("http://")).rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def channel(self, address=None):
        channel = grpc.insecure_channel(address or self.address, [*UNBOUNDED, ("grpc.use_local_subchannel_pool", 1)])
        self.channels.append(channel)
        return channel

    @property
    def stub(self):
        if not self.channels:
            self.channel()
        return service_pb2_grpc.GRPCInferenceServiceStub(self.channels[0])

    def call(self, method, request, credential=None, *metadata):
        """One call: its code, what it says or answers, and the metadata that came first and last."""
        if credential:
            metadata = (("authorization", f"Bearer {credential}"), *metadata)
        try:
            answer, call = getattr(self.stub, method).with_call(request, timeout=PATIENCE, metadata=metadata)
        except grpc.RpcError as error:
            return error.code(), error.details(), dict(error.initial_metadata() or ()), dict(error.trailing_metadata() or ())
        return grpc.StatusCode.OK, answer, dict(call.initial_metadata()), dict(call.trailing_metadata())


def infer(endpoint="", **fields):
    """The same request as `ONES`."""
    request = pb.ModelInferRequest(model_name=endpoint, **fields)
    for entry in ONES["inputs"]:
        request.inputs.add(name=entry["name"], datatype="INT32", shape=[1, 16])
        request.raw_input_contents.append(b"\1\0\0\0" * 16)
    return request
