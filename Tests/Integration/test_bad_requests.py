"""Well-formed messages that ask for what cannot be done: each error has the right code and names what is wrong."""

import struct

import numpy
import pytest

from server import Server, copy_models, failure, infer_request, pb, simple_request

ONES = numpy.ones((1, 16), dtype=numpy.int32)


def raw(model, *tensors, outputs=()):
    """A request of (name, datatype, shape, contents), where contents None leaves the tensor without any."""
    request = pb.ModelInferRequest(model_name=model)
    for name, datatype, shape, contents in tensors:
        request.inputs.add(name=name, datatype=datatype, shape=shape)
        if contents is not None:
            request.raw_input_contents.append(contents)
    for output in outputs:
        request.outputs.add(name=output)
    return request


def simple(first=("INPUT0", "INT32", [1, 16], ONES.tobytes()), second=("INPUT1", "INT32", [1, 16], ONES.tobytes())):
    return raw("simple", *[tensor for tensor in (first, second) if tensor])


def assert_invalid(server, request, *words):
    error = failure(server.stub().ModelInfer, request)
    assert error.code().name == "INVALID_ARGUMENT", error.details()
    for word in words:
        assert word in error.details(), error.details()


# Which model


@pytest.mark.parametrize("model, version, code", [
    ("no_such_model", "", "NOT_FOUND"), ("", "", "INVALID_ARGUMENT"), ("simple", "9", "NOT_FOUND"),
    ("simple", "0", "NOT_FOUND"), ("simple", "1abc", "INVALID_ARGUMENT"), ("simple", "-1", "INVALID_ARGUMENT"),
    ("simple", "99999999999999999999", "INVALID_ARGUMENT"), ("../simple", "", "NOT_FOUND"), ("SIMPLE", "", "NOT_FOUND"),
])
def test_an_unknown_model_or_version(server, model, version, code):
    request = simple_request()
    request.model_name, request.model_version = model, version
    error = failure(server.stub().ModelInfer, request)
    # An empty name is nothing to look for: either code says so.
    assert error.code().name == code or (model == "" and error.code().name == "NOT_FOUND")
    assert version in error.details() and model in error.details()


@pytest.mark.parametrize("method, message", [
    ("ModelMetadata", pb.ModelMetadataRequest), ("ModelConfig", pb.ModelConfigRequest), ("ModelReady", pb.ModelReadyRequest),
])
def test_every_other_question_about_an_unknown_model(server, method, message):
    error = failure(getattr(server.stub(), method), message(name="no_such_model"))
    assert error.code().name == "NOT_FOUND"
    assert "no_such_model" in error.details()


# Which tensors


def test_a_missing_input_is_named(server):
    assert_invalid(server, simple(second=None), "INPUT1")


def test_no_inputs_at_all(server):
    assert_invalid(server, raw("simple"), "INPUT0")


def test_an_extra_input_is_named(server):
    extra = simple()
    extra.inputs.add(name="INPUT2", datatype="INT32", shape=[1, 16])
    extra.raw_input_contents.append(ONES.tobytes())
    assert_invalid(server, extra, "INPUT2")


def test_the_same_input_twice_is_named(server):
    assert_invalid(server, simple(second=("INPUT0", "INT32", [1, 16], ONES.tobytes())), "INPUT0")


def test_a_wrong_name_is_named(server):
    assert_invalid(server, simple(first=("input0", "INT32", [1, 16], ONES.tobytes())), "input0")


def test_an_unknown_output_is_named(server):
    request = simple_request()
    request.outputs.add(name="OUTPUT7")
    assert_invalid(server, request, "OUTPUT7")


@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BYTES", "int32", "", "NONSENSE"])
def test_a_wrong_datatype_names_the_expected_and_the_given(server, datatype):
    assert_invalid(server, simple(first=("INPUT0", datatype, [1, 16], ONES.tobytes())), "INPUT0", "INT32", datatype)


# Which shape


@pytest.mark.parametrize("shape", [
    [1, 15], [1, 17], [16], [1, 1, 16], [], [1, -1], [-1, 16], [0, 16], [2**62, 16], [2**33, 2**33], [2**63 - 1, 2**63 - 1],
])
def test_a_wrong_shape_names_the_input(server, shape):
    assert_invalid(server, simple(first=("INPUT0", "INT32", shape, ONES.tobytes())), "INPUT0")


def test_inputs_that_disagree_on_the_number_of_rows(server):
    two = numpy.ones((2, 16), dtype=numpy.int32)
    assert_invalid(server, simple(first=("INPUT0", "INT32", [2, 16], two.tobytes())), "INPUT1")


