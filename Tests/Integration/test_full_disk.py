"""The disk of the data directory is full, on a small file system of its own: a change is refused with the reason, inference and
reading go on, and once there is room everything goes on where it was. Skipped where nobody may mount."""

import errno
import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from artifacts import ArtifactFolder
from endpoints import EndpointServer
from server import FAILED, eventually

MIB = 1 << 20
NO_ROOM = "InsufficientStorage"


class Disk:
    """A mounted file system of 32 MiB, whose free room is taken and given back."""

    def __init__(self, path):
        self.path, self.ballast = path, path / "ballast"

    @contextmanager
    def full(self, but=0):
        """No room in it, or no more than so many bytes."""
        free = os.statvfs(self.path)
        with open(self.ballast, "wb", buffering=0) as file:
            if but:
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - but)
            else:
                self.fill(file)
        try:
            yield
        finally:
            self.ballast.unlink()

    def fill(self, file):
        for size in (MIB, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    path = tmp_path_factory.mktemp("disk")
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", path], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a file system of its own can't be mounted here: {getattr(error, 'stderr', None) or error}")
    yield Disk(path)
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture(scope="module")
def server(disk):
    with EndpointServer(disk.path) as server:
        server.make_model("simple")
        server.make_endpoint("steady")
        for name in ("blue", "green"):
            server.make_deployment("steady", name)
        server.set_traffic("steady", blue=100)
        yield server


def assert_serves(server):
    assert server.score("steady", server.keys("steady")[0]).status_code == 200


def shares(server):
    traffic = server.ask("GET", "onlineEndpoints/steady").json()["properties"]["traffic"]
    return {name: share for name, share in traffic.items() if share}


def test_a_change_is_refused_with_the_reason_and_leaves_nothing_and_works_when_there_is_room(server, disk):
    before = server.ask("GET", "onlineEndpoints").json()
    body = {"properties": {"authMode": "Key"}}
    with disk.full():
        answer = server.ask("PUT", "onlineEndpoints/another", body, status=507).json()["error"]
        assert answer["code"] == NO_ROOM and "catalogue.sqlite" in answer["message"] and "make room" in answer["message"]
        server.ask("PATCH", "onlineEndpoints/steady", {"properties": {"traffic": {"blue": 50, "green": 50}}}, status=507)
        server.ask("POST", "onlineEndpoints/steady/regenerateKeys", {"keyType": "Primary"}, status=507)
        server.ask("DELETE", "onlineEndpoints/steady/deployments/green", status=507)
        assert server.ask("GET", "onlineEndpoints").json() == before
        assert_serves(server)
        assert server.score("steady", server.keys("steady")[0], azureml_model_deployment="green").status_code == 200
    server.ask("PUT", "onlineEndpoints/another", body, status=201)
    assert server.score("another", server.keys("another")[0]).status_code == 404  # opened by its key, and without a deployment
    server.await_operation(server.ask("DELETE", "onlineEndpoints/another"))


def test_a_command_says_that_there_is_no_room(server, disk):
    with disk.full():
        said = server.run("endpoint", "update", "-n", "steady", "--traffic", "blue=50 green=50", status=FAILED).stderr
        assert NO_ROOM in said and "make room" in said
        assert shares(server) == {"blue": 100}
    server.run("endpoint", "update", "-n", "steady", "--traffic", "blue=50 green=50")
    assert shares(server) == {"blue": 50, "green": 50}
    server.set_traffic("steady", blue=100)


def test_an_upload_that_fills_the_disk_goes_on_when_there_is_room(server, disk, tmp_path):
    artifacts = ArtifactFolder(server.data)
    file = tmp_path / "model.bin"
    file.write_bytes(os.urandom(8 * MIB))
    create = ("model", "create", "-n", "large", "-v", "1", "-p", file, "-o", "none")
    with disk.full(but=4 * MIB):
        said = server.run(*create, status=FAILED).stderr
        assert NO_ROOM in said and "make room" in said
        # What has arrived stays, for whoever goes on with it.
        upload, = server.ask("GET", "uploads").json()["value"]
        assert 0 < upload["missing"][0]["offset"] == artifacts.arrived() <= 4 * MIB
        assert_serves(server)
    assert "of it already" in server.run(*create).stderr
    server.run("model", "download", "-n", "large", "-v", "1", "-p", tmp_path / "back")
    assert (tmp_path / "back/large/model.bin").read_bytes() == file.read_bytes()
    artifacts.assert_tidy()


def test_an_upload_that_finds_no_room_at_all_leaves_nothing(server, disk, tmp_path):
    artifacts = ArtifactFolder(server.data)
    (tmp_path / "model.bin").write_bytes(os.urandom(MIB))
    with disk.full():
        said = server.run("model", "create", "-n", "refused", "-p", tmp_path / "model.bin", status=FAILED).stderr
        assert NO_ROOM in said
    artifacts.assert_tidy()
    server.ask("GET", "models/refused/versions/1", status=404)


def test_a_deployment_whose_end_found_no_room_has_it_written_later(server, disk):
    """The room grows by a page until the beginning fits: the end is then one thing too many."""
    properties = {"model": "azureml:simple:1", "instanceType": "Standard_DS3_v2"}
    for pages in range(1, 200):
        with disk.full(but=pages * 4096):
            answer = server.ask("PUT", "onlineEndpoints/steady/deployments/late", {"properties": properties}, status=(201, 507))
            if answer.status_code == 201:
                eventually(lambda: "the end of an operation could not be written" in server.log(), what="an end without room")
                break
    assert server.await_operation(answer)["percentComplete"] == 100
    assert server.score("steady", server.keys("steady")[0], azureml_model_deployment="late").status_code == 200
    server.await_operation(server.ask("DELETE", "onlineEndpoints/steady/deployments/late"))


def test_a_rollout_waits_for_room_and_then_goes_on(server, disk):
    server.run("rollout", "start", "-e", "steady", "-d", "green", "--steps", "20", "100", "--hold", "100ms",
               "--minimum-requests", "5", "--max-latency-ratio", "none", "--no-wait")
    eventually(lambda: shares(server) == {"blue": 80, "green": 20}, what="the first step")
    key, is_over, statuses = server.keys("steady")[0], threading.Event(), set()

    def ask():
        while not is_over.is_set():
            try:
                statuses.add(server.score("steady", key).status_code)
            except requests.RequestException as error:
                statuses.add(repr(error))

    with ThreadPoolExecutor(1) as pool:
        try:
            with disk.full():
                caller = pool.submit(ask)
                eventually(lambda: "a step of a rollout could not be taken" in server.log(), what="a step without room")
                assert shares(server) == {"blue": 80, "green": 20}
            done = server.run("rollout", "status", "-e", "steady", "--watch")
        finally:
            is_over.set()
        caller.result()
    assert json.loads(done.stdout)["state"] == "finished" and shares(server) == {"green": 100}
    assert statuses == {200}
    server.set_traffic("steady", blue=100)


def test_a_server_that_is_killed_on_a_full_disk_serves_again_without_room(server, disk):
    with disk.full():
        server.restart()
        assert_serves(server)
        server.ask("PUT", "onlineEndpoints/another", {"properties": {"authMode": "Key"}}, status=507)
    server.set_traffic("steady", blue=90, green=10)
    server.restart()
    assert shares(server) == {"blue": 90, "green": 10}
