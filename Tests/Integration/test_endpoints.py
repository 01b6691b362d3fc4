"""Endpoints and deployments through every door of the real program: made by commands from Azure's YAML, called over gRPC and
REST, split, pinned, mirrored, limited and rolled out."""

import importlib.util
import json
import re
import threading
from collections import Counter

import grpc
import numpy
import pytest
import tritonclient.grpc as triton
from endpoints import ONES, EndpointServer, infer
from server import FAILED, PATIENCE, ROOT, TEST_MODELS, eventually, infer_request

WHO = "azureml-model-deployment"

ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: from-files
auth_mode: key
tags: {team: risk}
"""
DEPLOYMENT = f"""
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: from-files
model:
  path: {TEST_MODELS / "simple"}
  type: triton_model
instance_type: Standard_DS3_v2
instance_count: 1
request_settings:
  request_timeout_ms: 30000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("endpoints"), "--private-http-listen", "127.0.0.1:0") as server:
        for model in ("simple", "fails"):
            server.make_model(model)
        yield server


@pytest.fixture(scope="module")
def pair(server):
    """Endpoint `pair` with deployments blue and green, all traffic at blue; its key."""
    server.make_endpoint("pair")
    for name in ("blue", "green"):
        server.make_deployment("pair", name)
    server.set_traffic("pair", blue=100)
    return server.keys("pair")[0]


# MARK: from files to answers


