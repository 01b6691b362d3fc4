"""Deployments that grow under a real load and shrink after it, within their bounds and the machine's cores, while every
request is answered."""

import json
import threading
from collections import Counter

import grpc
import numpy
import pytest
from endpoints import EndpointServer
from models import make_slow_model
from server import FAILED, eventually, infer_request

CORES = 4
CALLERS = 6
STEPS = 40
GREEN = """
name: green
endpoint_name: still
model: azureml:slow:1
instance_type: Standard_DS3_v2
instance_count: 1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A machine of four cores, where an instance takes one."""
    folder = tmp_path_factory.mktemp("autoscaling")
    with EndpointServer(folder, "--machine", f"{CORES},64Gi") as server:
        server.make_model("slow", make_slow_model(folder, STEPS))
        yield server


class Endpoint:
    """One deployment that follows its load between `least` and `most` instances, alone on its endpoint."""

    def __init__(self, server, name, least, most):
        self.server, self.name = server, name
        scale = {"scaleType": "TargetUtilization", "minInstances": least, "maxInstances": most,
                 "targetUtilizationPercentage": 70, "pollingInterval": "PT1S"}
        server.make_endpoint(name)
        server.make_deployment(
            name, "blue", "slow", scaleSettings=scale, requestSettings={"requestTimeout": "PT5M"})
        server.set_traffic(name, blue=100)
        self.key = server.keys(name)[0]
        self.counts = []

    def call(self):
        request = infer_request(self.name, {"INPUT0": numpy.ones((1, 4), dtype=numpy.float32)})
        return self.server.call("ModelInfer", request, self.key)[0]

    def instances(self):
        """As the command line shows them; every count that it ever showed is in `counts`."""
        shown = json.loads(self.server.run("deployment", "show", "-e", self.name, "-n", "blue").stdout)["instances"]
        self.counts.append(shown["wanted"])
        return shown

    def await_instances(self, count):
        is_so = lambda: (shown := self.instances())["wanted"] == shown["ready"] == count
        eventually(is_so, seconds=90, every=0.2, what=f"{count} instances of {self.name}")


class Load:
    """Callers that call again and again until the block ends, and count what they get."""

    def __init__(self, endpoint, callers=CALLERS):
        self.endpoint, self.is_over, self.codes = endpoint, threading.Event(), Counter()
        self.callers = [threading.Thread(target=self.run) for _ in range(callers)]

    def __enter__(self):
        for caller in self.callers:
            caller.start()
        return self

    def run(self):
        while not self.is_over.is_set():
            self.codes[self.endpoint.call()] += 1

    def __exit__(self, *_):
        self.is_over.set()
        for caller in self.callers:
            caller.join()


def usage(server):
    """Free cores, and instances by deployment."""
    shown = json.loads(server.run("compute", "list-usage").stdout)
    return shown["free"]["cores"], {one["deployment"]: one["count"] for one in shown["reservations"]}


def audited(server):
    """The audit log, the latest first."""
    return json.loads(server.run("audit", "list").stdout)


def test_a_deployment_grows_under_load_to_its_maximum_and_shrinks_to_its_minimum_after_it(server):
    endpoint = Endpoint(server, "follows", least=2, most=3)
    endpoint.await_instances(2)
    with Load(endpoint) as load:
        endpoint.await_instances(3)
        before = load.codes.total()
        eventually(lambda: endpoint.instances() and load.codes.total() > before + 3 * CALLERS, what="a steady load")
        assert usage(server) == (CORES - 3, {"follows/blue": 3})
    with Load(endpoint, callers=1) as light:  # One at a time: two instances are enough, and one must go under its feet.
        endpoint.await_instances(2)
        before = light.codes.total()
        eventually(lambda: light.codes.total() > before, what="an answer of those that stay")
    assert set(load.codes) == set(light.codes) == {grpc.StatusCode.OK}
    assert set(endpoint.counts) == {2, 3}
    assert usage(server) == (CORES - 2, {"follows/blue": 2})
    into, out = [entry["summary"] for entry in audited(server) if entry["principal"] == "autoscale"]
    assert out.startswith("from 2 to 3 instances: utilisation is") and into.startswith("from 3 to 2 instances")
    server.run("endpoint", "delete", "-n", "follows", "-y")


def test_a_deployment_grows_no_further_than_the_machine_has_cores(server):
    server.make_endpoint("still")
    server.make_deployment("still", "blue", "slow")
    endpoint = Endpoint(server, "hungry", least=1, most=8)
    endpoint.await_instances(1)
    with Load(endpoint) as load:
        endpoint.await_instances(CORES - 1)
        before = load.codes.total()
        eventually(lambda: endpoint.instances() and load.codes.total() > before + 3 * CALLERS, what="a steady load")
        assert usage(server) == (0, {"hungry/blue": CORES - 1, "still/blue": 1})
        refused = server.run("deployment", "create", "-f", server.write("green.yml", GREEN), status=FAILED).stderr
    assert "(OutOfQuota)" in refused and "hungry/blue" in refused, refused
    assert max(endpoint.counts) == CORES - 1 and set(load.codes) == {grpc.StatusCode.OK}
