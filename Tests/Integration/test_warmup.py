"""Samples of `model_warmup`: what every instance of a model runs before it serves."""

import struct

import numpy
import pytest
import requests

from server import PATIENCE, Server, copy_models, failure, free_port, infer_request, outputs_of, pb

ROW = 'data_type: TYPE_INT32 dims: 16'
ZEROS = f'model_warmup {{ name: "zeros" batch_size: 2 inputs {{ key: "INPUT0" value {{ {ROW} zero_data: true }} }} '\
        f'inputs {{ key: "INPUT1" value {{ {ROW} random_data: true }} }} }}'


@pytest.fixture
def server(tmp_path):
    """One that has loaded nothing yet, over a repository that a test fills."""
    options = ["--load-models", "none", "--no-warm-up"]
    with Server(copy_models(tmp_path / "models", "fixed"), *options) as server:
        yield server


def add_model(server, name, config, **files):
    copy_models(server.repository, name)
    write(server, name, config, **files)


def write(server, name, config, **files):
    """The model's configuration, and files for its samples by their names."""
    (server.repository / name / "config.pbtxt").write_text(config)
    for file, contents in files.items():
        path = server.repository / name / "warmup" / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents)


def load(server, name, config=None):
    request = pb.RepositoryModelLoadRequest(model_name=name)
    if config is not None:
        request.parameters["config"].string_param = config
    return server.stub().RepositoryModelLoad(request, timeout=PATIENCE)


def load_failure(server, name, config=None):
    return failure(lambda timeout: load(server, name, config)).details()


def statistics(server, name):
    return server.stub().ModelStatistics(pb.ModelStatisticsRequest(name=name), timeout=PATIENCE).model_stats[0]


def index_sample(file, more=""):
    """For the model `fails`, whose runs fail on any index but -4 to 3."""
    value = f'data_type: TYPE_INT64 input_data_file: "{file}"'
    sample = f'name: "index" {more} inputs {{ key: "INPUT0" value {{ {value} }} }}'
    return f"max_batch_size: 8 instance_group [{{ count: 2 }}] model_warmup {{ {sample} }}"


def test_a_model_with_samples_serves_and_their_runs_are_not_counted(server):
    add_model(server, "simple", f"max_batch_size: 8 instance_group [{{ count: 2 }}] {ZEROS}")
    load(server, "simple")
    counted = statistics(server, "simple")
    assert (counted.inference_count, counted.execution_count, counted.last_inference) == (0, 0, 0)
    assert counted.inference_stats.success.count == counted.inference_stats.fail.count == 0
    assert list(counted.batch_stats) == []
    server.assert_serves()
    assert statistics(server, "simple").execution_count == 1


def test_what_a_file_holds_reaches_the_model(server):
    """Zeros would do for it: that the load fails says that the sample's own value was run."""
    add_model(server, "fails", index_sample("nine", "count: 3"), nine=struct.pack("<q", 9), two=struct.pack("<q", 2))
    said = load_failure(server, "fails")
    assert "load failed for model 'fails': version 1: model_warmup sample 'index' failed: " in said
    assert "idx=9" in said  # the library's own words
    write(server, "fails", index_sample("two", "count: 3"))
    load(server, "fails")
    answer = server.stub().ModelInfer(infer_request("fails", {"INPUT0": numpy.array([2], dtype=numpy.int64)}))
    assert (outputs_of(answer)["OUTPUT0"] == [[4, 5]]).all()


@pytest.mark.parametrize("file, reason", [
    ("none", "warmup/none'"), ("short", "warmup/short' holds 7 bytes; dims [] of INT64 take 8"),
    ("long", "warmup/long' holds 9 bytes; dims [] of INT64 take 8"),
    ("../1/model.onnx", "is '../1/model.onnx'; expected a path inside the directory 'warmup'"),
    ("/etc/hostname", "is '/etc/hostname'; expected a path inside the directory 'warmup'")])
