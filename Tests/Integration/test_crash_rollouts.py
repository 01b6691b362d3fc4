"""`kill -9` of the server in the middle of a rollout: the traffic is where the last step put it, the rollout goes on from there,
and it comes to the end that it would have come to."""

import json
import math
import threading
from contextlib import contextmanager

import numpy
import pytest
import requests
from endpoints import ONES, EndpointServer
from relay import Relay
from server import DONE, FAILED, PATIENCE, eventually

NOBODY = "nobody"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("crash")) as server:
        for model in ("simple", "identity_fp32", "reshapes"):
            server.make_model(model)
        yield server


def make_pair(server, endpoint, old="simple", new="simple"):
    server.make_endpoint(endpoint)
    server.make_deployment(endpoint, "old", old)
    server.make_deployment(endpoint, "new", new)
    server.set_traffic(endpoint, old=100)


def start_rollout(server, endpoint, *options):
    """One that no command follows."""
    server.run("rollout", "start", "-e", endpoint, "-d", "new", "--minimum-requests", "5", "--max-latency-ratio", "none",
               "--no-wait", *options)


def shares(server, endpoint):
    traffic = server.ask("GET", f"onlineEndpoints/{endpoint}").json()["properties"]["traffic"]
    assert sum(traffic.values()) == 100
    return {name: share for name, share in traffic.items() if share}


def rollout(server, endpoint):
    return server.ask("GET", f"onlineEndpoints/{endpoint}/rollout").json()["properties"]


def await_share(server, endpoint, least):
    eventually(lambda: shares(server, endpoint).get("new", 0) >= least, what=f"{least} % of the traffic at 'new'")


@contextmanager
def calls(server, endpoint, body=ONES):
    """One caller that asks again and again. Gives the statuses it got, and NOBODY for each call that found no server."""
    key = server.keys(endpoint)[0]
    is_over, statuses = threading.Event(), []

    def ask():
        while not is_over.is_set():
            try:
                statuses.append(server.score(endpoint, key, body).status_code)
            except requests.RequestException:
                statuses.append(NOBODY)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        yield statuses
    finally:
        is_over.set()
        caller.join()


def test_a_rollout_goes_on_where_it_was(server):
    make_pair(server, "steady")
    # Nobody calls: the first step waits for answers, and the crash finds it there.
    start_rollout(server, "steady", "--steps", "20", "60", "100", "--hold", "100ms")
    await_share(server, "steady", 20)
    # A command that follows it asks at an address that stays, and again while nobody is there.
    with Relay(lambda: server.control, limit=math.inf, cut=None) as relay:
        follower = server.start_command("rollout", "status", "-e", "steady", "--watch", APUS_SERVER=relay.address)
        assert "holding, 20 %" in follower.stderr.readline()
        server.kill()
        eventually(lambda: relay.refusals > 0 or follower.poll() is not None, what="a look while the server is away")
        server.start()
        assert shares(server, "steady") == {"old": 80, "new": 20}
        assert (rollout(server, "steady")["state"], rollout(server, "steady")["percent"]) == ("holding", 20)
        # The traffic is still the rollout's own.
        server.ask("PATCH", "onlineEndpoints/steady", {"properties": {"traffic": {"old": 100, "new": 0}}}, status=409)
        with calls(server, "steady") as statuses:
            out, said = follower.communicate(timeout=PATIENCE)
    assert follower.returncode == DONE, said
    assert json.loads(out)["state"] == "finished"
    assert shares(server, "steady") == {"new": 100}
    assert set(statuses) == {200}


def test_a_rollout_comes_to_its_end_through_crashes_at_every_step(server):
    make_pair(server, "often")
    steps = (10, 40, 70, 100)
    with calls(server, "often") as statuses:
        start_rollout(server, "often", "--steps", *steps, "--hold", "100ms")
        for step in steps[:-1]:
            await_share(server, "often", step)
            server.restart()
            assert shares(server, "often").get("new") in steps[steps.index(step):]
        server.run("rollout", "status", "-e", "often", "--watch")
    assert shares(server, "often") == {"new": 100}
    assert set(statuses) <= {200, 503, NOBODY}  # 503: the connection was taken, the models were not back yet


def test_a_broken_model_is_taken_back_after_the_crash_and_stays_so_after_another(server):
    make_pair(server, "risky", "identity_fp32", "reshapes")  # takes six elements, and fails with any other number of them
    start_rollout(server, "risky", "--steps", "30", "100", "--hold", "10m")
    await_share(server, "risky", 30)
    server.restart()
    four = {"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": numpy.ones(4).tolist()}]}
    with calls(server, "risky", four):
        done = server.run("rollout", "status", "-e", "risky", "--watch", status=FAILED)
    assert "error rate of 'new'" in done.stderr
    server.restart()
    assert rollout(server, "risky")["state"] == "rolledBack" and "error rate of 'new'" in rollout(server, "risky")["reason"]
    assert shares(server, "risky") == {"old": 100}


def test_a_paused_rollout_stays_paused_and_can_still_be_aborted(server):
    make_pair(server, "paused")
    start_rollout(server, "paused", "--steps", "30", "100", "--hold", "100ms")
    await_share(server, "paused", 30)
    server.run("rollout", "pause", "-e", "paused")
    server.restart()
    assert rollout(server, "paused")["isPaused"] and shares(server, "paused") == {"old": 70, "new": 30}
    server.run("rollout", "abort", "-e", "paused", "--reason", "it is Friday")
    eventually(lambda: rollout(server, "paused")["state"] == "rolledBack", what="the way back")
    assert shares(server, "paused") == {"old": 100}
