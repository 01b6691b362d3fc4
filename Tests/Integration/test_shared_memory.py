"""Tensors in system shared memory, by Triton's own Python clients over gRPC and HTTP."""

import contextlib
import os
import pathlib
import types
import uuid

import grpc
import numpy
import pytest
import requests
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils.shared_memory as shm
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException, serialize_byte_tensor

from server import PATIENCE, TEST_MODELS, copy_models, failure, pb, simple_request
from test_edge import World, key
from test_http import HTTPServer

FIRST = numpy.arange(16, dtype=numpy.int32).reshape(1, 16)
SECOND = numpy.full((1, 16), 3, dtype=numpy.int32)
OBJECTS = pathlib.Path("/dev/shm")
HTTP_STATUS = {
    "INVALID_ARGUMENT": "400", "NOT_FOUND": "404", "ALREADY_EXISTS": "409", "RESOURCE_EXHAUSTED": "429",
    "PERMISSION_DENIED": "403", "UNIMPLEMENTED": "501", "FAILED_PRECONDITION": "400",
}


@pytest.fixture(scope="module")
def shared():
    with HTTPServer(TEST_MODELS, "--shared-memory") as server:
        yield server


@pytest.fixture
def server(shared):
    """The shared server, without regions, which must serve the next request after whatever the test did to it."""
    yield shared
    shared.stub().SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest(), timeout=PATIENCE)
    shared.assert_serves()


@contextlib.contextmanager
def connected(server, protocol):
    """A client with the classes of its library."""
    library = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    address = server.address if protocol == "grpc" else f"127.0.0.1:{server.http_port}"
    with library.InferenceServerClient(address) as client:
        yield types.SimpleNamespace(
            protocol=protocol, client=client, Input=library.InferInput, Output=library.InferRequestedOutput)


@pytest.fixture(params=["grpc", "http"])
def door(request, server):
    with connected(server, request.param) as door:
        yield door


@pytest.fixture
def objects():
    """A function that makes a shared memory object of so many bytes, and says its key and its handle."""
    handles = []

    def make(byte_size):
        key = f"/apus-test-{os.getpid()}-{uuid.uuid4().hex}"
        handles.append(shm.create_shared_memory_region(key, key, byte_size, create_only=True))
        return key, handles[-1]

    yield make
    for handle in handles:
        shm.destroy_shared_memory_region(handle)


def inputs_in(door, *places, model_inputs=("INPUT0", "INPUT1")):
    """Inputs of the model `simple`, each at (region, size, offset)."""
    inputs = [door.Input(name, [1, 16], "INT32") for name in model_inputs]
    for tensor, place in zip(inputs, places, strict=True):
        tensor.set_shared_memory(*place)
    return inputs


def output_in(door, name, *place):
    output = door.Output(name)
    output.set_shared_memory(*place)
    return output


def contents(handle, offset=0, dtype=numpy.int32, shape=(1, 16)):
    # A copy: the handle can't be closed while an array lies in it.
    return shm.get_contents_as_numpy(handle, dtype, shape, offset).copy()


def refusal(door, code, call, *arguments, **keywords):
    """The text of the error that a client's call has to end with."""
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **keywords)
    expected = f"StatusCode.{code}" if door.protocol == "grpc" else HTTP_STATUS[code]
    assert caught.value.status() == expected, caught.value
    return caught.value.message()


def put(parameters, region, byte_size, offset=0):
    """The parameters of a tensor in shared memory, in a message."""
    parameters["shared_memory_region"].string_param = region
    parameters["shared_memory_byte_size"].int64_param = byte_size
    if offset:
        parameters["shared_memory_offset"].int64_param = offset


def message_in(region, output=None):
    """A request to `simple` whose inputs lie in a region of 128 bytes, and its output at (region, size, offset)."""
    request = pb.ModelInferRequest(model_name="simple")
    for index in range(2):
        tensor = request.inputs.add(name=f"INPUT{index}", datatype="INT32", shape=[1, 16])
        put(tensor.parameters, region, 64, 64 * index)
    if output:
        put(request.outputs.add(name="OUTPUT0").parameters, *output)
    return request


# Inference


