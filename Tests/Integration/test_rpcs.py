"""Each RPC of the inference protocol once, asked by Triton's own Python client."""

import numpy
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from server import failure, infer_request, outputs_of, simple_request


@pytest.fixture(scope="module")
def client(shared_server):
    with triton.InferenceServerClient(shared_server.address) as client:
        yield client


def simple_inputs(first, second):
    inputs = [triton.InferInput("INPUT0", first.shape, "INT32"), triton.InferInput("INPUT1", second.shape, "INT32")]
    inputs[0].set_data_from_numpy(first)
    inputs[1].set_data_from_numpy(second)
    return inputs


def test_the_server_is_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_server_metadata_names_the_server_and_only_extensions_that_work(client):
    metadata = client.get_server_metadata()
    assert metadata.name == "apus"
    assert metadata.version
    assert {
        "model_repository", "model_configuration", "statistics", "binary_tensor_data", "logging"} <= set(metadata.extensions)
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "sequence"} & set(metadata.extensions)


def test_a_model_is_ready_by_name_and_by_version(client):
    assert client.is_model_ready("simple")
    assert client.is_model_ready("simple", "1")


def test_model_metadata_describes_the_tensors(client):
    metadata = client.get_model_metadata("simple")
    assert metadata.name == "simple"
    assert list(metadata.versions) == ["1"]
    assert metadata.platform == "onnxruntime_onnx"
    tensors = lambda list: [(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in list]
    assert tensors(metadata.inputs) == [("INPUT0", "INT32", (-1, 16)), ("INPUT1", "INT32", (-1, 16))]
    assert tensors(metadata.outputs) == [("OUTPUT0", "INT32", (-1, 16)), ("OUTPUT1", "INT32", (-1, 16))]


def test_model_metadata_of_a_model_without_a_batch_axis_has_its_full_shape(client):
    metadata = client.get_model_metadata("fixed")
    assert tuple(metadata.inputs[0].shape) == (2, 3)
    assert tuple(client.get_model_metadata("scalar").inputs[0].shape) == ()


def test_model_config_is_completed_from_the_model(client):
    config = client.get_model_config("simple").config
    assert config.name == "simple"
    assert config.platform == "onnxruntime_onnx"
    assert config.max_batch_size >= 1
    assert [(input.name, list(input.dims)) for input in config.input] == [("INPUT0", [16]), ("INPUT1", [16])]
    assert client.get_model_config("fixed").config.max_batch_size == 0


def test_inference(client):
    first = numpy.arange(32, dtype=numpy.int32).reshape(2, 16)
    second = numpy.full((2, 16), 7, dtype=numpy.int32)
    result = client.infer("simple", simple_inputs(first, second), request_id="number 1")
    numpy.testing.assert_array_equal(result.as_numpy("OUTPUT0"), first + second)
    numpy.testing.assert_array_equal(result.as_numpy("OUTPUT1"), first - second)
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("simple", "1", "number 1")


def test_only_the_outputs_that_were_asked_for_come_in_the_order_asked(client):
    ones = numpy.ones((1, 16), dtype=numpy.int32)
    result = client.infer("simple", simple_inputs(ones, ones), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert [output.name for output in result.get_response().outputs] == ["OUTPUT1"]
    both = [triton.InferRequestedOutput("OUTPUT1"), triton.InferRequestedOutput("OUTPUT0")]
    result = client.infer("simple", simple_inputs(ones, ones), outputs=both)
    assert [output.name for output in result.get_response().outputs] == ["OUTPUT1", "OUTPUT0"]
    numpy.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * ones)
    numpy.testing.assert_array_equal(result.as_numpy("OUTPUT1"), 0 * ones)


def test_parameters_of_the_protocol_are_accepted(client):
    ones = numpy.ones((1, 16), dtype=numpy.int32)
    result = client.infer("simple", simple_inputs(ones, ones), priority=1, timeout=5_000_000, parameters={"mine": "yes"})
    numpy.testing.assert_array_equal(result.as_numpy("OUTPUT0"), 2 * ones)


def test_inputs_may_come_in_any_order(shared_server):
    first = numpy.arange(16, dtype=numpy.int32).reshape(1, 16)
    second = numpy.ones((1, 16), dtype=numpy.int32)
    request = infer_request("simple", {"INPUT1": second, "INPUT0": first})
    assert (outputs_of(shared_server.stub().ModelInfer(request))["OUTPUT1"] == first - second).all()


def test_a_model_without_a_batch_axis_and_a_scalar_are_served(shared_server):
    stub = shared_server.stub()
    matrix = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    assert (outputs_of(stub.ModelInfer(infer_request("fixed", {"INPUT0": matrix})))["OUTPUT0"] == -matrix).all()
    number = numpy.array(4.5, dtype=numpy.float32)
    output = outputs_of(stub.ModelInfer(infer_request("scalar", {"INPUT0": number})))["OUTPUT0"]
    assert output.shape == () and output == -4.5


def test_statistics_and_index_answer(client):
    assert client.get_inference_statistics("simple").model_stats[0].name == "simple"
    states = {entry.name: entry.state for entry in client.get_model_repository_index().models}
    assert states["simple"] == "READY"


def test_an_error_reaches_the_client_as_its_exception(client):
    with pytest.raises(InferenceServerException, match="no_such_model") as caught:
        client.get_model_metadata("no_such_model")
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_an_unknown_method_of_the_service_is_unimplemented(shared_server):
    error = failure(shared_server.raw_call("TraceSetting"), b"")
    assert error.code().name == "UNIMPLEMENTED"
    error = failure(shared_server.raw_call("/no.such.Service/Method"), b"")
    assert error.code().name == "UNIMPLEMENTED"
    assert "no.such.Service" in error.details()


def test_a_request_of_several_rows_comes_back_whole(shared_server):
    rows = numpy.arange(5 * 16, dtype=numpy.int32).reshape(5, 16)
    assert (outputs_of(shared_server.stub().ModelInfer(simple_request(rows, rows)))["OUTPUT0"] == 2 * rows).all()