def test_more_rows_than_a_batch_may_have(tmp_path):
    repository = copy_models(tmp_path, "simple")
    (repository / "simple/config.pbtxt").write_text("max_batch_size: 4\n")
    rows = numpy.ones((5, 16), dtype=numpy.int32)
    with Server(repository) as server:
        assert_invalid(server, simple_request(rows, rows), "5", "4")
        server.assert_serves()


def test_a_great_many_axes(server):
    request = raw("identity_fp32", ("INPUT0", "FP32", [1] * 10_000, b"\0" * 4))
    assert_invalid(server, request, "INPUT0")


# Which bytes


@pytest.mark.parametrize("contents", [b"", bytes(63), bytes(65), bytes(128)])
def test_a_wrong_byte_size_names_the_expected_and_the_given(server, contents):
    request = simple(first=("INPUT0", "INT32", [1, 16], contents))
    assert_invalid(server, request, "INPUT0", "64", str(len(contents)))


@pytest.mark.parametrize("contents", [
    b"", b"\x01\0\0", b"\x05\0\0\0abc", b"\xff\xff\xff\xffabc", struct.pack("<I", 3) + b"abc" + b"\0",
    struct.pack("<I", 1) + b"a", 3 * (struct.pack("<I", 1) + b"a"), struct.pack("<I", 2**31) + b"a",
])
def test_a_bytes_tensor_whose_prefixes_do_not_add_up(server, contents):
    assert_invalid(server, raw("identity_bytes", ("INPUT0", "BYTES", [1, 2], contents)), "INPUT0")


def test_fewer_raw_contents_than_inputs(server):
    assert_invalid(server, simple(second=("INPUT1", "INT32", [1, 16], None)), "raw_input_contents")


def test_more_raw_contents_than_inputs(server):
    request = simple()
    request.raw_input_contents.append(b"more")
    assert_invalid(server, request, "raw_input_contents")


def test_raw_and_typed_contents_in_one_request(server):
    request = simple()
    request.inputs[0].contents.int_contents.extend([1] * 16)
    assert_invalid(server, request, "INPUT0")


def test_no_contents_of_either_kind(server):
    request = simple(("INPUT0", "INT32", [1, 16], None), ("INPUT1", "INT32", [1, 16], None))
    assert_invalid(server, request, "INPUT0")


@pytest.mark.parametrize("count", [0, 15, 17])
def test_a_wrong_number_of_typed_elements(server, count):
    request = simple(("INPUT0", "INT32", [1, 16], None), ("INPUT1", "INT32", [1, 16], None))
    request.inputs[0].contents.int_contents.extend([1] * count)
    request.inputs[1].contents.int_contents.extend([1] * 16)
    assert_invalid(server, request, "INPUT0", "16")


def test_typed_contents_in_another_datatype_s_slot(server):
    request = simple(("INPUT0", "INT32", [1, 16], None), ("INPUT1", "INT32", [1, 16], None))
    request.inputs[0].contents.fp32_contents.extend([1.0] * 16)
    request.inputs[1].contents.int_contents.extend([1] * 16)
    assert_invalid(server, request, "INPUT0")


# Which parameters


def test_half_of_a_place_in_shared_memory_names_the_other_half(server):
    request = simple()
    request.inputs[0].parameters["shared_memory_region"].string_param = "region"
    assert_invalid(server, request, "INPUT0", "shared_memory_byte_size")
    request = simple()
    request.inputs[0].parameters["shared_memory_byte_size"].int64_param = 64
    assert_invalid(server, request, "INPUT0", "shared_memory_region")


def test_sequences_are_refused_since_they_are_not_served(server):
    request = simple()
    request.parameters["sequence_id"].int64_param = 7
    error = failure(server.stub().ModelInfer, request)
    assert error.code().name in ("INVALID_ARGUMENT", "UNIMPLEMENTED")
    assert "sequence" in error.details()


def test_a_parameter_of_the_wrong_kind_is_named(server):
    request = simple()
    request.parameters["timeout"].string_param = "soon"
    assert_invalid(server, request, "timeout")


# While it runs


@pytest.mark.parametrize("index", [4, -5, 2**62])
def test_a_model_that_fails_while_it_runs_fails_its_caller_only(server, index):
    request = infer_request("fails", {"INPUT0": numpy.array([index], dtype=numpy.int64)})
    assert failure(server.stub().ModelInfer, request).code().name in ("INTERNAL", "INVALID_ARGUMENT")
    good = infer_request("fails", {"INPUT0": numpy.array([1], dtype=numpy.int64)})
    answer = server.stub().ModelInfer(good)
    assert numpy.frombuffer(answer.raw_output_contents[0], numpy.float32).tolist() == [2.0, 3.0]