def test_inputs_are_read_from_regions_and_outputs_written_to_them(door, objects):
    (in_key, source), (out_key, target) = objects(256), objects(192)
    shm.set_shared_memory_region(source, [FIRST, SECOND], offset=100)
    door.client.register_system_shared_memory("in", in_key, 156, offset=100)
    door.client.register_system_shared_memory("out", out_key, 192)
    result = door.client.infer(
        "simple", inputs_in(door, ("in", 64), ("in", 64, 64)),
        outputs=[output_in(door, "OUTPUT1", "out", 64), output_in(door, "OUTPUT0", "out", 100, 64)])
    assert (contents(target) == FIRST - SECOND).all()
    assert (contents(target, 64) == FIRST + SECOND).all()
    assert (contents(target, 128) == 0).all()
    if door.protocol == "grpc":
        response = result.get_response()
        assert list(response.raw_output_contents) == [b"", b""]
        second = response.outputs[1]
        assert (second.name, list(second.shape), second.datatype) == ("OUTPUT0", [1, 16], "INT32")
        assert {name: value.string_param or value.int64_param for name, value in second.parameters.items()} == {
            "shared_memory_region": "out", "shared_memory_byte_size": 100, "shared_memory_offset": 64}
    else:
        assert result.get_response()["outputs"][1] == {
            "name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16], "parameters": {
                "shared_memory_region": "out", "shared_memory_byte_size": 100, "shared_memory_offset": 64}}


def test_some_tensors_come_and_go_in_the_message(door, objects):
    in_key, source = objects(64)
    out_key, target = objects(64)
    shm.set_shared_memory_region(source, [SECOND])
    door.client.register_system_shared_memory("in", in_key, 64)
    door.client.register_system_shared_memory("out", out_key, 64)
    inputs = [door.Input("INPUT0", [1, 16], "INT32"), door.Input("INPUT1", [1, 16], "INT32")]
    inputs[0].set_data_from_numpy(FIRST)
    inputs[1].set_shared_memory("in", 64)
    result = door.client.infer(
        "simple", inputs, outputs=[output_in(door, "OUTPUT0", "out", 64), door.Output("OUTPUT1")])
    assert (contents(target) == FIRST + SECOND).all()
    assert (result.as_numpy("OUTPUT1") == FIRST - SECOND).all()
    # The other way round, and with all outputs in the answer.
    result = door.client.infer("simple", inputs[::-1])
    assert (result.as_numpy("OUTPUT0") == FIRST + SECOND).all()


def test_strings_in_a_region(door, objects):
    text = numpy.array([[b"one", "zwölf".encode()]], dtype=object)
    packed = serialize_byte_tensor(text)
    size = len(packed.item())
    in_key, source = objects(size)
    out_key, target = objects(size)
    shm.set_shared_memory_region(source, [packed])
    door.client.register_system_shared_memory("in", in_key, size)
    door.client.register_system_shared_memory("out", out_key, size)
    tensor = door.Input("INPUT0", [1, 2], "BYTES")
    tensor.set_shared_memory("in", size)
    infer = lambda: door.client.infer("identity_bytes", [tensor], outputs=[output_in(door, "OUTPUT0", "out", size)])
    infer()
    assert (contents(target, dtype=numpy.object_, shape=(1, 2)) == text).all()
    # A length that reaches past the end.
    shm.set_shared_memory_region(source, [numpy.array([2**31], dtype=numpy.uint32)])
    assert "INPUT0" in refusal(door, "INVALID_ARGUMENT", infer)


def test_a_stream_of_requests_in_regions(server, objects):
    in_key, source = objects(128)
    out_key, target = objects(128)
    shm.set_shared_memory_region(source, [FIRST, SECOND])
    with connected(server, "grpc") as door:
        door.client.register_system_shared_memory("in", in_key, 128)
        door.client.register_system_shared_memory("out", out_key, 128)
    requests_sent = [message_in("in", ("out", 64)), message_in("missing"), message_in("in", ("out", 64, 64))]
    first, second, third = server.stub().ModelStreamInfer(iter(requests_sent), timeout=PATIENCE)
    assert not first.error_message and not third.error_message
    assert "'missing' is not registered" in second.error_message
    assert third.infer_response.outputs[0].parameters["shared_memory_offset"].int64_param == 64
    assert (contents(target) == FIRST + SECOND).all() and (contents(target, 64) == FIRST + SECOND).all()


