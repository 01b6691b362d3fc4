"""The response cache: identical requests answered once, over gRPC and HTTP, and what the statistics say of it."""

import concurrent.futures

import numpy
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from endpoints import EndpointServer
from server import PATIENCE, Server, copy_models, failure, infer_request, outputs_of, pb, simple_request
from test_http import HTTPServer

CACHED = "response_cache { enable: true }\n"
SIZE = ("--response-cache-bytes", "1MiB")


def repository_of(folder, *models, config=""):
    repository = copy_models(folder, *models)
    for model in models:
        (repository / model / "config.pbtxt").write_text(CACHED + config)
    return repository


def statistics(server, name="simple"):
    return server.stub().ModelStatistics(pb.ModelStatisticsRequest(name=name), timeout=PATIENCE).model_stats[0]


def slow_request():
    return infer_request("slow", {"INPUT0": numpy.array([[1, 2, 3, 4]], dtype=numpy.float32)})


@pytest.fixture
def server(tmp_path):
    with HTTPServer(repository_of(tmp_path, "simple"), *SIZE) as server:
        yield server


@pytest.fixture
def clients(server):
    """Triton's clients for gRPC and HTTP."""
    with (triton_grpc.InferenceServerClient(server.address) as over_grpc,
          triton_http.InferenceServerClient(f"127.0.0.1:{server.http_port}") as over_http):
        yield over_grpc, over_http


def simple_inputs(module, first, second, **options):
    inputs = [module.InferInput(name, list(first.shape), "INT32") for name in ("INPUT0", "INPUT1")]
    for tensor, values in zip(inputs, (first, second), strict=True):
        tensor.set_data_from_numpy(values, **options)
    return inputs


def test_tritons_clients_share_an_answer_and_both_read_it_in_the_statistics(clients):
    over_grpc, over_http = clients
    first = numpy.arange(16, dtype=numpy.int32).reshape(1, 16)
    second = numpy.full((1, 16), 3, dtype=numpy.int32)
    forms = [
        (triton_grpc, over_grpc, {}), (triton_http, over_http, {"binary_data": True}),
        (triton_http, over_http, {"binary_data": False})]
    for module, client, options in forms:
        answer = client.infer("simple", simple_inputs(module, first, second, **options))
        assert (answer.as_numpy("OUTPUT0") == first + second).all()
        assert (answer.as_numpy("OUTPUT1") == first - second).all()
    read = [over_grpc.get_inference_statistics("simple", as_json=True), over_http.get_inference_statistics("simple")]
    for counted in (answer["model_stats"][0] for answer in read):
        # Over gRPC as JSON, 64-bit numbers are texts.
        number = lambda *path: int(_at(counted, *path))
        assert (number("inference_count"), number("execution_count")) == (1, 1)
        stages = "inference_stats"
        assert number(stages, "success", "count") == 3
        assert number(stages, "queue", "count") == 3
        assert number(stages, "compute_infer", "count") == 1
        assert number(stages, "cache_hit", "count") == 2
        assert number(stages, "cache_miss", "count") == 1
        assert number(stages, "cache_miss", "ns") > 0
        assert 0 < number(stages, "cache_hit", "ns") <= number(stages, "success", "ns")


def _at(document, *path):
    for name in path:
        document = document[name]
    return document


def test_the_configuration_says_that_answers_are_kept(clients):
    over_grpc, over_http = clients
    assert over_grpc.get_model_config("simple", as_json=True)["config"]["response_cache"] == {"enable": True}
    assert over_http.get_model_config("simple")["response_cache"] == {"enable": True}


def test_other_values_outputs_and_classes_have_their_own_answers(server):
    stub = server.stub()
    ones, twos = numpy.ones((1, 16), dtype=numpy.int32), numpy.full((1, 16), 2, dtype=numpy.int32)
    for _ in range(2):
        for first, second in ((ones, ones), (ones, twos), (twos, ones)):
            answer = outputs_of(stub.ModelInfer(simple_request(first, second), timeout=PATIENCE))
            assert (answer["OUTPUT0"] == first + second).all()
            assert (answer["OUTPUT1"] == first - second).all()
        wanted = simple_request(ones, twos)
        wanted.outputs.add(name="OUTPUT1")
        answer = outputs_of(stub.ModelInfer(wanted, timeout=PATIENCE))
        assert list(answer) == ["OUTPUT1"] and (answer["OUTPUT1"] == -1).all()
        wanted.outputs[0].parameters["classification"].int64_param = 1
        answer = stub.ModelInfer(wanted, timeout=PATIENCE)
        assert answer.raw_output_contents[0][4:] == b"-1:0"
    assert statistics(server).execution_count == 4


def test_a_large_answer_comes_from_memory_as_it_was(tmp_path):
    values = numpy.random.default_rng(7).random((2, 150528), dtype=numpy.float32)
    request = infer_request("wide", {"INPUT0": values})
    with Server(repository_of(tmp_path, "wide"), "--response-cache-bytes", "16MiB") as server:
        stub = server.stub()
        # At once, so that several are being sent from the same memory.
        calls = [stub.ModelInfer.future(request, timeout=PATIENCE) for _ in range(16)]
        for call in calls:
            assert call.result().raw_output_contents[0] == values.tobytes()
        assert statistics(server, "wide").execution_count == 1


def test_a_request_that_is_too_large_to_look_up_is_computed_each_time(tmp_path):
    values = numpy.zeros((1, 5 << 20), dtype=numpy.float32)
    with Server(repository_of(tmp_path, "identity_fp32"), "--response-cache-bytes", "256MiB") as server:
        for _ in range(2):
            answer = server.stub().ModelInfer(infer_request("identity_fp32", {"INPUT0": values}), timeout=PATIENCE)
            assert len(answer.raw_output_contents[0]) == values.nbytes
        counted = statistics(server, "identity_fp32")
        assert counted.execution_count == 2
        assert counted.inference_stats.cache_hit.count == counted.inference_stats.cache_miss.count == 0


