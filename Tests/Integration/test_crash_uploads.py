"""A connection that breaks, and `kill -9` of the server or the command, while a model's files are on their way: the upload goes
on where it was, and what is given up leaves no file behind."""

import hashlib
import os
import shutil

import pytest
import requests
from artifacts import ArtifactFolder
from endpoints import EndpointServer
from relay import Relay
from server import PATIENCE, TEST_MODELS, eventually

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("crash")) as server:
        yield server


@pytest.fixture
def artifacts(server):
    """The server's files, in which each test has to leave nothing but models."""
    folder = ArtifactFolder(server.data)
    yield folder
    folder.assert_tidy()


def make_folder(path, weights_bytes):
    """A model that can be served, with a file beside it that nobody has had before."""
    shutil.copytree(TEST_MODELS / "simple", path)
    (path / "weights.bin").write_bytes(os.urandom(weights_bytes))
    return path


class Upload:
    """The files of a folder on their way in over REST."""

    def __init__(self, server, folder):
        self.server = server
        self.contents = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.by_digest = {hashlib.sha256(content).hexdigest(): content for content in self.contents.values()}
        lines = [f"{hashlib.sha256(content).hexdigest()} {len(content)} - {name}" for name, content in sorted(self.contents.items())]
        self.manifest = "\n".join(["apus-tree 1", *lines, ""])
        self.begin()

    def begin(self):
        self.state = self.server.ask("POST", "uploads", {"manifest": self.manifest}, status=201).json()
        self.id = self.state["uploadId"]

    def offsets(self):
        """Where the next bytes of each content begin, as the server says now."""
        missing = self.server.ask("GET", f"uploads/{self.id}").json()["missing"]
        return {entry["sha256"]: entry["offset"] for entry in missing}

    def largest(self):
        return max(self.by_digest, key=lambda digest: len(self.by_digest[digest]))

    def send(self, digest, start=0, end=None, pieces=None):
        """A stretch of a content; `pieces` gives its bytes, if not all at once."""
        content = self.by_digest[digest]
        end = len(content) if end is None else end
        return requests.patch(
            f"{self.server.control}/workspaces/default/uploads/{self.id}/blobs/{digest}", data=pieces or content[start:end],
            headers={"authorization": f"Bearer {self.server.token}", "content-range": f"bytes {start}-{end - 1}/{len(content)}",
                     "content-type": "application/octet-stream"}, timeout=PATIENCE)

    def finish(self):
        """Sends what is missing, and gives the address that a model's version has."""
        for digest, offset in self.offsets().items():
            assert self.send(digest, offset).status_code == 200
        return self.server.ask("POST", f"uploads/{self.id}/complete").json()["modelUri"]

    def register(self, name):
        body = {"properties": {"modelUri": self.finish(), "modelType": "triton_model"}}
        self.server.ask("PUT", f"models/{name}/versions/1", body)


def assert_has(server, name, folder):
    """The server gives back the model's files as they were sent."""
    back = server.folder / f"back-{name}"
    server.run("model", "download", "-n", name, "-v", "1", "-p", back, "--only-show-errors")
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(back / name): path.read_bytes() for path in (back / name).rglob("*") if path.is_file()} == files


# MARK: over REST


def test_bytes_that_were_acknowledged_are_not_asked_for_again_and_the_model_serves(server, artifacts, tmp_path):
    folder = make_folder(tmp_path / "model", 3 * MIB)
    upload = Upload(server, folder)
    largest = upload.largest()
    assert upload.send(largest, 0, 2 * MIB).json() == {"offset": 2 * MIB}
    server.restart()
    assert upload.offsets()[largest] == 2 * MIB
    upload.register("acknowledged")
    assert_has(server, "acknowledged", folder)
    server.make_endpoint("acknowledged")
    server.make_deployment("acknowledged", "blue", "acknowledged")
    server.set_traffic("acknowledged", blue=100)
    assert server.score("acknowledged", server.keys("acknowledged")[0]).status_code == 200


def test_an_upload_whose_bytes_were_coming_in_goes_on_where_they_stopped(server, artifacts, tmp_path):
    folder = make_folder(tmp_path / "model", 16 * MIB)
    upload = Upload(server, folder)
    largest = upload.largest()
    content = upload.by_digest[largest]

    def pieces():
        yield content[:8 * MIB]
        eventually(lambda: artifacts.arrived() >= 4 * MIB, what="four MiB in the server's files")
        server.kill()
        yield content[8 * MIB:]

    with pytest.raises(requests.RequestException):
        upload.send(largest, pieces=pieces())
    server.start()
    # The same announcement finds the same upload.
    upload.begin()
    assert 4 * MIB <= upload.offsets()[largest] <= 8 * MIB
    upload.register("streamed")
    assert_has(server, "streamed", folder)