def test_a_request_in_flight_keeps_its_region_and_what_was_in_it(server, objects):
    """The model runs for a second or two. Calls of one connection are taken up in their order, so when one is answered, the
    one before it has been let in."""
    values = numpy.array([[1, 2, 3, 4]], dtype=numpy.float32)
    name, handle = objects(32)
    shm.set_shared_memory_region(handle, [values])
    stub = server.stub()
    stub.SystemSharedMemoryRegister(pb.SystemSharedMemoryRegisterRequest(name="r", key=name, byte_size=32), timeout=PATIENCE)
    request = pb.ModelInferRequest(model_name="slow")
    put(request.inputs.add(name="INPUT0", datatype="FP32", shape=[1, 4]).parameters, "r", 16)
    put(request.outputs.add(name="OUTPUT0").parameters, "r", 16, 16)
    running = stub.ModelInfer.future(request, timeout=PATIENCE)
    stub.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest(name="r"), timeout=PATIENCE)
    assert not running.done()
    assert not stub.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest(), timeout=PATIENCE).regions
    shm.set_shared_memory_region(handle, [-values])
    running.result()
    assert (contents(handle, 16, numpy.float32, (1, 4)) == values).all()
    assert failure(stub.ModelInfer, request).code().name == "NOT_FOUND"


# Regions


def test_regions_are_told_with_their_keys_until_they_are_unregistered(door, objects):
    name, _ = objects(64)
    door.client.register_system_shared_memory("a", name, 16, offset=4)
    door.client.register_system_shared_memory("b c", name, 64)

    def told(region=""):
        answer = door.client.get_system_shared_memory_status(region)
        entries = answer.regions.values() if door.protocol == "grpc" else [types.SimpleNamespace(**each) for each in answer]
        return {entry.name: (entry.key, entry.offset, entry.byte_size) for entry in entries}

    assert told() == {"a": (name, 4, 16), "b c": (name, 0, 64)}
    assert told("b c") == {"b c": (name, 0, 64)}
    assert "'d'" in refusal(door, "NOT_FOUND", told, "d")
    door.client.unregister_system_shared_memory("a")
    door.client.unregister_system_shared_memory("never there")
    assert set(told()) == {"b c"}
    door.client.unregister_system_shared_memory()
    assert told() == {}


def test_a_name_is_registered_once(door, objects):
    name, _ = objects(64)
    door.client.register_system_shared_memory("r", name, 64)
    assert "'r'" in refusal(door, "ALREADY_EXISTS", door.client.register_system_shared_memory, "r", name, 64)


@pytest.mark.parametrize("byte_size, offset, words", [
    (65, 0, ["65", "64 bytes"]), (1, 64, ["offset 64"]), (0, 0, ["byte_size is 0"]), (2**63, 2**63, [str(2**63)]),
    (2**64 - 1, 1, [str(2**64 - 1)]),
])
def test_a_region_past_the_end_of_its_object_is_refused_with_the_sizes(door, objects, byte_size, offset, words):
    name, _ = objects(64)
    text = refusal(
        door, "INVALID_ARGUMENT", door.client.register_system_shared_memory, "r", name, byte_size, offset=offset)
    for word in ["'r'", *words]:
        assert word in text


@pytest.mark.parametrize("path", ["/../etc/hostname", "../etc/hostname", "/etc/hostname", "..", "/", "", "a" * 300])
def test_a_key_outside_of_the_folder_is_refused(door, path):
    text = refusal(door, "INVALID_ARGUMENT", door.client.register_system_shared_memory, "r", path, 1)
    assert "expected the name of a shared memory object" in text


def test_a_key_that_is_no_object_is_refused(door, tmp_path):
    assert "no-such" in refusal(
        door, "NOT_FOUND", door.client.register_system_shared_memory, "r", f"/no-such-{uuid.uuid4().hex}", 1)
    # A link out of the folder is not followed, a pipe is not opened for good, and a folder is not an object.
    link, pipe, folder = (OBJECTS / f"apus-test-{uuid.uuid4().hex}" for _ in range(3))
    (tmp_path / "file").write_bytes(bytes(64))
    link.symlink_to(tmp_path / "file")
    os.mkfifo(pipe)
    folder.mkdir()
    try:
        for path in (link, pipe, folder):
            refusal(door, "INVALID_ARGUMENT", door.client.register_system_shared_memory, "r", f"/{path.name}", 1)
    finally:
        link.unlink()
        pipe.unlink()
        folder.rmdir()


