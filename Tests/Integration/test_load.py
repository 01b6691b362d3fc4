"""`apus load` against the real server, and against small ones of grpcio that misbehave."""

import csv
import json
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent import futures

import grpc
import numpy
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from server import APUS, DONE, FAILED, PATIENCE, SERVICE, UNREACHABLE, USAGE, Server, copy_models, environment, eventually
from test_command_line import apus
from test_transport import certificates, credentials, tls_options  # noqa: F401 (a fixture)

QUICK = ["--duration", "300ms", "--warm-up", "50ms", "--window", "50ms"]


@pytest.fixture(scope="module")
def load_server(tmp_path_factory):
    with Server(copy_models(tmp_path_factory.mktemp("models"), "simple", "identity_fp32", "identity_bytes")) as server:
        yield server


def load(*arguments, at, folder=None, status=DONE):
    """Runs a load test to its end, and returns its report and what it said on standard error."""
    report = [] if folder is None else ["--json", folder / "report.json"]
    done = apus("load", *arguments, *report, at=at)
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads((folder / "report.json").read_text()) if folder else done.stdout, done.stderr


class Scripted(service_pb2_grpc.GRPCInferenceServiceServicer):
    """An identity model whose answers `spoil` may change, given the number of the call."""

    def __init__(self, spoil=lambda number, answer, context: answer):
        self.spoil = spoil
        self.count = 0
        self.times = []
        self.lock = threading.Lock()

    def __enter__(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        return f"127.0.0.1:{self.port}"

    def __exit__(self, *_):
        self.server.stop(None)

    def ModelMetadata(self, request, context):
        tensor = pb.ModelMetadataResponse.TensorMetadata(name="x", datatype="FP32", shape=[-1, 4])
        return pb.ModelMetadataResponse(name=request.name, versions=["1"], inputs=[tensor], outputs=[tensor])

    def ModelInfer(self, request, context):
        with self.lock:
            self.count += 1
            number = self.count
            self.times.append((time.monotonic(), request))
        answer = pb.ModelInferResponse(model_name=request.model_name, raw_output_contents=request.raw_input_contents)
        answer.outputs.add(name="y", datatype="FP32", shape=request.inputs[0].shape)
        return self.spoil(number, answer, context)


# What is measured


def test_a_closed_loop_reports_what_it_measured(load_server, tmp_path):
    report, said = load(
        "simple", "--concurrency", 4, "--connections", 2, "--pid", load_server.process.pid, *QUICK, at=load_server,
        folder=tmp_path)
    (step,) = report["steps"]
    assert report["format"] == "apus-load/1" and report["faults"] == []
    assert step["load"] == {"kind": "concurrency", "value": 4} and step["end"] == "duration"
    assert step["answered"] > 0 and step["failed"] == 0 and step["statuses"] == {"OK": step["answered"]}
    latency = step["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert step["distribution"][-1][1] == 100
    assert step["throughput_per_second"] == pytest.approx(
        sum(window["answered"] for window in step["windows"]) / step["seconds"])
    assert step["bytes_sent"] > 0 and step["bytes_received"] > 0
    assert step["checks"]["checked"] >= 100 and step["checks"]["mismatched"] == 0
    assert step["server_process"]["cpu_us_per_request"] > 0 and step["server_process"]["resident_bytes"] > 1 << 20
    (model,) = step["server_models"]
    assert model["model"] == "simple" and model["requests"] > 0 and model["request_ms"] >= model["queue_ms"]
    assert "answers checked, 0 wrong" in said


def test_an_open_loop_keeps_its_rate_and_counts_from_when_a_request_was_due(tmp_path):
    def stall(number, answer, context):
        if number == 90:  # up to after the end
            time.sleep(0.3)
        return answer

    with Scripted(stall) as address:
        report, _ = load(
            "m", "--rate", 200, "--arrivals", "constant", "--streams", 1, "--inputs", 1, "--check-every", 0,
            "--duration", "600ms", "--warm-up", "0", "--window", "100ms", at=address, folder=tmp_path)
    (step,) = report["steps"]
    assert step["offered_per_second"] == 200 and step["sent"] >= 200 * step["seconds"] - 2
    # One call was slow, and the thirty that were due before the end waited for it.
    assert step["latency_ms"]["p90"] > 150 and step["latency_ms"]["p50"] < step["latency_ms"]["p90"]
    assert step["waited_for_stream"] > 10
    assert any("free stream" in warning for warning in step["warnings"])


def test_threads_share_the_load_and_may_poll(load_server, tmp_path):
    report, _ = load(
        "simple", "--rate", 400, "--arrivals", "constant", "--threads", 2, "--connections", 3, "--precise", *QUICK,
        at=load_server, folder=tmp_path)
    (step,) = report["steps"]
    assert step["sent"] >= 400 * step["seconds"] - 2 and step["failed"] == 0
    assert step["client"]["busiest_thread"] is None


def test_a_range_is_climbed_in_steps(load_server, tmp_path):
    report, _ = load(
        "simple", "--rate", "100..300", "--steps", 3, *QUICK, "--html", tmp_path / "r.html", "--csv", tmp_path / "r.csv",
        at=load_server, folder=tmp_path)
    assert [step["load"]["value"] for step in report["steps"]] == [100, 200, 300]
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 4 and not re.search(r"(src|href)\s*=|https?://|@import|url\(", page)
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert len(rows) == sum(len(step["windows"]) for step in report["steps"])
    assert sum(int(row["answered"]) for row in rows) <= sum(step["answered"] for step in report["steps"])


def test_a_run_without_a_duration_ends_when_its_windows_agree(load_server, tmp_path):
    report, _ = load(
        "simple", "--rate", 500, "--arrivals", "constant", "--stability", 100, "--window", "50ms", "--warm-up", "50ms",
        "--max-duration", "20s", at=load_server, folder=tmp_path)
    assert report["steps"][0]["end"] == "stable" and len(report["steps"][0]["windows"]) >= 5


def test_a_search_ends_with_the_highest_rate_that_it_was_allowed(load_server, tmp_path):
    report, said = load(
        "simple", "--find-rate", "--p99", "10s", "--rate", 50, "--max-rate", 200, *QUICK, at=load_server, folder=tmp_path)
    assert report["search"] == {"percentile": 99, "bound_ms": 10_000, "rate": 200, "outcome": "reachedMost"}
    assert [step["load"]["value"] for step in report["steps"]] == [50, 100, 200]
    assert "passes" in said


def test_a_search_that_finds_nothing_fails(load_server, tmp_path):
    report, said = load(
        "simple", "--find-rate", "--p50", "1us", "--rate", 4, "--duration", "100ms", "--warm-up", "0", "--window", "50ms",
        at=load_server, folder=tmp_path, status=FAILED)
    assert report["search"]["rate"] is None and report["search"]["outcome"] == "nothingPasses"
    assert "no rate kept the bound" in said


def test_a_bound_that_is_not_kept_fails_the_run(load_server):
    _, said = load("simple", "--p99", "1us", *QUICK, at=load_server, status=FAILED)
    assert "over the bound of" in said


def test_a_trace_is_repeated_with_its_models_and_priorities(tmp_path):
    (tmp_path / "trace.csv").write_text("seconds,model,priority\n5.0,a,1\n5.2,b\n5.1,a\n5.4\n")
    service = Scripted()
    with service as address:
        report, _ = load(
            "a", "--trace", tmp_path / "trace.csv", "--inputs", 1, "--check-every", 0, at=address, folder=tmp_path)
    assert report["steps"][0]["end"] == "traceEnd" and report["steps"][0]["answered"] == 4
    names = [request.model_name for _, request in service.times]
    assert names == ["a", "a", "b", "a"]
    assert [request.parameters["priority"].uint64_param for _, request in service.times] == [1, 0, 0, 0]
    assert service.times[3][0] - service.times[0][0] >= 0.38


def test_several_models_share_the_load_by_their_weights(tmp_path):
    service = Scripted()
    with service as address:
        report, _ = load("a=3", "b@2", "--concurrency", 4, *QUICK, at=address, folder=tmp_path)
    first, second = report["steps"][0]["targets"]
    assert (first["name"], second["name"]) == ("a", "b@2")
    assert 2 < first["answered"] / second["answered"] < 4.5
    assert {request.parameters["priority"].uint64_param for _, request in service.times if request.model_name == "b"} == {2}


def test_any_method_is_called_with_the_bytes_of_a_file(load_server, tmp_path):
    (tmp_path / "body").write_bytes(pb.ModelReadyRequest(name="simple").SerializeToString())
    report, _ = load(
        "--method", SERVICE + "ModelReady", "--body", tmp_path / "body", *QUICK, at=load_server, folder=tmp_path)
    assert report["steps"][0]["answered"] > 0 and report["steps"][0]["checks"]["checked"] >= 100


def test_a_load_over_tls(tmp_path, certificates):  # noqa: F811
    options = tls_options(certificates)
    with Server(copy_models(tmp_path, "simple"), *options, credentials=credentials(certificates)) as server:
        load("simple", "--ca", certificates / "authority.pem", "--concurrency", 2, *QUICK, at=server)


# Inputs


def test_shapes_are_mixed(tmp_path):
    service = Scripted()
    with service as address:
        load("m", "--shape", "x:1,4:80%", "--shape", "x:3,4:20%", "--concurrency", 2, "--check-every", 0, *QUICK, at=address)
    rows = [request.inputs[0].shape[0] for _, request in service.times]
    assert 0.6 < rows.count(1) / len(rows) < 0.95 and set(rows) == {1, 3}


@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
def test_arrays_of_an_archive_are_sent(tmp_path, save):
    array = numpy.arange(2048, dtype=numpy.float32).reshape(512, 4)
    save(tmp_path / "a.npz", x=array)
    service = Scripted()
    with service as address:
        load("m", "--npz", tmp_path / "a.npz", *QUICK, at=address)
    assert all(request.raw_input_contents[0] == array.tobytes() for _, request in service.times)


def test_each_file_of_a_folder_is_a_request(load_server, tmp_path):
    (tmp_path / "texts").mkdir()
    for name in ["one", "two", "three"]:
        (tmp_path / "texts" / name).write_text(name)
    report, _ = load(
        "identity_bytes", "--directory", f"INPUT0={tmp_path}/texts", *QUICK, at=load_server, folder=tmp_path)
    assert report["targets"][0]["inputs"] == 3 and report["steps"][0]["failed"] == 0


# What goes wrong


def test_wrong_answers_are_found(tmp_path):
    def spoil(number, answer, context):
        if number > 20 and number % 50 == 0:
            answer.raw_output_contents[0] = bytes(len(answer.raw_output_contents[0]))
        return answer

    with Scripted(spoil) as address:
        report, said = load("m", "--concurrency", 4, "--check-every", 1, *QUICK, at=address, folder=tmp_path, status=FAILED)
    checks = report["steps"][0]["checks"]
    assert checks["mismatched"] >= 1 and checks["mismatched"] < checks["checked"] / 10
    assert "m: output y, element 0: 0.0; expected" in checks["examples"][0]
    assert "differ from the first answer" in said and report["faults"]


def test_a_tolerance_lets_floats_differ(tmp_path):
    def nudge(number, answer, context):
        values = numpy.frombuffer(answer.raw_output_contents[0], dtype=numpy.float32)
        answer.raw_output_contents[0] = (values + numpy.float32(1e-5) * (number % 2)).tobytes()
        return answer

    with Scripted(nudge) as address:
        load("m", *QUICK, at=address, status=FAILED)
        load("m", "--tolerance", 1e-3, *QUICK, at=address)


def test_failures_are_counted_by_their_status(tmp_path):
    def refuse(number, answer, context):
        if number > 16 and number % 2:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        return answer

    with Scripted(refuse) as address:
        report, _ = load("m", *QUICK, at=address, folder=tmp_path)
    step = report["steps"][0]
    assert step["statuses"]["RESOURCE_EXHAUSTED"] == step["failed"] > 0 and step["answered"] > 0
    assert any("too much" in text for text in step["failures"])
    assert 0 < step["refusal_latency_ms"]["p50"] <= step["refusal_latency_ms"]["max"]


def test_calls_are_given_up_and_everything_else_is_answered(load_server, tmp_path):
    report, _ = load("identity_fp32", "--shape", "INPUT0:1,4", "--concurrency", "8", "--cancel", "10", *QUICK,
                     at=load_server.address, folder=tmp_path)
    (step,) = report["steps"]
    assert set(step["statuses"]) == {"OK", "CANCELLED"}
    share = step["statuses"]["CANCELLED"] / (step["statuses"]["OK"] + step["statuses"]["CANCELLED"])
    assert 0.02 < share < 0.2  # of the calls that end by themselves, a tenth


def test_a_deadline_is_kept_and_told(tmp_path):
    def sleep(number, answer, context):
        if number > 1:
            time.sleep(0.2)
        return answer

    with Scripted(sleep) as address:
        report, _ = load(
            "m", "--inputs", 1, "--deadline", "50ms", *QUICK, at=address, folder=tmp_path, status=FAILED)
    assert set(report["steps"][0]["statuses"]) == {"DEADLINE_EXCEEDED"}


def test_a_server_that_goes_away_and_comes_back_is_used_again(tmp_path):
    service = Scripted()
    service.__enter__()
    process = start("m", "--rate", 500, "--duration", "60s", "--warm-up", "0", "--window", "100ms", "--json",
                    tmp_path / "report.json", at=f"127.0.0.1:{service.port}")
    eventually(lambda: service.count > 100, what="requests")
    service.server.stop(None).wait()
    turn_away(service.port, 3)
    again = grpc.server(futures.ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(service, again)
    before = service.count
    assert again.add_insecure_port(f"127.0.0.1:{service.port}") == service.port
    again.start()
    eventually(lambda: service.count > before, what="a request to the server that is back")
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=PATIENCE)
    again.stop(None)
    assert process.returncode == DONE, said
    step = json.loads((tmp_path / "report.json").read_text())["steps"][0]
    assert step["statuses"]["UNAVAILABLE"] > 0 and step["not_sent"] > 0 and step["connections_lost"] >= 1


def turn_away(port, count):
    """Holds a port until so many have come in vain: the client looks again and again, after longer and longer waits."""
    with socket.create_server(("127.0.0.1", port), reuse_port=True) as door:
        door.settimeout(PATIENCE)
        for _ in range(count):
            door.accept()[0].close()


@pytest.mark.parametrize("arguments, status, words", [
    ([], USAGE, "name the models"),
    (["simple", "--rate", "0"], USAGE, "--rate is '0'"),
    (["simple", "--rate", "5", "--concurrency", "5"], USAGE, "exclude each other"),
    (["simple", "--find-rate"], USAGE, "takes one bound"),
    (["simple", "--threads", "2"], USAGE, "each thread needs one"),
    (["simple", "--shape", "x:1"], USAGE, "model simple has no input 'x'"),
    (["simple", "--trace", "/nowhere"], USAGE, "can't read /nowhere"),
    (["simple", "--npz", "/nowhere"], USAGE, "can't read /nowhere"),
    (["simple", "--pid", "0"], USAGE, "there is no process 0"),
    (["simple", "--method", "/a/b"], USAGE, "name the models to test, or a method"),
    (["--method", "a/b"], USAGE, "expected /package.Service/Method"),
    (["nothing"], FAILED, "nothing"),
    (["--method", "/a.B/C"], FAILED, "the first request failed"),
    (["compare", "/nowhere", "/nowhere"], USAGE, "can't read /nowhere"),
])
def test_what_can_not_be_done_is_said(load_server, arguments, status, words):
    at = None if "compare" in arguments else load_server
    done = apus("load", *arguments, at=at)
    assert done.returncode == status and words in done.stderr, done.stderr
    assert done.stdout == ""


def test_a_server_that_is_not_there_is_said(tmp_path):
    done = apus("load", "simple", at="127.0.0.1:1")
    assert done.returncode == UNREACHABLE and "127.0.0.1:1" in done.stderr


# Ends before its time


def start(*arguments, at):
    command = [APUS, "load", *arguments, "--server", getattr(at, "address", at)]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def test_an_interrupt_ends_the_run_with_what_was_measured(tmp_path):
    service = Scripted()
    with service as address:
        process = start("m", "--warm-up", "0", "--window", "50ms", "--duration", "60s", "--json", tmp_path / "r.json", at=address)
        eventually(lambda: service.count > 50, what="requests")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == DONE, said
    step = json.loads((tmp_path / "r.json").read_text())["steps"][0]
    assert step["end"] == "interrupted" and step["answered"] > 0 and "1 in flight" in out


def test_a_second_interrupt_ends_it_at_once():
    held = threading.Event()

    def hold(number, answer, context):
        if number > 30:
            held.wait(PATIENCE)
        return answer

    service = Scripted(hold)
    with service as address:
        process = start("m", "--duration", "60s", "--warm-up", "0", at=address)
        eventually(lambda: service.count > 30, what="a call that hangs")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        held.set()
    # Both may come as one, and then the first is enough.
    assert process.returncode in (DONE, 128 + signal.SIGINT)


# Comparison


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """One load on a server, twice as it is and once slower."""
    folder = tmp_path_factory.mktemp("reports")
    pause = 0

    def wait(number, answer, context):
        time.sleep(pause)
        return answer

    with Scripted(wait) as address:
        for name, pause in [("a", 0.002), ("b", 0.002), ("slow", 0.05)]:
            done = apus(
                "load", "m", "--concurrency", 2, "--duration", "1200ms", "--warm-up", "100ms", "--window", "150ms", "--json",
                folder / f"{name}.json", at=address)
            assert done.returncode == DONE, done.stderr
    return folder


def test_a_comparison_tells_a_slower_server_from_noise(reports):
    done = apus("load", "compare", reports / "a.json", reports / "slow.json", "--json", "--fail-on-regression")
    assert done.returncode == FAILED, done.stderr
    verdicts = {line["name"]: line["verdict"] for line in json.loads(done.stdout)["steps"][0]["metrics"]}
    assert verdicts["p50"] == verdicts["mean"] == verdicts["answered a second"] == "worse"
    done = apus("load", "compare", reports / "slow.json", reports / "a.json", "--fail-on-regression")
    assert done.returncode == DONE and "better" in done.stdout


def test_a_report_is_the_same_as_itself(reports):
    done = apus("load", "compare", reports / "a.json", reports / "a.json", "--fail-on-regression")
    assert done.returncode == DONE and "same" in done.stdout and "worse" not in done.stdout
    done = apus("load", "compare", reports / "a.json", reports / "b.json", "--threshold", 50, "--fail-on-regression")
    assert done.returncode == DONE, done.stdout


def test_what_is_no_report_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"format": "other/1"}')
    done = apus("load", "compare", tmp_path / "x.json", tmp_path / "x.json")
    assert done.returncode == USAGE and "no report of `apus load`" in done.stderr
