"""`apus simulate`: predictions from costs that are given, or that a server has measured."""

import json
import subprocess

import numpy
import pytest
from server import APUS, FAILED, PATIENCE, USAGE, environment, infer_request

COST = ["--cost", "1=2ms,8=9ms"]


def simulate(*arguments, status=0):
    done = subprocess.run(
        [str(part) for part in (APUS, "simulate", *arguments)], capture_output=True, text=True, timeout=PATIENCE,
        env=environment())
    assert done.returncode == status, done.stdout + done.stderr
    return done


def found(*arguments, **options):
    return json.loads(simulate(*arguments, "--json", **options).stdout)


def test_a_load_is_predicted_and_told_in_words_and_in_json():
    arguments = [*COST, "--rate", 400, "--requests", 20_000]
    told = simulate(*arguments).stdout
    assert "1 server with 1 instance: 400 requests a second, poisson; 20000 requests" in told and "P99" in told
    report = found(*arguments)
    assert report["answered"] == 20_000 and report["late"] == report["refused"] == 0
    latency = report["latency_ms"]
    assert 2 <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99.9"]
    assert report["capacity_per_second"] == pytest.approx(8 / 0.009)
    assert 0.4 < report["utilisation"] < 0.9
    assert report == found(*arguments)
    assert report != found(*arguments, "--seed", 2)


def test_the_fewest_that_keep_a_bound_are_found_and_one_less_does_not():
    arguments = [*COST, "--rate", 5000, "--requests", 20_000]
    for what in ("servers", "instances"):
        report = found(*arguments, "--find", what, "--p99", "15ms")
        assert report["found"] and report["latency_ms"]["p99"] <= 15
        fewer = found(*arguments, f"--{what}", report[what] - 1)
        assert fewer["latency_ms"]["p99"] > 15
        told = simulate(*arguments, "--find", what, "--p99", "15ms").stdout
        assert told.startswith(f"{report[what]} {what[:-1]}") and "p99 of 15 ms" in told


def test_the_highest_rate_that_keeps_a_bound_is_found():
    report = found(*COST, "--find", "rate", "--p99", "15ms", "--requests", 20_000)
    assert report["latency_ms"]["p99"] <= 15 and 200 < report["rate_per_second"] < report["capacity_per_second"]
    assert found(*COST, "--rate", report["rate_per_second"] * 1.1, "--requests", 20_000)["latency_ms"]["p99"] > 15


def test_a_bound_that_nothing_keeps_is_a_failure_with_the_reason():
    done = simulate(*COST, "--rate", 100, "--find", "servers", "--p99", "1ms", "--requests", 1000, status=FAILED)
    assert "a batch of 1 row takes 2.00 ms" in done.stdout


def test_late_and_refused_requests_are_counted():
    late = found(*COST, "--rate", 2000, "--requests", 20_000, "--deadline", "30ms")
    assert late["late"] > 5000 and late["latency_ms"]["p99.9"] <= 30
    refused = found(*COST, "--rate", 2000, "--requests", 20_000, "--max-queue-size", 16)
    assert refused["refused"] > 5000 and refused["most_waiting"] == 16


def test_recorded_arrivals_are_repeated(tmp_path):
    (tmp_path / "trace.csv").write_text("seconds\n" + "".join(f"{number / 100}\n" for number in range(500)))
    report = found(*COST, "--trace", tmp_path / "trace.csv")
    assert report["requests"] == 500 and report["average_batch"] == 1
    (tmp_path / "trace.csv").write_text("0\nsoon\n")
    assert "line 2: expected seconds, found 'soon'" in simulate(*COST, "--trace", tmp_path / "trace.csv", status=USAGE).stderr


@pytest.mark.parametrize("arguments, said", [
    (["--rate", 1], "give a MODEL to ask the server about, or --cost"),
    ([*COST], "give --rate or --trace"),
    (["--cost", "1:2ms", "--rate", 1], "--cost '1:2ms': expected ROWS=TIME"),
    (["--cost", "1=2", "--rate", 1], "--cost '1=2': expected ROWS=TIME"),
    (["--cost", "0=2ms", "--rate", 1], "--cost '0=2ms': expected ROWS=TIME"),
    (["--cost", "@nowhere.csv", "--rate", 1], "can't read nowhere.csv"),
    ([*COST, "--rate", 0], "--rate is 0.0: expected a number over 0"),
    ([*COST, "--rate", 1, "--arrivals", "often"], "--arrivals is 'often': expected poisson, constant, bursts"),
    ([*COST, "--rate", 1, "--arrivals", "bursts:0.5"], "with a factor of 1 or more"),
    ([*COST, "--rate", 1, "--rows", 9, "--max-batch-size", 8], "--rows is 9, and a batch has 8 rows at most"),
    ([*COST, "--rate", 1, "--preferred-batch-size", "4,9"], "--preferred-batch-size '9': expected numbers from 1 to 8"),
    ([*COST, "--rate", 1, "--servers", 0], "--servers is 0: expected 1 to 100000"),
    ([*COST, "--rate", 1, "--find", "servers"], "--find needs a bound, such as --p99 50ms"),
    ([*COST, "--rate", 1, "--find", "rate", "--p99", "1s"], "leave out --rate and --trace"),
    ([*COST, "--rate", 1, "--save-cost", "x"], "give a MODEL"),
])
def test_wrong_usage_is_said(arguments, said, tmp_path):
    assert said in simulate(*arguments, status=USAGE).stderr


def test_the_cost_is_what_a_server_has_measured(server, tmp_path):
    inputs = {name: numpy.ones((1, 16), dtype=numpy.int32) for name in ("INPUT0", "INPUT1")}
    server.stub().ModelInfer(infer_request("simple", inputs), timeout=PATIENCE)
    saved = tmp_path / "cost.csv"
    load = ["--rate", 10, "--requests", 1000]
    measured = found("simple", "--server", server.listen, "--save-cost", saved, *load)
    assert measured["cost"] and all(point["rows"] >= 1 and point["milliseconds"] > 0 for point in measured["cost"])
    assert found("--cost", f"@{saved}", *load)["cost"] == [
        dict(point, milliseconds=pytest.approx(point["milliseconds"], abs=1e-6)) for point in measured["cost"]]
    assert "nobody" in simulate("nobody", "--server", server.listen, *load, status=FAILED).stderr
