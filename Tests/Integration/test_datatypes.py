"""Every datatype through an identity model: raw and typed contents in, the same bytes out."""

import struct

import ml_dtypes
import numpy
import pytest
import tritonclient.grpc as triton

from server import failure, infer_request, pb

# For each: the raw bytes of [2, 3], and the same as typed contents. Extremes first, since they show a wrong width or sign.
INTEGERS = {
    "uint8": ("B", "uint_contents", [0, 255, 1, 2, 3, 128]),
    "uint16": ("H", "uint_contents", [0, 65535, 1, 2, 3, 32768]),
    "uint32": ("I", "uint_contents", [0, 2**32 - 1, 1, 2, 3, 2**31]),
    "uint64": ("Q", "uint64_contents", [0, 2**64 - 1, 1, 2, 3, 2**63]),
    "int8": ("b", "int_contents", [-128, 127, -1, 0, 1, 2]),
    "int16": ("h", "int_contents", [-(2**15), 2**15 - 1, -1, 0, 1, 2]),
    "int32": ("i", "int_contents", [-(2**31), 2**31 - 1, -1, 0, 1, 2]),
    "int64": ("q", "int64_contents", [-(2**63), 2**63 - 1, -1, 0, 1, 2]),
    "fp32": ("f", "fp32_contents", [1.5, -0.0, float("inf"), 2.0**-149, 3.0, -1.0]),
    "fp64": ("d", "fp64_contents", [1.5, -0.0, float("-inf"), 5e-324, 0.1, -1.0]),
    "bool": ("?", "bool_contents", [True, False, True, True, False, False]),
}
RAW = {name: struct.pack(f"<6{code}", *values) for name, (code, _, values) in INTEGERS.items()}
RAW["fp16"] = numpy.array([1.5, -0.0, 65504, 6e-8, numpy.inf, numpy.nan], dtype=numpy.float16).tobytes()
RAW["bf16"] = numpy.array([1.5, -0.0, 3e38, 1e-40, numpy.inf, numpy.nan], dtype=ml_dtypes.bfloat16).tobytes()

# Empty, NUL alone and inside, what is no UTF-8 in several ways, what looks like a length prefix, and a long one.
STRINGS = [b"", b"\0", b"before\0after\0", b"\xff\xfe\xc0\x80", b"\x05\0\0\0hello", bytes(range(256)) * 300]
RAW["bytes"] = b"".join(struct.pack("<I", len(element)) + element for element in STRINGS)


def request_for(name):
    request = pb.ModelInferRequest(model_name=f"identity_{name}")
    request.inputs.add(name="INPUT0", datatype=name.upper(), shape=[2, 3])
    return request


def assert_echoed(server, name, request):
    response = server.stub().ModelInfer(request)
    output = response.outputs[0]
    assert (output.name, output.datatype, list(output.shape)) == ("OUTPUT0", name.upper(), [2, 3])
    assert response.raw_output_contents[0] == RAW[name]
    assert not output.HasField("contents")


@pytest.mark.parametrize("name", RAW)
def test_raw_contents_come_back_unchanged(server, name):
    request = request_for(name)
    request.raw_input_contents.append(RAW[name])
    assert_echoed(server, name, request)


@pytest.mark.parametrize("name", INTEGERS)
def test_typed_contents_mean_the_same_as_raw_ones(server, name):
    _, slot, values = INTEGERS[name]
    request = request_for(name)
    getattr(request.inputs[0].contents, slot).extend(values)
    assert_echoed(server, name, request)


def test_typed_bytes_carry_no_prefix(server):
    request = request_for("bytes")
    request.inputs[0].contents.bytes_contents.extend(STRINGS)
    assert_echoed(server, "bytes", request)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_half_precision_has_no_typed_slot(server, name):
    request = request_for(name)
    request.inputs[0].contents.fp32_contents.extend([1.0] * 6)
    error = failure(server.stub().ModelInfer, request)
    assert error.code().name == "INVALID_ARGUMENT"
    assert "INPUT0" in error.details()


@pytest.mark.parametrize("name", RAW)
def test_an_empty_tensor_stays_empty(server, name):
    request = pb.ModelInferRequest(model_name=f"identity_{name}")
    request.inputs.add(name="INPUT0", datatype=name.upper(), shape=[1, 0])
    request.raw_input_contents.append(b"")
    response = server.stub().ModelInfer(request)
    assert list(response.outputs[0].shape) == [1, 0]
    assert response.raw_output_contents[0] == b""


def test_triton_s_client_reads_back_the_strings_it_sent(server):
    array = numpy.array(STRINGS, dtype=numpy.object_).reshape(2, 3)
    with triton.InferenceServerClient(server.address) as client:
        tensor = triton.InferInput("INPUT0", [2, 3], "BYTES")
        tensor.set_data_from_numpy(array)
        result = client.infer("identity_bytes", [tensor]).as_numpy("OUTPUT0")
    assert result.tolist() == array.tolist()


def test_triton_s_client_reads_back_brain_floats(server):
    array = numpy.array([[1.5, -2.0, 3.25]], dtype=ml_dtypes.bfloat16)
    with triton.InferenceServerClient(server.address) as client:
        tensor = triton.InferInput("INPUT0", [1, 3], "BF16")
        tensor.set_data_from_numpy(array)
        result = client.infer("identity_bf16", [tensor]).as_numpy("OUTPUT0")
    numpy.testing.assert_array_equal(result, array)


def test_a_large_tensor_passes_unchanged(server):
    rows = numpy.random.default_rng(1).random((4, 150528), dtype=numpy.float32)
    response = server.stub().ModelInfer(infer_request("wide", {"INPUT0": rows}))
    assert response.raw_output_contents[0] == rows.tobytes()