@pytest.mark.parametrize("place", [("r", 64, 65), ("r", 129), ("r", 64, 2**62), ("r", 2**62)])
def test_a_tensor_past_the_end_of_its_region_is_refused_with_the_sizes(door, objects, place):
    name, _ = objects(256)
    door.client.register_system_shared_memory("r", name, 128)
    text = refusal(door, "INVALID_ARGUMENT", door.client.infer, "simple", inputs_in(door, ("r", 64), place))
    assert "INPUT1" in text and "which has 128 bytes" in text and str(place[1]) in text
    outputs = [output_in(door, "OUTPUT1", *place)]
    text = refusal(
        door, "INVALID_ARGUMENT", door.client.infer, "simple", inputs_in(door, ("r", 64), ("r", 64)), outputs=outputs)
    assert "OUTPUT1" in text and "which has 128 bytes" in text


def test_a_wrong_size_of_an_input_in_a_region_is_named(door, objects):
    name, _ = objects(256)
    door.client.register_system_shared_memory("r", name, 256)
    text = refusal(door, "INVALID_ARGUMENT", door.client.infer, "simple", inputs_in(door, ("r", 64), ("r", 60)))
    assert "INPUT1" in text and "60" in text and "64" in text


def test_an_output_too_large_for_its_place_is_refused_and_not_written(door, objects):
    name, handle = objects(256)
    shm.set_shared_memory_region(handle, [FIRST, SECOND])
    door.client.register_system_shared_memory("r", name, 256)
    outputs = [output_in(door, "OUTPUT0", "r", 64, 128), output_in(door, "OUTPUT1", "r", 63, 192)]
    text = refusal(
        door, "INVALID_ARGUMENT", door.client.infer, "simple", inputs_in(door, ("r", 64), ("r", 64, 64)), outputs=outputs)
    assert "OUTPUT1" in text and "64" in text and "63" in text
    assert (contents(handle, 128, shape=(1, 32)) == 0).all()


def test_a_region_that_is_not_registered_is_named(door):
    text = refusal(door, "NOT_FOUND", door.client.infer, "simple", inputs_in(door, ("nowhere", 64), ("nowhere", 64)))
    assert "input 'INPUT" in text and "'nowhere'" in text


def test_contents_and_a_region_for_one_input_are_refused(server):
    request = simple_request()
    put(request.inputs[1].parameters, "r", 64)
    error = failure(server.stub().ModelInfer, request)
    assert error.code().name == "INVALID_ARGUMENT" and "raw_input_contents has 2 entries; expected 1" in error.details()
    del request.raw_input_contents[:]
    for tensor in request.inputs:
        tensor.contents.int_contents.extend([1] * 16)
    error = failure(server.stub().ModelInfer, request)
    assert error.code().name == "INVALID_ARGUMENT" and "INPUT1" in error.details()


def test_an_object_that_is_cut_short_fails_its_requests_only(door, server):
    """A server that had it mapped would end here by SIGBUS."""
    path = OBJECTS / f"apus-test-{uuid.uuid4().hex}"
    path.write_bytes(FIRST.tobytes() + SECOND.tobytes() + bytes(8192))
    try:
        door.client.register_system_shared_memory("r", path.name, 128 + 8192)
        infer = lambda: door.client.infer(
            "simple", inputs_in(door, ("r", 64), ("r", 64, 64)), outputs=[output_in(door, "OUTPUT0", "r", 64, 8192)])
        infer()
        os.truncate(path, 4096)
        text = refusal(door, "INVALID_ARGUMENT", infer)
        assert "OUTPUT0" in text and "which has 4096 bytes" in text
        os.truncate(path, 100)
        text = refusal(door, "INVALID_ARGUMENT", infer)
        assert "INPUT1" in text and "which has 100 bytes" in text
        os.truncate(path, 0)
        assert "which has 0 bytes" in refusal(door, "INVALID_ARGUMENT", infer)
        assert path.stat().st_size == 0
        path.write_bytes(FIRST.tobytes() + SECOND.tobytes() + bytes(8192))
        infer()
        assert path.read_bytes()[8192:8192 + 64] == (FIRST + SECOND).tobytes()
    finally:
        path.unlink()
    server.assert_serves()


# Who may


