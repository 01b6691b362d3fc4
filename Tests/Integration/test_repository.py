"""The model repository: what is served, loading and unloading at run time, and models that cannot be served."""

import concurrent.futures
import os
import shutil
import subprocess
import threading

import numpy
import pytest

from server import (APUS, CACHE, PATIENCE, Server, copy_models, environment, failure, infer_request,
                    outputs_of, pb, simple_request)

def load(server, name, **parameters):
    request = pb.RepositoryModelLoadRequest(model_name=name)
    for key, value in parameters.items():
        if isinstance(value, bytes):
            request.parameters[key].bytes_param = value
        else:
            request.parameters[key].string_param = value
    return server.stub().RepositoryModelLoad(request, timeout=PATIENCE)


def load_failure(server, name, **parameters):
    return failure(lambda timeout: load(server, name, **parameters))


def unload(server, name):
    return server.stub().RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=name), timeout=PATIENCE)


def index(server, ready=False):
    answer = server.stub().RepositoryIndex(pb.RepositoryIndexRequest(ready=ready), timeout=PATIENCE)
    return {(entry.name, entry.version): (entry.state, entry.reason) for entry in answer.models}


def infer_failure(server, name, **keywords):
    return failure(server.stub().ModelInfer, simple_request(**keywords) if name == "simple" else infer_request(
        name, {"INPUT0": numpy.ones((2, 3), numpy.float32)}, **keywords))


# Load, unload, reload


def test_unload_takes_a_model_away_and_load_brings_it_back(tmp_path):
    with Server(copy_models(tmp_path, "simple", "fixed")) as server:
        unload(server, "fixed")
        assert index(server)["fixed", "1"] == ("UNAVAILABLE", "unloaded")
        assert ("fixed", "1") not in index(server, ready=True)
        assert infer_failure(server, "fixed").code().name in ("NOT_FOUND", "UNAVAILABLE")
        load(server, "fixed")
        assert index(server)["fixed", "1"][0] == "READY"
        server.stub().ModelInfer(infer_request("fixed", {"INPUT0": numpy.ones((2, 3), numpy.float32)}))
        server.assert_serves()


def test_a_model_that_came_later_is_loaded_on_request(tmp_path):
    with Server(copy_models(tmp_path, "simple")) as server:
        copy_models(tmp_path, "fixed")
        load(server, "fixed")
        server.stub().ModelInfer(infer_request("fixed", {"INPUT0": numpy.ones((2, 3), numpy.float32)}))


def test_a_model_that_is_nowhere_cannot_be_loaded(tmp_path):
    with Server(copy_models(tmp_path, "simple")) as server:
        assert "no_such_model" in load_failure(server, "no_such_model").details()
        unload(server, "no_such_model")  # of a model that is not loaded: nothing to do
        server.assert_serves()


def test_reloading_under_load_loses_no_request(tmp_path):
    """Eight clients never stop asking while the model is replaced twenty times."""
    with Server(copy_models(tmp_path, "simple")) as server:
        stub = server.stub()
        is_over = threading.Event()

        def client(number):
            count = 0
            while not is_over.is_set():
                answer = stub.ModelInfer(simple_request(numpy.full((1, 16), number, numpy.int32)), timeout=PATIENCE)
                assert (outputs_of(answer)["OUTPUT0"] == number + 1).all()
                count += 1
            return count

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(client, number) for number in range(8)]
            try:
                for _ in range(20):
                    load(server, "simple")
            finally:
                is_over.set()
            assert all(done.result() > 0 for done in clients)


def test_a_failed_reload_leaves_the_old_model_serving(tmp_path):
    with Server(copy_models(tmp_path, "simple")) as server:
        model = tmp_path / "simple/1/model.onnx"
        # By renaming, as a deployment would: the file that is served stays as it was.
        (tmp_path / "broken.onnx").write_bytes(b"not a model")
        os.rename(tmp_path / "broken.onnx", model)
        error = load_failure(server, "simple")
        assert "model.onnx" in error.details()
        server.assert_serves()


def test_a_configuration_may_come_with_the_load(tmp_path):
    with Server(copy_models(tmp_path, "simple")) as server:
        load(server, "simple", config='{"name": "simple", "max_batch_size": 3}')
        config = server.stub().ModelConfig(pb.ModelConfigRequest(name="simple")).config
        assert config.max_batch_size == 3


def test_a_repository_name_is_unimplemented(server):
    error = failure(server.stub().RepositoryIndex, pb.RepositoryIndexRequest(repository_name="other"))
    assert error.code().name == "UNIMPLEMENTED"


# config.pbtxt


def test_a_triton_repository_is_served_unchanged(tmp_path):
    repository = copy_models(tmp_path, "simple")
    (repository / "simple/config.pbtxt").write_text('''
# As in Triton's own examples.
name: "simple"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
  { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] }
]
output [
  { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] },
  { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] }
]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }
version_policy: { latest { num_versions: 1 } }
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
''')
    with Server(repository) as server:
        config = server.stub().ModelConfig(pb.ModelConfigRequest(name="simple")).config
        assert config.max_batch_size == 8
        assert config.instance_group[0].count == 2
        assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
        assert config.dynamic_batching.max_queue_delay_microseconds == 100
        assert config.parameters["intra_op_thread_count"].string_value == "1"
        server.assert_serves()


