"""The client's side of the program, as a shell sees it: data on stdout, messages on stderr, a number at the end."""

import json
import subprocess

import numpy
import pytest

from server import APUS, DONE, FAILED, PATIENCE, UNREACHABLE, USAGE, Server, copy_models, environment, eventually, free_port
from test_transport import certificates, tls_options  # noqa: F401 (a fixture)


def apus(*arguments, at=None, stdin=None):
    """Runs the program to its end; `at` is the server or the address that it is to talk to."""
    address = ["--server", getattr(at, "address", at)] if at else []
    return subprocess.run(
        [str(part) for part in (APUS, *arguments, *address)], input=stdin, capture_output=True, text=True,
        env=environment(), timeout=PATIENCE)


def data(done):
    """What a command printed that went well and had nothing to say."""
    assert (done.returncode, done.stderr) == (DONE, "")
    return done.stdout


def message(done, status):
    """What a command said that went wrong, with nothing on stdout."""
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    return done.stderr


def values(answer):
    """The elements of each output of an answer in JSON."""
    return {output["name"]: output["data"] for output in json.loads(answer)["outputs"]}


ROW = list(range(16))
THREES = [3] * 16
SUM_AND_DIFFERENCE = {"OUTPUT0": [n + 3 for n in ROW], "OUTPUT1": [n - 3 for n in ROW]}


@pytest.fixture(scope="module")
def models_server(tmp_path_factory):
    """A server whose models these tests may load and unload."""
    with Server(copy_models(tmp_path_factory.mktemp("models"), "simple", "identity_fp32")) as server:
        yield server


# infer


def as_json(folder):
    return json.dumps([ROW]), json.dumps([THREES])


def as_json_files(folder):
    (folder / "first.json").write_text(json.dumps([ROW]))
    (folder / "second.json").write_text(json.dumps([THREES]))
    return f"@{folder}/first.json", f"@{folder}/second.json"


def as_numpy_files(folder):
    numpy.save(folder / "first.npy", numpy.array([ROW], dtype=numpy.int32))
    numpy.save(folder / "second.npy", numpy.array([THREES], dtype=numpy.int32))
    return f"@{folder}/first.npy", f"@{folder}/second.npy"


def as_bytes(folder):
    numpy.array(ROW, dtype=numpy.int32).tofile(folder / "first.bin")
    numpy.array(THREES, dtype=numpy.int32).tofile(folder / "second.bin")
    return f"@{folder}/first.bin", f"@{folder}/second.bin"


@pytest.mark.parametrize("write", [as_json, as_json_files, as_numpy_files, as_bytes])
def test_each_form_of_an_input_is_the_same_tensor(server, tmp_path, write):
    first, second = write(tmp_path)
    done = apus("infer", "simple", "--input", f"INPUT0={first}", "--input", f"INPUT1={second}", "--json", at=server)
    assert values(data(done)) == SUM_AND_DIFFERENCE


def test_a_shape_may_be_given_with_the_name(server):
    done = apus(
        "infer", "simple", "--input", f"INPUT0:1,16={ROW}", "--input", f"INPUT1:1,16={THREES}", "--json", at=server)
    assert values(data(done)) == SUM_AND_DIFFERENCE


def test_a_request_from_standard_input_is_sent_whole(server):
    tensor = lambda name, elements: {"name": name, "datatype": "INT32", "shape": [1, 16], "data": elements}
    request = {
        "id": "r1", "inputs": [tensor("INPUT0", ROW), tensor("INPUT1", THREES)], "outputs": [{"name": "OUTPUT1"}]}
    answer = json.loads(
        data(apus("infer", "simple", "--request", "-", "--json", at=server, stdin=json.dumps(request))))
    assert answer == {
        "id": "r1", "model_name": "simple", "model_version": "1",
        "outputs": [
            {"name": "OUTPUT1", "datatype": "INT32", "shape": [1, 16], "data": SUM_AND_DIFFERENCE["OUTPUT1"]}]}


