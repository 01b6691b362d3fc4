"""Messages that are not protobuf, are only part of one, or are legal and hostile."""

import random
import struct

import pytest

from server import PATIENCE, PeakMemory, failure, pb, simple_request

MIB = 1 << 20


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def field(number, payload):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


WHOLE = simple_request().SerializeToString()
# Fields of ModelInferRequest
MODEL_NAME, MODEL_VERSION, ID, PARAMETERS, INPUTS, OUTPUTS, RAW = range(1, 8)


def infer(server, payload):
    return pb.ModelInferResponse.FromString(server.raw_call()(payload, timeout=PATIENCE))


def assert_refused(server, payload, *codes):
    error = failure(server.raw_call(), payload)
    assert error.code().name in (codes or ("INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND")), error
    return error


# Malformed


def test_a_message_cut_off_anywhere_never_harms_the_server(server):
    call = server.raw_call()
    for length in range(len(WHOLE)):
        error = failure(call, WHOLE[:length])
        assert error.code().name in ("INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND"), f"cut at {length}: {error}"


@pytest.mark.parametrize("payload", [
    b"\xff" * 20, b"\0", b"\x07", b"\x0b", b"\x0c", varint(MODEL_NAME << 3 | 2) + varint(2**31),
    varint(MODEL_NAME << 3 | 2) + varint(2**63), varint(MODEL_NAME << 3 | 2) + b"\xff" * 10, b"\x0a\x05ab",
    field(INPUTS, b"\xff\xff\xff"), field(INPUTS, field(5, b"\x08")), field(INPUTS, field(3, b"\x80")),
    field(PARAMETERS, b"\x0a"), bytes(1000), bytes(range(256)) * 10,
], ids=range(15))
def test_what_is_no_protobuf_is_refused(server, payload):
    assert_refused(server, payload)


def test_mutations_of_a_good_message_never_harm_the_server(server):
    """A thousand seeded mutations: each is answered, with whatever status, and the server goes on."""
    generator = random.Random(7)
    call = server.raw_call()
    futures = []
    for _ in range(1000):
        mutated = bytearray(WHOLE)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(mutated))
            match generator.randrange(3):
                case 0: mutated[at] = generator.randrange(256)
                case 1: del mutated[at : at + generator.randint(1, 8)]
                case 2: mutated[at:at] = generator.randbytes(generator.randint(1, 8))
        futures.append(call.future(bytes(mutated), timeout=PATIENCE))
    for future in futures:
        error = future.exception()
        assert error is None or error.code().name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"), error


# Legal on the wire


def test_a_parameter_without_a_value_is_unset(server):
    assert infer(server, WHOLE + field(PARAMETERS, field(1, b"key"))).model_name == "simple"
    assert infer(server, WHOLE + field(PARAMETERS, b"")).model_name == "simple"
    for name in ("timeout", "priority"):
        failing_or_not = server.raw_call().future(WHOLE + field(PARAMETERS, field(1, name.encode())), timeout=PATIENCE)
        error = failing_or_not.exception()
        assert error is None or error.code().name == "INVALID_ARGUMENT"


def test_a_tensor_s_parameter_without_a_value_is_no_harm(server):
    tensor = field(1, b"INPUT0") + field(2, b"FP32") + field(3, b"\x01\x01") + field(4, field(1, b"key"))
    message = field(MODEL_NAME, b"identity_fp32") + field(INPUTS, tensor) + field(RAW, bytes(4))
    # Unset or not, no input takes a parameter of that name.
    assert "key" in assert_refused(server, message, "INVALID_ARGUMENT").details()
    output = field(1, b"OUTPUT0") + field(2, field(1, b"classification"))
    call = server.raw_call().future(message + field(OUTPUTS, output), timeout=PATIENCE)
    assert call.exception() is None or call.exception().code().name == "INVALID_ARGUMENT"


def test_a_singular_field_twice_means_the_last(server):
    assert infer(server, field(ID, b"first") + WHOLE + field(ID, b"last")).id == "last"


def test_unknown_fields_are_skipped(server):
    unknown = field(99, b"from a later schema") + varint(100 << 3) + varint(5) + varint(101 << 3 | 5) + bytes(4)
    assert infer(server, unknown + WHOLE + unknown).model_name == "simple"