@pytest.mark.parametrize("text, named", [
    ("max_batch_sise: 8", "max_batch_sise"),
    ("max_batch_size: many", "max_batch_size"),
    ('name: "other"', "other"),
    ('input [{ name: "INPUT9" data_type: TYPE_INT32 dims: [16] }]', "INPUT9"),
    ('input [{ name: "INPUT0" data_type: TYPE_FP32 dims: [16] }]', "INPUT0"),
    ("dynamic_batching {", "config.pbtxt"),
    ("instance_group [{ count: -1 }]", "count"),
])
def test_a_wrong_configuration_is_refused_and_says_where(tmp_path, text, named):
    repository = copy_models(tmp_path, "simple", "fixed")
    config = "max_batch_size: 8\n" if "max_batch" not in text else ""
    (repository / "fixed/config.pbtxt").write_text("max_batch_size: 0\n")
    shutil.copytree(repository / "simple", repository / "wrong")
    (repository / "wrong/config.pbtxt").write_text(f"{config}{text}\n")
    with Server(repository, await_ready=False) as server:
        server.await_model("simple")
        error = load_failure(server, "wrong")
        assert "wrong" in error.details() and "config" in error.details()
        assert named in error.details()
        server.assert_serves()


# Versions


@pytest.fixture
def versions(tmp_path):
    """`simple` in versions 1, 2 and 10, and directories that are none."""
    repository = copy_models(tmp_path, "simple")
    for version in ("2", "10", "03", "latest", "0"):
        shutil.copytree(repository / "simple/1", repository / "simple" / version)
    return repository


@pytest.mark.parametrize("policy, served", [
    ("", ["10"]),
    ("version_policy: { latest { num_versions: 2 } }", ["2", "10"]),
    ("version_policy: { all { } }", ["1", "2", "10"]),
    ("version_policy: { specific { versions: [1, 2] } }", ["1", "2"]),
])
def test_the_version_policy_says_which_versions_are_served(versions, policy, served):
    if policy:
        (versions / "simple/config.pbtxt").write_text(f"max_batch_size: 8 {policy}\n")
    with Server(versions) as server:
        metadata = server.stub().ModelMetadata(pb.ModelMetadataRequest(name="simple"))
        assert sorted(metadata.versions, key=int) == served
        # Without a version, the highest that is ready answers.
        assert server.stub().ModelInfer(simple_request()).model_version == served[-1]
        for version in served:
            assert server.stub().ModelInfer(simple_request(model_version=version)).model_version == version
        others = {"1", "2", "10"} - set(served)
        for version in others:
            assert infer_failure(server, "simple", model_version=version).code().name in ("NOT_FOUND", "UNAVAILABLE")


# Models that cannot be served


def empty(folder):
    (folder / "1/model.onnx").write_bytes(b"")


def truncated(folder):
    whole = (folder / "1/model.onnx").read_bytes()
    (folder / "1/model.onnx").write_bytes(whole[: len(whole) // 2])


def not_onnx(folder):
    (folder / "1/model.onnx").write_bytes(b"PK\x03\x04 this is something else" * 100)


def no_file(folder):
    (folder / "1/model.onnx").unlink()


def no_version(folder):
    shutil.rmtree(folder / "1")


def a_directory(folder):
    (folder / "1/model.onnx").unlink()
    (folder / "1/model.onnx").mkdir()


def unreadable(folder):
    (folder / "1/model.onnx").chmod(0)


def unreadable_directory(folder):
    (folder / "1").chmod(0)


BROKEN = [empty, truncated, not_onnx, no_file, no_version, a_directory, unreadable, unreadable_directory]


@pytest.mark.parametrize("damage", BROKEN, ids=lambda damage: damage.__name__)
def test_a_broken_model_never_keeps_the_others_from_serving(tmp_path, damage):
    if damage in (unreadable, unreadable_directory) and os.geteuid() == 0:
        pytest.skip("root reads everything")
    repository = copy_models(tmp_path, "simple")
    shutil.copytree(repository / "simple", repository / "broken")
    damage(repository / "broken")
    try:
        with Server(repository, await_ready=False) as server:
            server.await_model("simple")
            error = load_failure(server, "broken")
            assert "broken" in error.details(), "which model"
            server.assert_serves()
            states = {name: (state, reason) for (name, _), (state, reason) in index(server).items()}
            assert states["simple"][0] == "READY"
            assert states["broken"][0] == "UNAVAILABLE"
            assert states["broken"][1], "the index says why"
            assert "broken" in server.log(), "and so does the log"
    finally:
        for path in (repository / "broken").rglob("*"):
            path.chmod(0o755)


def test_a_full_disk_at_load_is_named_and_costs_only_that_load(tmp_path, monkeypatch):
    """A load that brings its own file has to put it somewhere: here a disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small disk")
    monkeypatch.setenv("TMPDIR", str(disk))
    try:
        with Server(copy_models(tmp_path / "models", "simple")) as server:
            error = load_failure(
                server, "simple", config='{"name": "simple"}', **{"file:1/model.onnx": bytes(1 << 20)})
            assert "No space left on device" in error.details() and "model.onnx" in error.details()
            server.assert_serves()
            assert not list(disk.rglob("*.onnx")), "what was written of it is gone"
    finally:
        subprocess.run(["umount", str(disk)], check=False)


@pytest.mark.parametrize("name", ["tensor_list", "complex_numbers", "many_outputs", "weights_elsewhere"])
def test_a_model_that_the_protocol_cannot_carry_is_refused_with_the_reason(tmp_path, name):
    repository = copy_models(tmp_path, "simple")
    copy_models(tmp_path, name, source=CACHE / "broken-test-models")
    with Server(repository, await_ready=False) as server:
        server.await_model("simple")
        assert name in load_failure(server, name).details()
        server.assert_serves()


def test_a_repository_that_is_not_there_ends_the_program_with_a_reason(tmp_path):
    done = subprocess.run(
        [APUS, "serve", "--model-repository", tmp_path / "nowhere", "--listen", "127.0.0.1:0"],
        env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0
    assert str(tmp_path / "nowhere") in done.stderr
    assert done.stdout == ""