def test_without_json_the_answer_is_for_people(server):
    done = apus(
        "infer", "simple", "--input", f"INPUT0=[{ROW}]", "--input", f"INPUT1=[{THREES}]", "--output", "OUTPUT0",
        "--id", "r2", at=server)
    assert data(done).splitlines() == [
        "model simple, version 1, id r2", "OUTPUT0  INT32 [1, 16]",
        "  [[3, 4, 5, 6, 7, 8, … 4 more …, 13, 14, 15, 16, 17, 18]]"]


def test_classification_gives_the_best_classes(server):
    done = apus(
        "infer", "simple", "--input", f"INPUT0=[{ROW}]", "--input", f"INPUT1=[{THREES}]", "--classification", 2,
        "--json", at=server)
    best = values(data(done))
    assert [entry.split(":")[1] for entry in best["OUTPUT0"]] == ["15", "14"]
    assert [float(entry.split(":")[0]) for entry in best["OUTPUT0"]] == [18, 17]


@pytest.mark.parametrize("value, words", [
    (":9999999999,9999999999=[1]", "shape [9999999999, 9999999999] is too large"),
    ("=[1e400]", "1e400 is out of range"),
    ("=[1,", "something is missing at its end: '[1,'"),
    ("=[1 2]", "line 1, column 4: '…2]'"),
    ("=@nosuch.npy", "can't read nosuch.npy"),
])
def test_an_input_that_can_not_be_sent_is_wrong_usage(server, value, words):
    done = apus("infer", "identity_fp32", "--input", f"INPUT0{value}", at=server)
    assert words in message(done, USAGE)