def test_an_upload_that_is_given_up_after_the_crash_leaves_no_file(server, artifacts, tmp_path):
    before = artifacts.blobs()
    upload = Upload(server, make_folder(tmp_path / "model", 2 * MIB))
    whole = min(upload.offsets(), key=lambda digest: len(upload.by_digest[digest]))
    for digest in upload.offsets():
        upload.send(digest, 0, len(upload.by_digest[digest]) if digest == whole else MIB // 2)
    server.restart()
    assert [one["uploadId"] for one in server.ask("GET", "uploads").json()["value"]] == [upload.id]
    server.ask("DELETE", f"uploads/{upload.id}")
    assert artifacts.blobs() == before
    server.ask("GET", f"uploads/{upload.id}", status=404)


def test_models_that_were_acknowledged_before_a_kill_at_any_moment_are_all_there_and_whole(server, artifacts, tmp_path):
    for most in (1, 4):
        folders = []

        def register(number):
            folders.append(make_folder(tmp_path / f"{most}-{number}", 256 << 10))
            Upload(server, folders[number]).register(f"any-{most}-{number}")
            return number

        acknowledged = server.until_killed(register, most)
        names = {model["name"] for model in server.ask("GET", "models").json()["value"]}
        for number in acknowledged:
            assert f"any-{most}-{number}" in names
            assert_has(server, f"any-{most}-{number}", folders[number])
        # The last one is taken up where it was, at whatever step that is.
        Upload(server, folders[-1]).register(f"any-{most}-{len(folders) - 1}")
        assert_has(server, f"any-{most}-{len(folders) - 1}", folders[-1])


def test_an_upload_whose_connection_broke_is_finished_by_a_command(server, artifacts, tmp_path):
    folder = make_folder(tmp_path / "model", 16 * MIB)
    upload = Upload(server, folder)

    def pieces():
        yield upload.by_digest[upload.largest()][:8 * MIB]
        raise ConnectionError("the caller has gone")

    with pytest.raises(requests.ConnectionError):
        upload.send(upload.largest(), pieces=pieces())
    eventually(lambda: artifacts.arrived() > 0, what="a part that was taken in")
    said = server.run("model", "create", "-n", "finished", "-v", "1", "-p", folder, "-o", "none").stderr
    assert "of it already" in said
    assert_has(server, "finished", folder)


# MARK: by commands


def test_a_command_goes_on_by_itself_when_the_server_is_back(server, artifacts, tmp_path):
    folder = make_folder(tmp_path / "model", 16 * MIB)
    with Relay(lambda: server.control, limit=8 * MIB, cut=server.kill) as relay:
        command = server.start_command(
            "model", "create", "-n", "alone", "-v", "1", "-p", folder, "-t", "triton_model", "-o", "none", APUS_SERVER=relay.address)
        # It finds nobody first; that is no reason to give up either.
        eventually(lambda: relay.refusals > 0 or command.poll() is not None, what="a try while the server is away")
        server.start()
        # Its pauses grow: this one may be about as long as the server was away.
        said = command.communicate(timeout=2 * PATIENCE)[1]
        assert command.returncode == 0, said
    assert "going on" in said
    assert_has(server, "alone", folder)


@pytest.mark.parametrize("ends", ["command", "command and server"])
def test_a_command_that_was_killed_goes_on_when_it_is_run_again(server, artifacts, tmp_path, ends):
    folder, name = make_folder(tmp_path / "model", 16 * MIB), ends.replace(" ", "-")
    create = ("model", "create", "-n", name, "-v", "1", "-p", folder, "-t", "triton_model", "-o", "none")

    def kill():
        command.kill()
        if "server" in ends:
            server.kill()

    with Relay(lambda: server.control, limit=8 * MIB, cut=kill) as relay:
        command = server.start_command(*create, APUS_SERVER=relay.address)
        command.communicate(timeout=PATIENCE)
    if "server" in ends:
        server.start()
    server.ask("GET", f"models/{name}/versions/1", status=404)
    eventually(lambda: artifacts.arrived() > 0, what="a part that was taken in")
    assert "of it already" in server.run(*create).stderr
    assert_has(server, name, folder)