def test_a_deployment_from_azures_files_serves_over_grpc_and_rest(server):
    server.run("online-endpoint", "create", "-f", server.write("endpoint.yml", ENDPOINT))
    server.run("online-deployment", "create", "-f", server.write("blue.yml", DEPLOYMENT), "--all-traffic")
    shown = json.loads(server.run("deployment", "show", "-e", "from-files", "-n", "blue").stdout)
    assert shown["provisioning_state"] == "Succeeded"
    key = server.run("endpoint", "get-credentials", "-n", "from-files", "--query", "primaryKey", "-o", "tsv").stdout.strip()

    first, second = numpy.arange(16, dtype=numpy.int32).reshape(1, 16), numpy.full((1, 16), 3, dtype=numpy.int32)
    with triton.InferenceServerClient(server.address) as client:
        inputs = [triton.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
        inputs[0].set_data_from_numpy(first)
        inputs[1].set_data_from_numpy(second)
        answer = client.infer("from-files", inputs, headers={"authorization": f"Bearer {key}"})
    assert (answer.as_numpy("OUTPUT0") == first + second).all() and (answer.as_numpy("OUTPUT1") == first - second).all()

    answer = server.score("from-files", key)
    assert answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [2] * 16
    assert answer.headers[WHO] == "blue" and answer.headers["x-request-id"]

    request = server.write("request.json", json.dumps(ONES))
    answer = json.loads(server.run("endpoint", "invoke", "-n", "from-files", "--request-file", request).stdout)
    assert answer["outputs"][0]["data"] == [2] * 16
    server.run("endpoint", "delete", "-n", "from-files", "-y")
    assert server.score("from-files", key).status_code == 401


def test_local_verbs_give_the_same_answers_without_credentials(server, pair):
    request = server.write("request.json", json.dumps(ONES))
    live = json.loads(server.run("endpoint", "invoke", "-n", "pair", "--request-file", request).stdout)
    nobody = {"APUS_SERVER": "", "APUS_TOKEN": "", "HOME": str(server.folder / "nobody"),
              "XDG_CONFIG_HOME": str(server.folder / "nobody"), "XDG_DATA_HOME": str(server.folder / "nobody")}
    run = lambda *arguments: server.run(*arguments, **nobody)
    try:
        run("endpoint", "create", "--local", "-n", "pair")
        file = server.write("local.yml", DEPLOYMENT.replace("from-files", "pair"))
        run("deployment", "create", "--local", "-f", file, "--all-traffic")
        local = json.loads(run("endpoint", "invoke", "--local", "-n", "pair", "--request-file", request).stdout)
        assert local == live
    finally:
        run("local", "stop")


# MARK: who answers


def test_a_pin_by_metadata_header_or_version_is_kept_and_the_answer_says_who(server, pair):
    for pin in ("blue", "green"):
        for code, answer, first, _ in (
            server.call("ModelInfer", infer("pair"), pair, (WHO, pin)),
            server.call("ModelInfer", infer("pair", model_version=pin), pair),
        ):
            assert (code, first[WHO], answer.model_version) == (grpc.StatusCode.OK, pin, pin)
        answer = server.score("pair", pair, azureml_model_deployment=pin)
        assert (answer.status_code, answer.headers[WHO]) == (200, pin)


def test_a_pin_on_a_deployment_that_is_not_there_is_told(server, pair):
    code, said, _, _ = server.call("ModelInfer", infer("pair", model_version="red"), pair)
    assert code == grpc.StatusCode.NOT_FOUND and "red" in said
    answer = server.score("pair", pair, azureml_model_deployment="red")
    assert answer.status_code == 404 and "red" in answer.text


def test_ninety_to_ten_is_exact_over_a_hundred_requests_of_a_connection(server, pair):
    server.set_traffic("pair", blue=90, green=10)
    try:
        counts = Counter(server.call("ModelInfer", infer("pair"), pair)[2][WHO] for _ in range(100))
        assert counts == {"blue": 90, "green": 10}
        counts = Counter(server.score("pair", pair).headers[WHO] for _ in range(100))
        assert counts == {"blue": 90, "green": 10}
    finally:
        server.set_traffic("pair", blue=100)


def test_a_change_of_traffic_loses_no_request(server, pair):
    is_over, failures = threading.Event(), []

    def call():
        stub_server = server.call
        while not is_over.is_set():
            code, said, _, _ = stub_server("ModelInfer", infer("pair"), pair)
            if code != grpc.StatusCode.OK:
                failures.append((code, said))

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    for _ in range(10):
        server.set_traffic("pair", green=100)
        server.set_traffic("pair", blue=50, green=50)
        server.set_traffic("pair", blue=100)
    is_over.set()
    for caller in callers:
        caller.join()
    assert failures == []


# MARK: mirror


def mirror_report(server, endpoint):
    """Without any counts until the first copy was answered."""
    return server.ask("GET", f"onlineEndpoints/{endpoint}/mirrorReport", status=(200, 404)).json()


def test_a_mirror_that_always_fails_is_counted_and_changes_no_answer(server):
    server.make_endpoint("mirrored")
    server.make_deployment("mirrored", "live")
    server.make_deployment("mirrored", "shadow", "fails")
    server.set_traffic("mirrored", live=100)
    server.ask("PATCH", "onlineEndpoints/mirrored", {"properties": {"mirrorTraffic": {"shadow": 50}}})
    key = server.keys("mirrored")[0]
    for _ in range(20):
        code, answer, first, _ = server.call("ModelInfer", infer("mirrored"), key)
        assert (code, first[WHO]) == (grpc.StatusCode.OK, "live") and answer.raw_output_contents[0] == b"\2\0\0\0" * 16
    eventually(lambda: mirror_report(server, "mirrored").get("shadowFailures") == 10, what="ten copies' failures")
    server.call("ModelInfer", infer("mirrored", model_version="live"), key)  # a pinned call is not copied
    report = mirror_report(server, "mirrored")
    assert report["shadowFailures"] == 10 and report["comparedRequests"] == 0


def test_a_mirror_of_the_same_model_is_compared_and_matches(server, pair):
    server.ask("PATCH", "onlineEndpoints/pair", {"properties": {"mirrorTraffic": {"green": 50}}})
    try:
        for _ in range(20):
            assert server.score("pair", pair).headers[WHO] == "blue"
        eventually(lambda: mirror_report(server, "pair").get("comparedRequests") == 10, what="ten comparisons")
        report = mirror_report(server, "pair")
        assert all(report[count] == 0 for count in (
            "mismatchedRequests", "requestsWithOtherLabels", "requestsWithOtherNumbers", "requestsWithOtherStructure"))
    finally:
        server.ask("PATCH", "onlineEndpoints/pair", {"properties": {"mirrorTraffic": {"green": None}}})


# MARK: rollouts


@pytest.fixture
def under_load():
    """Calls again and again until the block ends, and gathers what comes."""

    class Load:
        def __init__(self, call):
            self.call, self.answers, self.is_over = call, [], threading.Event()

        def __enter__(self):
            self.thread = threading.Thread(target=self.run)
            self.thread.start()
            return self

        def run(self):
            while not self.is_over.is_set():
                self.answers.append(self.call())

        def __exit__(self, *_):
            self.is_over.set()
            self.thread.join()

    return Load


def test_a_rollout_of_a_good_model_ends_with_all_traffic_and_no_failed_request(server, pair, under_load):
    with under_load(lambda: server.call("ModelInfer", infer("pair"), pair)[0]) as load:
        done = server.run(
            "rollout", "start", "-e", "pair", "-d", "green", "--steps", "50", "100", "--hold", "100ms", "--minimum-requests", "5",
            "--max-latency-ratio", "1000")
    assert json.loads(done.stdout)["state"] == "finished"
    traffic = server.ask("GET", "onlineEndpoints/pair").json()["properties"]["traffic"]
    assert {name: share for name, share in traffic.items() if share} == {"green": 100}
    assert set(load.answers) == {grpc.StatusCode.OK}
    server.set_traffic("pair", blue=100)


def test_a_rollout_of_a_broken_model_rolls_back_by_itself_and_says_why(server, under_load):
    server.make_model("identity_fp32")
    server.make_model("reshapes")  # takes six elements, and fails with any other number of them
    server.make_endpoint("risky")
    server.make_deployment("risky", "old", "identity_fp32")
    server.make_deployment("risky", "new", "reshapes")
    server.set_traffic("risky", old=100)
    key = server.keys("risky")[0]
    request = infer_request("risky", {"INPUT0": numpy.ones((1, 4), dtype=numpy.float32)})
    with under_load(lambda: server.call("ModelInfer", request, key)) as load:
        done = server.run(
            "rollout", "start", "-e", "risky", "-d", "new", "--steps", "10", "100", "--hold", "10m", "--minimum-requests", "20",
            "--max-latency-ratio", "1000", status=FAILED)
    assert "error rate of 'new'" in done.stderr
    shown = server.ask("GET", "onlineEndpoints/risky/rollout").json()["properties"]
    assert shown["state"] == "rolledBack" and "error rate of 'new'" in shown["reason"]
    traffic = server.ask("GET", "onlineEndpoints/risky").json()["properties"]["traffic"]
    assert {name: share for name, share in traffic.items() if share} == {"old": 100}
    assert Counter(code for code, *_ in load.answers).most_common(1)[0][0] == grpc.StatusCode.OK
    assert {server.call("ModelInfer", request, key)[0] for _ in range(20)} == {grpc.StatusCode.OK}


# MARK: limits


def wire_fields(content):
    """The fields of a message by number: whole numbers, and bytes."""
    def varint(position):
        number = shift = 0
        while True:
            byte = content[position]
            number |= (byte & 127) << shift
            position, shift = position + 1, shift + 7
            if byte < 128:
                return number, position

    fields, position = {}, 0
    while position < len(content):
        key, position = varint(position)
        value, position = varint(position)
        if key & 7 == 2:
            value, position = content[position:position + value], position + value
        fields[key >> 3] = value
    return fields


def test_more_requests_than_the_endpoint_allows_are_refused_with_when_to_come_back(server):
    server.run("endpoint", "create", "-n", "limited", "--set", "apus.requests_per_second=1")
    server.make_deployment("limited", "only")
    server.set_traffic("limited", only=100)
    key = server.keys("limited")[0]
    answers = [server.score("limited", key) for _ in range(3)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and {answer.status_code for answer in answers} <= {200, 429}
    assert int(refused[0].headers["retry-after"]) >= 1
    codes = [server.call("ModelInfer", infer("limited"), key) for _ in range(3)]
    code, _, _, trailers = next(answer for answer in codes if answer[0] != grpc.StatusCode.OK)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    # google.rpc.Status: field 3 is an Any, whose field 2 is a RetryInfo, whose field 1 is a Duration.
    status = wire_fields(trailers["grpc-status-details-bin"])
    kind, retry = (wire_fields(status[3])[number] for number in (1, 2))
    assert status[1] == code.value[0] and kind == b"type.googleapis.com/google.rpc.RetryInfo"
    delay = wire_fields(wire_fields(retry)[1])
    assert 0 < delay.get(1, 0) * 10**9 + delay.get(2, 0) <= 10**9


# MARK: the control plane over gRPC


@pytest.fixture(scope="module")
def control(server):
    """Calls a method of the control service by name, with the project's own description of it."""
    grpc_tools = pytest.importorskip("grpc_tools.protoc")
    target = server.folder / "stubs"
    target.mkdir()
    command = ["protoc", f"-I{ROOT / 'proto'}", f"--python_out={target}", str(ROOT / "proto/control.proto")]
    assert grpc_tools.main(command) == 0
    description = importlib.util.spec_from_file_location("control_pb2", target / "control_pb2.py")
    messages = importlib.util.module_from_spec(description)
    description.loader.exec_module(messages)
    channels = {address: server.channel(address) for address in (server.grpc_control, server.address)}

    def call(method, token=server.token, address=server.grpc_control, **fields):
        name = "WatchOperationRequest" if method == "WatchOperation" else "ResourceRequest"
        path = f"/apus.control.v1.ControlService/{method}"
        channel = channels[address]
        make = channel.unary_stream if method == "WatchOperation" else channel.unary_unary
        ask = make(path, request_serializer=lambda message: message.SerializeToString(),
                   response_deserializer=messages.ResourceResponse.FromString)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return ask(getattr(messages, name)(**fields), metadata=metadata, timeout=PATIENCE)

    return call


def test_the_control_service_is_at_its_own_address_only(server, control):
    assert control("Get", path="onlineEndpoints").status == 200
    for method, fields in (("Get", {"path": "onlineEndpoints"}), ("WatchOperation", {"operation": "1"})):
        with pytest.raises(grpc.RpcError) as error:
            answer = control(method, address=server.address, **fields)
            list(answer) if method == "WatchOperation" else None
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "--control-grpc-listen" in error.value.details()


def test_the_control_service_puts_gets_watches_and_deletes(server, control):
    put = control("Put", path="onlineEndpoints/by-grpc", body=json.dumps({"properties": {"authMode": "Key"}}))
    assert put.status == 201 and put.etag
    got = control("Get", path="onlineEndpoints/by-grpc")
    assert got.etag == put.etag and json.loads(got.body)["properties"]["authMode"] == "Key"
    body = {"properties": {"model": "azureml:simple:1", "instanceType": "Standard_DS3_v2"}}
    made = control("Put", path="onlineEndpoints/by-grpc/deployments/blue", body=json.dumps(body))
    states = [json.loads(state.body) for state in control("WatchOperation", operation=made.operation)]
    assert states[-1]["status"] == "Succeeded"
    names = control("Get", path="onlineEndpoints/by-grpc/deployments")
    assert [value["name"] for value in json.loads(names.body)["value"]] == ["blue"]
    gone = control("Delete", path="onlineEndpoints/by-grpc")
    assert list(control("WatchOperation", operation=gone.operation))[-1].status == 200
    with pytest.raises(grpc.RpcError) as error:
        control("Get", path="onlineEndpoints/by-grpc")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_the_control_service_warns_and_says_where_an_endpoint_answers(server, control):
    inside = re.search(r"(http://\S+) \(public\+private\)", server.log()).group(1)
    for name, access, address in (("open-grpc", "Enabled", server.http), ("inner-grpc", "Disabled", inside)):
        body = {"identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key", "publicNetworkAccess": access}}
        made = control("Put", path=f"onlineEndpoints/{name}", body=json.dumps(body))
        assert len(made.warnings) == 1 and made.warnings[0].startswith("identity: has no effect")
        properties = json.loads(made.body)["properties"]
        assert properties["scoringUri"] == f"{address}/endpoints/{name}/score"
        assert properties["properties"]["AzureAsyncOperationUri"].startswith(f"{server.control}/subscriptions/")
        control("Delete", path=f"onlineEndpoints/{name}")


def test_the_control_service_asks_who_one_is(server, control):
    for token in ("", "apus_wrong"):
        with pytest.raises(grpc.RpcError) as error:
            control("Get", path="onlineEndpoints", token=token)
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
