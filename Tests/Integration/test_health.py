"""grpc.health.v1, as load balancers and Kubernetes ask it, and server reflection, as grpcurl does."""

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from server import PATIENCE, Server, copy_models, failure, pb

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def health(server):
    return health_pb2_grpc.HealthStub(server.channel())


def request(service):
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "simple"])
def test_the_server_its_service_and_each_model_are_serving(server, service):
    assert health(server).Check(request(service), timeout=PATIENCE).status == SERVING


def test_check_of_an_unknown_service_is_not_found(server):
    assert failure(health(server).Check, request("no.such.Service")).code().name == "NOT_FOUND"


def test_list_has_the_server_and_every_model(server):
    # grpcio's health package does not have it yet: the messages are built from the server's own reflection.
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(server.channel()))
    response = GetMessageClass(pool.FindMessageTypeByName("grpc.health.v1.HealthListResponse"))
    statuses = response.FromString(server.raw_call("/grpc.health.v1.Health/List")(b"", timeout=PATIENCE)).statuses
    assert {"", "simple", "identity_bytes"} <= set(statuses)
    assert statuses["simple"].status == SERVING


def test_watch_of_an_unknown_service_says_so_and_stays_open(server):
    watch = health(server).Watch(request("no.such.Service"), timeout=PATIENCE)
    assert next(watch).status == SERVICE_UNKNOWN
    assert watch.is_active()
    watch.cancel()


def test_watch_tells_each_change_once(tmp_path):
    with Server(copy_models(tmp_path, "simple", "fixed")) as server:
        stub = server.stub()
        watch = health(server).Watch(request("fixed"), timeout=PATIENCE)
        assert next(watch).status == SERVING
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="fixed"))
        told = [next(watch).status]
        stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="fixed"))
        while told[-1] != SERVING:
            told.append(next(watch).status)
        assert all(one != next_one for one, next_one in zip(told, told[1:]))
        watch.cancel()


# Reflection


def test_reflection_lists_every_service(server):
    services = set(ProtoReflectionDescriptorDatabase(server.channel()).get_services())
    assert services == {
        "inference.GRPCInferenceService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_client_can_build_every_message_from_reflection_alone(server):
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(server.channel()))
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    assert [method.name for method in service.methods][:2] == ["ServerLive", "ServerReady"]
    message = pool.FindMessageTypeByName("inference.ModelInferRequest")
    assert {field.name: field.number for field in message.fields} == {
        field.name: field.number for field in pb.ModelInferRequest.DESCRIPTOR.fields}
    assert pool.FindMessageTypeByName("inference.ModelConfig").fields_by_name["dynamic_batching"].number == 11


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_answer_by_symbol_and_by_file(server, version):
    # The two differ in nothing but the package's name, so v1alpha's messages do for both.
    ask = server.channel().stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    by_symbol, by_file, unknown = ask(iter([
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health.Check"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="no/such/file.proto"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
    ]), timeout=PATIENCE)
    assert by_symbol.file_descriptor_response.file_descriptor_proto
    assert by_file.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