def test_a_reload_begins_with_nothing(server):
    stub = server.stub()
    for _ in range(2):
        stub.ModelInfer(simple_request(), timeout=PATIENCE)
    stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="simple"), timeout=PATIENCE)
    for _ in range(2):
        stub.ModelInfer(simple_request(), timeout=PATIENCE)
    counted = statistics(server)
    assert counted.execution_count == 1
    assert counted.inference_stats.cache_hit.count == counted.inference_stats.cache_miss.count == 1


def test_without_the_option_a_model_that_asks_is_served_and_the_log_says_what_is_missing(tmp_path):
    with Server(repository_of(tmp_path, "simple")) as server:
        for _ in range(2):
            server.stub().ModelInfer(simple_request(), timeout=PATIENCE)
        counted = statistics(server)
        assert counted.execution_count == 2
        assert counted.inference_stats.cache_hit.count == counted.inference_stats.cache_miss.count == 0
        warning = next(line for line in server.log().splitlines() if "response_cache" in line)
        assert " warning " in warning and "--response-cache-bytes" in warning and "model=simple" in warning


def test_a_model_that_does_not_ask_is_computed_each_time(tmp_path):
    with Server(copy_models(tmp_path, "simple"), *SIZE) as server:
        for _ in range(2):
            server.stub().ModelInfer(simple_request(), timeout=PATIENCE)
        assert statistics(server).execution_count == 2


# In flight


ONE_INSTANCE = "max_batch_size: 1 instance_group [{ count: 1 }]\n"


def test_identical_requests_in_flight_are_computed_once(tmp_path):
    with Server(repository_of(tmp_path, "slow", config=ONE_INSTANCE), *SIZE) as server:
        # Over connections of their own: the server's loops share them.
        stubs = [server.stub() for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(len(stubs)) as pool:
            answers = list(pool.map(lambda stub: stub.ModelInfer(slow_request(), timeout=PATIENCE), stubs))
        for answer in answers:
            assert (outputs_of(answer)["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        counted = statistics(server, "slow")
        assert (counted.execution_count, counted.inference_count) == (1, 1)
        assert counted.inference_stats.success.count == 8
        assert counted.inference_stats.cache_hit.count == 7


def test_those_who_wait_are_answered_when_the_first_caller_goes_away(tmp_path):
    with Server(repository_of(tmp_path, "slow", config=ONE_INSTANCE), *SIZE) as server:
        stub = server.stub()
        first = stub.ModelInfer.future(slow_request(), timeout=PATIENCE)
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        others = [stub.ModelInfer.future(slow_request(), timeout=PATIENCE) for _ in range(4)]
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        first.cancel()
        for call in others:
            assert (outputs_of(call.result())["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        assert statistics(server, "slow").execution_count == 1


def test_one_who_waits_is_told_when_its_own_deadline_passes(tmp_path):
    with Server(repository_of(tmp_path, "slow", config=ONE_INSTANCE), *SIZE) as server:
        stub = server.stub()
        first = stub.ModelInfer.future(slow_request(), timeout=PATIENCE)
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        assert failure(stub.ModelInfer, slow_request(), timeout=0.05).code().name == "DEADLINE_EXCEEDED"
        assert not first.done()
        assert (outputs_of(first.result())["OUTPUT0"] == [[1, 2, 3, 4]]).all()
        assert statistics(server, "slow").execution_count == 1


def test_a_failure_is_not_kept(tmp_path):
    request = infer_request("fails", {"INPUT0": numpy.array([9], dtype=numpy.int64)})
    with Server(repository_of(tmp_path, "fails", "simple"), *SIZE) as server:
        codes = {failure(server.stub().ModelInfer, request).code().name for _ in range(2)}
        assert codes <= {"INTERNAL", "INVALID_ARGUMENT"} and len(codes) == 1
        counted = statistics(server, "fails").inference_stats
        assert (counted.fail.count, counted.cache_hit.count, counted.cache_miss.count) == (2, 0, 2)


def test_a_drain_answers_all_who_wait(tmp_path):
    with Server(repository_of(tmp_path, "slow", config=ONE_INSTANCE), *SIZE) as server:
        stub = server.stub()
        calls = [stub.ModelInfer.future(slow_request(), timeout=PATIENCE) for _ in range(4)]
        stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE)
        server.terminate()
        for call in calls:
            assert (outputs_of(call.result())["OUTPUT0"] == [[1, 2, 3, 4]]).all()


# Endpoints


def test_an_endpoint_s_deployment_keeps_answers_where_its_model_s_configuration_says_so(tmp_path):
    folder = repository_of(tmp_path / "models", "simple") / "simple"
    with EndpointServer(tmp_path / "server", *SIZE) as server:
        server.make_model("simple", folder)
        server.make_endpoint("sums")
        server.make_deployment("sums", "blue")
        server.set_traffic("sums", blue=100)
        key, _ = server.keys("sums")
        assert server.score("sums", key).status_code == 200
        again = server.score("sums", key)
        assert again.status_code == 200
        assert again.headers["azureml-model-deployment"] == "blue"
        # What is kept is for those only who may call.
        assert server.score("sums", "not-a-key").status_code == 401
        code, answer, *_ = server.call("ModelStatistics", pb.ModelStatisticsRequest(name="sums"), key)
        counted = answer.model_stats[0]
        assert counted.execution_count == 1
        assert counted.inference_stats.success.count == 2
        assert counted.inference_stats.cache_hit.count == counted.inference_stats.cache_miss.count == 1
