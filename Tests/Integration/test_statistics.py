"""ModelStatistics, with Triton's meaning of each counter."""

import concurrent.futures
import time

import numpy
import pytest

from server import PATIENCE, Server, copy_models, failure, infer_request, pb, simple_request


@pytest.fixture
def server(tmp_path):
    with Server(copy_models(tmp_path, "simple", "fixed", "fails")) as server:
        yield server


def statistics(server, name="simple"):
    return server.stub().ModelStatistics(pb.ModelStatisticsRequest(name=name), timeout=PATIENCE).model_stats[0]


def test_a_fresh_model_has_counted_nothing(server):
    counted = statistics(server)
    assert (counted.name, counted.version) == ("simple", "1")
    assert (counted.inference_count, counted.execution_count, counted.last_inference) == (0, 0, 0)
    assert counted.inference_stats.success.count == 0


def test_rows_are_inferences_and_batches_are_executions(server):
    rows = numpy.ones((3, 16), dtype=numpy.int32)
    before = time.time_ns() // 1_000_000
    stub = server.stub()
    stub.ModelInfer(simple_request(rows, rows))
    stub.ModelInfer(simple_request())
    after = time.time_ns() // 1_000_000

    counted = statistics(server)
    assert counted.inference_count == 4
    assert counted.execution_count == 2
    assert before <= counted.last_inference <= after
    stages = counted.inference_stats
    for stage in (stages.success, stages.queue, stages.compute_input, stages.compute_infer, stages.compute_output):
        assert stage.count == 2
    assert stages.fail.count == 0
    parts = stages.queue.ns + stages.compute_input.ns + stages.compute_infer.ns + stages.compute_output.ns
    assert 0 < stages.compute_infer.ns <= parts <= stages.success.ns
    assert {batch.batch_size: batch.compute_infer.count for batch in counted.batch_stats} == {1: 1, 3: 1}


def test_a_failed_run_is_counted_as_a_failure_only(server):
    error = failure(server.stub().ModelInfer, infer_request("fails", {"INPUT0": numpy.array([9], dtype=numpy.int64)}))
    assert error.code().name in ("INTERNAL", "INVALID_ARGUMENT")
    counted = statistics(server, "fails")
    assert counted.inference_stats.fail.count == 1
    assert counted.inference_stats.success.count == 0


def test_requests_that_met_in_a_batch_are_one_execution(tmp_path):
    """A delay far longer than the test, and a batch of eight: it can only leave when the eighth has come."""
    repository = copy_models(tmp_path, "simple")
    (repository / "simple/config.pbtxt").write_text(
        "max_batch_size: 8 instance_group [{ count: 1 }]\n"
        "dynamic_batching { preferred_batch_size: [8] max_queue_delay_microseconds: 60000000 }\n")
    with Server(repository) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
        stub = server.stub()
        list(pool.map(lambda _: stub.ModelInfer(simple_request(), timeout=PATIENCE), range(8)))
        counted = statistics(server)
    assert (counted.inference_count, counted.execution_count) == (8, 1)
    assert counted.inference_stats.success.count == 8
    assert [(batch.batch_size, batch.compute_infer.count) for batch in counted.batch_stats] == [(8, 1)]


def test_no_name_means_every_model(server):
    answer = server.stub().ModelStatistics(pb.ModelStatisticsRequest())
    assert sorted(entry.name for entry in answer.model_stats) == ["fails", "fixed", "simple"]


def test_statistics_of_an_unknown_model_are_not_found(server):
    error = failure(server.stub().ModelStatistics, pb.ModelStatisticsRequest(name="no_such_model"))
    assert error.code().name == "NOT_FOUND"