def test_a_file_that_is_not_right_fails_the_load(server, file, reason):
    add_model(server, "fails", index_sample(file), short=b"1234567", long=b"123456789")
    said = load_failure(server, "fails")
    assert "model_warmup sample 'index', input 'INPUT0': " in said
    assert reason in said


@pytest.mark.parametrize("sample, reason", [
    (ZEROS.replace("INT32", "FP32", 1), "input 'INPUT0' has datatype FP32; the model takes INT32"),
    (ZEROS.replace("16", "17", 1), "input 'INPUT0' has shape [1,17]; the model takes [-1,16]"),
    (ZEROS.replace("INPUT1", "INPUT2"), "input 'INPUT2' is not one of the model's; it takes 'INPUT0', 'INPUT1'"),
    (ZEROS.replace("batch_size: 2", "batch_size: 9"), "batch_size is 9; expected at most 8"),
    (ZEROS.replace("random_data: true", ""), "no data is set; expected one of zero_data, random_data and input_data_file"),
    (ZEROS.replace("data_type: TYPE_INT32", ""), "data_type is not set")])
def test_a_sample_that_the_model_does_not_take_fails_the_load(server, sample, reason):
    add_model(server, "simple", f"max_batch_size: 8 {sample}")
    said = load_failure(server, "simple")
    assert "model_warmup sample 'zeros'" in said
    assert reason in said


def test_a_failed_sample_leaves_the_model_that_serves(server):
    add_model(server, "simple", "")
    load(server, "simple")
    write(server, "simple", ZEROS.replace("16", "17", 1))
    assert "model_warmup sample 'zeros'" in load_failure(server, "simple")
    config = ('{"model_warmup": [{"name": "sent", "inputs": {"INPUT0": '
              '{"data_type": "TYPE_INT32", "dims": [16], "input_data_file": "../config.pbtxt"}}}]}')
    assert "expected a path inside the directory 'warmup'" in load_failure(server, "simple", config)
    server.assert_serves()


@pytest.mark.parametrize("contents, works", [
    ("zero_data: true", True), ("random_data: true", True), ('input_data_file: "right"', True),
    ('input_data_file: "bare"', False)])
def test_texts_are_in_a_file_as_they_are_on_the_wire(server, contents, works):
    value = f"data_type: TYPE_STRING dims: 2 {contents}"
    sample = f'model_warmup {{ name: "text" inputs {{ key: "INPUT0" value {{ {value} }} }} }}'
    texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"", "Mauersegler ü".encode()))
    add_model(server, "identity_bytes", f"max_batch_size: 8 {sample}", right=texts, bare=b"two texts")
    if works:
        load(server, "identity_bytes")
    else:
        said = load_failure(server, "identity_bytes")
        assert "model_warmup sample 'text': input 'INPUT0' holds 9 bytes" in said


def test_the_configuration_shows_the_samples_over_grpc_and_over_http(tmp_path):
    port = free_port()
    repository = copy_models(tmp_path, "simple")
    (repository / "simple/config.pbtxt").write_text(f"max_batch_size: 8 {ZEROS}")
    with Server(repository, "--http-listen", f"127.0.0.1:{port}") as server:
        config = server.stub().ModelConfig(pb.ModelConfigRequest(name="simple"), timeout=PATIENCE).config
        answer = requests.get(f"http://127.0.0.1:{port}/v2/models/simple/config", timeout=PATIENCE).json()
        assert "has no effect" not in server.log()
    [sample] = config.model_warmup
    assert (sample.name, sample.batch_size, sample.count) == ("zeros", 2, 1)
    kinds = {name: value.WhichOneof("input_data_type") for name, value in sample.inputs.items()}
    assert kinds == {"INPUT0": "zero_data", "INPUT1": "random_data"}
    assert list(sample.inputs["INPUT0"].dims) == [16]
    assert answer["model_warmup"] == [{
        "name": "zeros", "batch_size": 2, "count": 1, "inputs": {
            "INPUT0": {"data_type": "TYPE_INT32", "dims": [16], "zero_data": True},
            "INPUT1": {"data_type": "TYPE_INT32", "dims": [16], "random_data": True}}}]