def test_the_extension_is_announced_where_it_works(door):
    metadata = door.client.get_server_metadata()
    extensions = metadata.extensions if door.protocol == "grpc" else metadata["extensions"]
    assert "system_shared_memory" in extensions and "cuda_shared_memory" not in extensions


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_nothing_is_shared_unless_the_operator_allows_it(tmp_path, objects, protocol):
    name, _ = objects(128)
    with HTTPServer(copy_models(tmp_path, "simple")) as server, connected(server, protocol) as door:
        for call, arguments in [
            (door.client.get_system_shared_memory_status, []),
            (door.client.register_system_shared_memory, ["r", name, 64]),
            (door.client.unregister_system_shared_memory, []),
            (door.client.infer, ["simple", inputs_in(door, ("r", 64), ("r", 64))]),
        ]:
            assert "--shared-memory" in refusal(door, "FAILED_PRECONDITION", call, *arguments)
        server.assert_serves()


def test_beside_endpoints_only_those_from_the_operator_s_network_share_memory(tmp_path, objects):
    name, handle = objects(192)
    shm.set_shared_memory_region(handle, [FIRST, SECOND])
    world = World(tmp_path, "--shared-memory")
    with world.server, grpc.insecure_channel(f"127.0.0.1:{world.private}") as channel:
        world.endpoint("scored", auth_mode="key")
        outside, inside = world.server.stub(), service_pb2_grpc.GRPCInferenceServiceStub(channel)
        registration = pb.SystemSharedMemoryRegisterRequest(name="r", key=name, byte_size=192)
        assert failure(outside.SystemSharedMemoryRegister, registration).code().name == "PERMISSION_DENIED"
        inside.SystemSharedMemoryRegister(registration, timeout=PATIENCE)
        for method, message in [
            ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest()),
            ("SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest()),
        ]:
            error = failure(getattr(outside, method), message)
            assert error.code().name == "PERMISSION_DENIED" and "--private-listen" in error.details()

        request = message_in("r", ("r", 64, 128))
        request.model_name = "scored"
        credential = [("authorization", key(world, "scored"))]
        assert failure(outside.ModelInfer, request, metadata=credential).code().name == "PERMISSION_DENIED"
        assert failure(inside.ModelInfer, request).code().name == "UNAUTHENTICATED"
        inside.ModelInfer(request, metadata=credential, timeout=PATIENCE)
        assert (contents(handle, 128) == FIRST + SECOND).all()

        status = "/v2/systemsharedmemory/status"
        get = lambda port, path: requests.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE)
        assert get(world.http, status).status_code == 403
        assert [region["name"] for region in get(world.private_http, status).json()] == ["r"]
        announced = lambda port: "system_shared_memory" in get(port, "/v2").json()["extensions"]
        assert announced(world.private_http) and not announced(world.http)
        extensions = lambda stub: stub.ServerMetadata(pb.ServerMetadataRequest(), timeout=PATIENCE).extensions
        assert "system_shared_memory" in extensions(inside) and "system_shared_memory" not in extensions(outside)


def test_a_page_in_a_browser_shares_no_memory(server, objects):
    name, _ = objects(64)
    answer = requests.post(
        f"{server.url}/v2/systemsharedmemory/region/r/register", json={"key": name, "byte_size": 64},
        headers={"origin": "https://page.example"}, timeout=PATIENCE)
    assert answer.status_code == 403 and "Origin" in answer.json()["error"]


@pytest.mark.parametrize("body, words", [
    ("", "expected an object"), ("[]", "expected an object"), ("{}", "'key' is missing"),
    ('{"key": "k"}', "'byte_size' is missing"), ('{"key": 1, "byte_size": 1}', "key: expected a string"),
    ('{"key": "k", "byte_size": -1}', "byte_size: expected an integer"),
    ('{"key": "k", "byte_size": 1, "size": 1}', "expected 'key', 'offset' and 'byte_size' only"),
    ('{"key": "a\\u0000b", "byte_size": 1}', "expected the name of a shared memory object"),
])
def test_a_bad_registration_over_http_says_what_is_wrong(server, body, words):
    answer = requests.post(f"{server.url}/v2/systemsharedmemory/region/r/register", data=body, timeout=PATIENCE)
    assert answer.status_code == 400 and words in answer.json()["error"], answer.text


def test_cuda_shared_memory_is_not_there(door):
    calls = [
        (door.client.get_cuda_shared_memory_status, []), (door.client.unregister_cuda_shared_memory, []),
        (door.client.register_cuda_shared_memory, ["r", b"aGFuZGxl" if door.protocol == "grpc" else "aGFuZGxl", 0, 64]),
    ]
    for call, arguments in calls:
        assert "CUDA shared memory" in refusal(door, "UNIMPLEMENTED", call, *arguments)