def test_a_shape_that_can_not_be_counted_is_refused_wherever_it_stands(server, tmp_path):
    shape = [9999999999, 9999999999]
    request = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": shape, "data": [1]}]}
    done = apus("infer", "identity_fp32", "--request", "-", at=server, stdin=json.dumps(request))
    assert f"shape {shape} is too large" in message(done, USAGE)

    header = str({"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}).encode()
    (tmp_path / "large.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    done = apus("infer", "identity_fp32", "--input", f"INPUT0=@{tmp_path}/large.npy", at=server)
    assert f"shape {shape} is too large" in message(done, USAGE)


def test_the_server_s_refusal_has_grpc_s_name_for_it(server):
    assert message(apus("infer", "nosuch", "--input", "x=[1]", at=server), FAILED).startswith("apus: NOT_FOUND: ")
    short = apus("infer", "simple", "--input", "INPUT0=[[1]]", "--input", "INPUT1=[[1]]", at=server)
    assert message(short, FAILED).startswith("apus: INVALID_ARGUMENT: ")


# models


def listed(server, *options):
    return {entry["name"]: entry["state"] for entry in json.loads(data(apus(
        "models", "list", "--json", *options, at=server)))}


def test_models_are_listed_unloaded_and_loaded(models_server):
    assert listed(models_server) == {"simple": "READY", "identity_fp32": "READY"}
    assert data(apus("models", at=models_server)).splitlines()[0].split() == ["NAME", "VERSION", "STATE", "REASON"]

    assert message(apus("models", "unload", "simple", at=models_server), DONE) == "simple is unloaded\n"
    assert listed(models_server, "--ready") == {"identity_fp32": "READY"}
    assert message(apus("models", "unload", "simple", at=models_server), DONE) == "simple was not loaded\n"

    assert message(apus("models", "load", "simple", at=models_server), DONE) == "simple is loaded\n"
    assert listed(models_server) == {"simple": "READY", "identity_fp32": "READY"}


def test_a_model_that_does_not_exist_is_neither_loaded_nor_unloaded(models_server):
    assert "nosuch" in message(apus("models", "load", "nosuch", at=models_server), FAILED)
    assert message(apus("models", "unload", "nosuch", at=models_server), DONE) == "nosuch was not loaded\n"


# status


def test_status_of_a_ready_server(models_server):
    lines = data(apus("status", at=models_server)).splitlines()
    assert lines[0].endswith(": live, ready")
    assert lines[2].split()[:4] == ["MODEL", "VERSION", "REQUESTS", "FAILED"]

    status = json.loads(data(apus("status", "--json", at=models_server)))
    assert (status["name"], status["live"], status["ready"]) == ("apus", True, True)
    assert {model["name"] for model in status["models"]} == {"simple", "identity_fp32"}


def test_status_of_a_server_that_is_not_ready_fails(tmp_path):
    (copy_models(tmp_path, "simple") / "broken/1").mkdir(parents=True)
    (tmp_path / "broken/1/model.onnx").write_bytes(b"no model")
    with Server(tmp_path, await_ready=False) as server:
        server.await_model("simple")
        for options in [(), ("--json",)]:
            done = apus("status", *options, at=server)
            assert (done.returncode, done.stderr) == (FAILED, "apus: the server is not ready\n")
            assert done.stdout


# The way to the server


def test_no_server_is_a_status_of_its_own():
    said = message(apus("status", at=f"127.0.0.1:{free_port()}"), UNREACHABLE)
    assert "Connection refused" in said and "apus serve" in said


@pytest.mark.parametrize("options, words", [
    (["--server", "foo"], "'foo' is no address"),
    (["--ca", "nosuch.pem"], "nosuch.pem"),
    (["--certificate", "client.pem"], "--certificate and --key go together"),
    (["--timeout", "10"], "expected a time with its unit: 50us, 500ms, 10s, 2m or 1h"),
])
def test_a_server_that_can_not_be_meant_is_wrong_usage(options, words):
    assert words in message(apus("status", *options), USAGE)


def test_tls_with_a_client_certificate(tmp_path, certificates):  # noqa: F811
    options = ["--tls-client-ca", certificates / "authority.pem", "--tls-require-client-certificate"]
    identity = ["--certificate", certificates / "client.pem", "--key", certificates / "client.key"]
    trust = ["--ca", certificates / "authority.pem"]
    with Server(
        copy_models(tmp_path, "simple"), *tls_options(certificates), *options, await_ready=False) as server:
        said = server_says_ready(server, *trust, *identity)
        assert said.splitlines()[0].endswith(": live, ready")
        for incomplete in (trust, identity, ["--tls"], []):
            assert message(apus("status", *incomplete, at=server), UNREACHABLE)


def server_says_ready(server, *options):
    """Asks until it is; grpcio, which the other tests ask with, has no part in this."""
    def ask():
        done = apus("status", *options, at=server)
        assert done.returncode in (DONE, FAILED, UNREACHABLE), done.stderr
        return done.stdout if done.returncode == DONE else None

    return eventually(ask, what="a ready server")


# serve, before it serves


def test_a_repository_that_is_none_is_found_before_anything_is_bound(tmp_path):
    done = apus("serve", "--model-repository", tmp_path / "nosuch", "--listen", f"unix:{tmp_path}/socket")
    assert message(done, USAGE) == f"apus: model repository '{tmp_path}/nosuch' is not a directory\n"
    assert not (tmp_path / "socket").exists()


def test_a_time_without_a_unit_is_told_of_the_units(tmp_path):
    (tmp_path / "apus.yaml").write_text("model-repository: models\ndrain-grace: '10'\n")
    assert message(apus("serve", "--config", tmp_path / "apus.yaml"), USAGE) == (
        f"apus: {tmp_path}/apus.yaml: drain-grace: found '10'; expected a time with its unit: 50us, 500ms, 10s, 2m or 1h\n")
    said = message(apus("serve", "--model-repository", tmp_path, "--max-message-bytes", "64MB"), USAGE)
    assert "expected bytes, or a size with its unit: 4096, 64KiB, 64MiB or 2GiB" in said


def test_help_names_levels_in_words_and_keeps_examples_whole():
    text = data(apus("serve", "--help"))
    assert "(values: trace, debug, info, warning, error)" in " ".join(text.split())
    examples = text.split("EXAMPLES:")[1].split("apus.yaml:\n")[0]
    # A line that the help's width broke starts without the indentation.
    assert all(line.startswith("  ") for line in examples.splitlines() if line)