def test_shapes_may_be_packed_or_not(server):
    unpacked = field(1, b"INPUT0") + field(2, b"FP32") + b"\x18\x01" + b"\x18\x02"
    message = field(MODEL_NAME, b"identity_fp32") + field(INPUTS, unpacked) + field(RAW, bytes(8))
    assert list(infer(server, message).outputs[0].shape) == [1, 2]
    mixed = field(1, b"INPUT0") + field(2, b"FP32") + b"\x18\x01" + field(3, b"\x02")
    message = field(MODEL_NAME, b"identity_fp32") + field(INPUTS, mixed) + field(RAW, bytes(8))
    assert list(infer(server, message).outputs[0].shape) == [1, 2]


def test_raw_contents_may_come_before_the_inputs_they_belong_to(server):
    tensor = field(1, b"INPUT0") + field(2, b"FP32") + field(3, b"\x01\x02")
    contents = struct.pack("<2f", 1.5, 2.5)
    message = field(RAW, contents) + field(INPUTS, tensor) + field(MODEL_NAME, b"identity_fp32")
    assert infer(server, message).raw_output_contents[0] == contents


# Names


def test_a_nul_does_not_shorten_a_name(server):
    """To C, "simple" and "simple, NUL, evil" are one string."""
    for name in (b"simple\0evil", b"simple\0", b"\0simple"):
        assert_refused(server, WHOLE + field(MODEL_NAME, name))
    for tensor in (b"INPUT0\0", b"INPUT0\0evil"):
        message = field(MODEL_NAME, b"identity_fp32") + field(
            INPUTS, field(1, tensor) + field(2, b"FP32") + field(3, b"\x01\x01")) + field(RAW, bytes(4))
        assert_refused(server, message)


@pytest.mark.parametrize("number", [MODEL_NAME, MODEL_VERSION, ID])
def test_a_string_that_is_no_utf_8_is_refused(server, number):
    """Answered back, Python's protobuf would fail to parse the response that carries it."""
    for text in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"ab\xc3"):
        assert_refused(server, WHOLE + field(number, text), "INVALID_ARGUMENT")


def test_a_tensor_s_name_that_is_no_utf_8_is_refused(server):
    tensor = field(1, b"\xff") + field(2, b"FP32") + field(3, b"\x01\x01")
    assert_refused(server, field(MODEL_NAME, b"identity_fp32") + field(INPUTS, tensor) + field(RAW, bytes(4)))


def test_a_parameter_s_key_that_is_no_utf_8_is_refused(server):
    assert_refused(server, WHOLE + field(PARAMETERS, field(1, b"\xff")))


# Small messages that would be large in memory: 4 MiB each, up to 76 times that for a parser without a budget.


@pytest.mark.parametrize("element", [
    field(INPUTS, b""), field(PARAMETERS, b""), field(RAW, b""), field(OUTPUTS, b""), field(99, b""),
    field(INPUTS, field(4, b"")),
], ids=["inputs", "parameters", "raw contents", "outputs", "unknown fields", "tensor parameters"])
def test_empty_elements_by_the_million_cost_the_server_little(server, element):
    message = WHOLE + element * (4 * MIB // len(element))
    call = server.raw_call()
    with PeakMemory(server) as memory:
        future = call.future(message, timeout=PATIENCE)
        error = future.exception()
    assert error is None or error.code().name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"), error
    memory.assert_below(64 * MIB)


def test_an_endless_unpacked_shape_costs_the_server_little(server):
    tensor = field(1, b"INPUT0") + field(2, b"FP32") + b"\x18\x01" * (2 * MIB)
    message = field(MODEL_NAME, b"identity_fp32") + field(INPUTS, tensor) + field(RAW, bytes(4))
    with PeakMemory(server) as memory:
        error = failure(server.raw_call(), message)
    assert error.code().name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
    memory.assert_below(64 * MIB)


def test_a_deeply_nested_message_is_refused(server):
    nested = b""
    for _ in range(10_000):
        nested = field(5, nested)
    assert_refused(server, field(INPUTS, nested), "INVALID_ARGUMENT", "INTERNAL", "NOT_FOUND", "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("method", [
    "ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics",
    "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload", "LogSettings", "SystemSharedMemoryStatus",
    "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister", "/grpc.health.v1.Health/Check",
])
def test_every_other_rpc_refuses_what_is_no_protobuf(server, method):
    assert failure(server.raw_call(method), b"\x0a\xff\xff").code().name in ("INVALID_ARGUMENT", "INTERNAL")
