"""ModelStreamInfer: many requests and answers on one stream, errors among them."""

import queue

import numpy
import tritonclient.grpc as triton

from server import PATIENCE, failure, outputs_of, pb, simple_request


def test_answers_come_in_the_order_of_the_requests(server):
    requests = [simple_request(numpy.full((1, 16), number, numpy.int32), id=str(number)) for number in range(200)]
    answers = list(server.stub().ModelStreamInfer(iter(requests), timeout=PATIENCE))
    assert [answer.infer_response.id for answer in answers] == [request.id for request in requests]
    for number, answer in enumerate(answers):
        assert not answer.error_message
        assert (outputs_of(answer.infer_response)["OUTPUT0"] == number + 1).all()


def test_every_answer_says_that_it_is_the_last_for_its_request(server):
    answer, = server.stub().ModelStreamInfer(iter([simple_request()]), timeout=PATIENCE)
    assert answer.infer_response.parameters["triton_final_response"].bool_param


def test_an_error_is_told_in_the_stream_which_goes_on(server):
    requests = [simple_request(id="good"), pb.ModelInferRequest(model_name="no_such_model", id="bad"),
                simple_request(id="good again")]
    first, second, third = server.stub().ModelStreamInfer(iter(requests), timeout=PATIENCE)
    assert first.infer_response.id == "good" and not first.error_message
    assert "no_such_model" in second.error_message
    assert (second.infer_response.id, second.infer_response.model_name) == ("bad", "no_such_model")
    assert third.infer_response.id == "good again" and not third.error_message


def test_a_client_that_asks_for_it_gets_the_error_as_the_stream_s_status(server):
    requests = iter([pb.ModelInferRequest(model_name="no_such_model")])
    metadata = [("triton_grpc_error", "true")]
    error = failure(lambda **keywords: list(server.stub().ModelStreamInfer(requests, metadata=metadata, **keywords)))
    assert error.code().name == "NOT_FOUND"
    assert "no_such_model" in error.details()


def test_an_empty_stream_ends_with_success(server):
    assert list(server.stub().ModelStreamInfer(iter([]), timeout=PATIENCE)) == []


def test_triton_s_streaming_client(server):
    answers = queue.Queue()
    ones = numpy.ones((1, 16), dtype=numpy.int32)
    inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for tensor in inputs:
        tensor.set_data_from_numpy(ones)
    with triton.InferenceServerClient(server.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for number in range(10):
            client.async_stream_infer("simple", inputs, request_id=str(number))
        for number in range(10):
            result, error = answers.get(timeout=PATIENCE)
            assert error is None
            assert result.get_response().id == str(number)
            numpy.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * ones)
        client.stop_stream()
