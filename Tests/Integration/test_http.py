"""The same server over HTTP: the Open Inference Protocol's REST form, scoring, and what bad clients get.

Real clients: `requests` for HTTP/1.1, `httpx` for HTTP/2, `tritonclient.http`, curl, and plain sockets where a client has
to misbehave."""

import contextlib
import gzip
import json
import socket
import ssl
import struct
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import numpy
import openapi_spec_validator
import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from server import PATIENCE, TEST_MODELS, Server, copy_models, eventually, free_port
from tritonclient.utils import InferenceServerException


class HTTPServer(Server):
    """A server that answers HTTP on a port of its own."""

    def __init__(self, repository, *options, **settings):
        self.http_port = free_port()
        super().__init__(repository, "--http-listen", f"127.0.0.1:{self.http_port}", *options, **settings)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def http_socket(self):
        return socket.create_connection(("127.0.0.1", self.http_port), timeout=PATIENCE)

    @contextlib.contextmanager
    def running(self):
        """The block sends a request to `slow`; after it, that is being run, which is known by what it costs."""
        before = self.cpu_seconds()
        yield
        eventually(lambda: self.cpu_seconds() >= before + 0.1, what="a tenth of a second of computing")


@pytest.fixture(scope="module")
def shared():
    options = ["--max-body-bytes", "4MiB", "--cors-origin", "https://page.example"]
    with HTTPServer(TEST_MODELS, *options) as server:
        yield server


@pytest.fixture
def http(shared):
    """The shared server, which must serve the next request after whatever the test did to it."""
    yield shared
    shared.assert_serves()
    assert requests.get(shared.url + "/v2/health/ready", timeout=PATIENCE).status_code == 200


SIMPLE = {"inputs": [
    {"name": "INPUT0", "shape": [1, 16], "datatype": "INT32", "data": list(range(16))},
    {"name": "INPUT1", "shape": [1, 16], "datatype": "INT32", "data": [3] * 16}]}


def infer(server, body, model="simple", **options):
    return requests.post(f"{server.url}/v2/models/{model}/infer", timeout=PATIENCE, **options, **(
        {"json": body} if isinstance(body, dict) else {"data": body}))


def score(server, body, endpoint="simple", **options):
    return requests.post(f"{server.url}/endpoints/{endpoint}/score", timeout=PATIENCE, **options, **(
        {"json": body} if isinstance(body, (dict, list)) else {"data": body}))


# The protocol


def test_a_request_in_json_is_answered_in_json(http):
    answer = infer(http, SIMPLE | {"id": "seven"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "model_name": "simple", "model_version": "1", "id": "seven", "outputs": [
            {"name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16], "data": [n + 3 for n in range(16)]},
            {"name": "OUTPUT1", "datatype": "INT32", "shape": [1, 16], "data": [n - 3 for n in range(16)]}]}


def test_the_server_and_its_models_say_what_they_are(http):
    get = lambda path: requests.get(http.url + path, timeout=PATIENCE)
    assert get("/").text == "Healthy"
    assert get("/v2").json()["name"] == "apus"
    assert "binary_tensor_data" in get("/v2").json()["extensions"]
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/models/simple/ready").json() == {"name": "simple", "ready": True}
    for path in ("/v2/models/simple", "/v2/models/simple/versions/1"):
        metadata = get(path).json()
        assert metadata["versions"] == ["1"]
        assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    assert get("/v2/models/simple/config").json()["input"][0]["data_type"] == "TYPE_INT32"
    infer(http, SIMPLE)
    assert get("/v2/models/simple/stats").json()["model_stats"][0]["inference_count"] >= 1
    assert requests.head(http.url + "/v2", timeout=PATIENCE).text == ""


@pytest.mark.parametrize("kind", [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "fp16", "fp32", "fp64"])
@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_the_same_bits_over_http_as_over_grpc(http, kind, binary):
    if kind == "fp16" and not binary:
        pytest.skip("FP16 has no form in JSON")
    dtype = numpy.dtype({"bool": bool, "fp16": "f2", "fp32": "f4", "fp64": "f8"}.get(kind, kind))
    random = numpy.random.default_rng(7)
    values = random.integers(0, 256, (3, 5 * dtype.itemsize), dtype=numpy.uint8).view(dtype)
    if kind == "bool":
        values = values.astype(numpy.uint8) % 2 == 1
    if dtype.kind == "f":
        values = numpy.where(numpy.isnan(values), dtype.type(-1.5), values)
    answers = []
    for module, address in ((triton, f"127.0.0.1:{http.http_port}"), (triton_grpc, http.address)):
        with module.InferenceServerClient(address) as client:
            tensor = module.InferInput("INPUT0", list(values.shape), kind.upper())
            tensor.set_data_from_numpy(values, **({"binary_data": binary} if module is triton else {}))
            wanted = module.InferRequestedOutput("OUTPUT0", **({"binary_data": binary} if module is triton else {}))
            answers.append(client.infer(f"identity_{kind}", [tensor], outputs=[wanted]).as_numpy("OUTPUT0"))
    assert answers[0].tobytes() == answers[1].tobytes() == values.tobytes()


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_sends_and_gets_texts(http, binary):
    texts = numpy.array([["", "a\"b\n"], ["ü", "😀"]], dtype=object)
    with triton.InferenceServerClient(f"127.0.0.1:{http.http_port}") as client:
        tensor = triton.InferInput("INPUT0", [2, 2], "BYTES")
        tensor.set_data_from_numpy(texts, binary_data=binary)
        wanted = triton.InferRequestedOutput("OUTPUT0", binary_data=binary)
        answer = client.infer("identity_bytes", [tensor], outputs=[wanted]).as_numpy("OUTPUT0")
    # As JSON they come back as text, as binary data in bytes.
    assert [item.decode() if isinstance(item, bytes) else item for item in answer.flat] == list(texts.flat)


def test_tritons_client_looks_around(http):
    with triton.InferenceServerClient(f"127.0.0.1:{http.http_port}") as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple")
        assert client.get_model_metadata("simple")["name"] == "simple"
        assert client.get_model_config("simple")["name"] == "simple"
        assert client.get_inference_statistics("simple")["model_stats"][0]["name"] == "simple"
        assert any(entry["name"] == "simple" for entry in client.get_model_repository_index())
        with pytest.raises(InferenceServerException, match="is not found"):
            client.get_model_metadata("stranger")


def test_outputs_are_chosen_and_classified(http):
    body = SIMPLE | {"outputs": [{"name": "OUTPUT1", "parameters": {"classification": 2}}]}
    outputs = infer(http, body).json()["outputs"]
    assert outputs == [{"name": "OUTPUT1", "datatype": "BYTES", "shape": [1, 2], "data": ["12:15", "11:14"]}]


def test_compressed_bodies_are_read_and_bounded(http):
    plain = json.dumps(SIMPLE).encode()
    for name, packed in (("gzip", gzip.compress(plain)), ("deflate", zlib.compress(plain))):
        assert infer(http, packed, headers={"Content-Encoding": name}).status_code == 200
    assert infer(http, b"nonsense", headers={"Content-Encoding": "gzip"}).status_code == 400
    assert infer(http, plain, headers={"Content-Encoding": "br"}).status_code == 415
    bomb = gzip.compress(b" " * (64 << 20))
    assert len(bomb) < 100_000
    assert infer(http, bomb, headers={"Content-Encoding": "gzip"}).status_code == 413


def test_one_raw_tensor_needs_no_json(http):
    values = numpy.arange(4, dtype=numpy.float32)
    answer = infer(http, values.tobytes(), "identity_fp32", headers={"Inference-Header-Content-Length": "0"})
    assert answer.status_code == 200
    length = int(answer.headers["inference-header-content-length"])
    assert answer.content[length:] == values.tobytes()
    assert json.loads(answer.content[:length])["outputs"][0]["shape"] == [1, 4]


# What is wrong with a request


@pytest.mark.parametrize("body, status, text", [
    ({}, 400, "'inputs' is missing"),
    ({"inputs": SIMPLE["inputs"][:1]}, 400, "input 'INPUT1' is missing"),
    ({"inputs": SIMPLE["inputs"] + SIMPLE["inputs"][:1]}, 400, "is given twice"),
    ({"inputs": [SIMPLE["inputs"][0] | {"datatype": "FP32"}, SIMPLE["inputs"][1]]}, 400, "the model takes INT32"),
    ({"inputs": [SIMPLE["inputs"][0] | {"shape": [1, 15]}, SIMPLE["inputs"][1]]}, 400, "holds 16 elements; shape [1,15] takes 15"),
    (SIMPLE | {"outputs": [{"name": "OUTPUT9"}]}, 400, "output 'OUTPUT9' is not one of the model's"),
    (SIMPLE | {"parameters": {"sequence_id": 7}}, 501, "does not serve sequences"),
    (b"{", 400, "expected a name in quotes, got the end of the text"),
    (b"\xff\xfe", 400, "expected an object, got the byte 0xff"),
    (b"", 400, "expected an object, got the end of the text"),
])
def test_errors_say_what_is_wrong(http, body, status, text):
    answer = infer(http, body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert text in answer.json()["error"]


def test_paths_and_methods_that_are_not_there(http):
    assert infer(http, SIMPLE, "stranger").status_code == 404
    answer = requests.get(http.url + "/v2/nothing", timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (404, {"error": "there is nothing at /v2/nothing"})
    answer = requests.put(http.url + "/endpoints/simple/score", timeout=PATIENCE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert "takes POST, OPTIONS, not PUT" in answer.json()["message"]
    assert requests.options(http.url + "/endpoints/simple/score", timeout=PATIENCE).headers["allow"] == "POST, OPTIONS"
    assert requests.get(http.url + "/v2/models/%ff", timeout=PATIENCE).status_code == 404


def test_a_body_over_the_limit_is_refused_before_it_is_sent(http):
    answer = infer(http, b" " * (5 << 20))
    assert answer.status_code == 413
    assert answer.json() == {"error": "the body is larger than the limit of 4194304 bytes"}
    # Without a length it is found out on the way.
    answer = infer(http, (b" " * 65536 for _ in range(80)))
    assert answer.status_code == 413


def test_curl_does_not_wait_to_be_asked_for_its_body(http):
    values = numpy.zeros((1, 150528), dtype=numpy.float32)
    head = json.dumps({"inputs": [{"name": "INPUT0", "shape": list(values.shape), "datatype": "FP32", "parameters": {
        "binary_data_size": values.nbytes}}], "parameters": {"binary_data_output": True}}).encode()
    run = subprocess.run(
        ["curl", "-sS", "-i", "-H", "Expect: 100-continue", "-H", f"Inference-Header-Content-Length: {len(head)}",
         "--expect100-timeout", "100", "--max-time", "20", "--data-binary", "@-", f"{http.url}/v2/models/wide/infer"],
        input=head + values.tobytes(), capture_output=True, check=True)
    assert run.stdout.startswith(b"HTTP/1.1 100 Continue")
    assert b"HTTP/1.1 200 OK" in run.stdout
    assert run.stdout.endswith(values.tobytes())


def test_a_slow_body_is_ended(tmp_path):
    # A server of its own: on a busy machine a client that means well is as slow as that.
    with HTTPServer(copy_models(tmp_path, "simple"), "--http-body-timeout", "1s") as server, server.http_socket() as slow:
        slow.sendall(b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = receive_all(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert b"1 bytes of the body came in" in answer


def test_a_body_that_is_cut_short_is_not_run(http):
    before = requests.get(http.url + "/v2/models/simple/stats", timeout=PATIENCE).json()["model_stats"][0]
    body = json.dumps(SIMPLE).encode()
    for head in (b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body,
                 b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n"):
        with http.http_socket() as cut:
            cut.sendall(b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: x\r\n" + head)
            cut.shutdown(socket.SHUT_WR)
            assert b" 200 " not in receive_all(cut).split(b"\r\n")[0]
    after = requests.get(http.url + "/v2/models/simple/stats", timeout=PATIENCE).json()["model_stats"][0]
    assert after["inference_count"] == before["inference_count"]


def test_a_client_that_goes_away_takes_its_request_back(http):
    failures = lambda: requests.get(http.url + "/v2/models/slow/stats", timeout=PATIENCE).json()[
        "model_stats"][0]["inference_stats"]["fail"]["count"]
    before = failures()
    body = json.dumps({"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1] * 4}]}).encode()
    gone = http.http_socket()
    with http.running():
        gone.sendall(b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.close()
    eventually(lambda: failures() > before, what="the interrupted run")


def test_a_deadline_ends_a_request(http):
    body = {"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1] * 4}]}
    assert infer(http, body, "slow", headers={"x-request-timeout-ms": "50"}).status_code == 408
    assert infer(http, body, "slow", headers={"x-request-timeout-ms": "soon"}).status_code == 400


def test_headers_have_a_limit(http):
    answer = requests.get(http.url + "/v2", headers={"x-long": "a" * 100_000}, timeout=PATIENCE)
    assert answer.status_code in (400, 431)


def receive_all(connection):
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


# Scoring


@pytest.mark.parametrize("body, answer", [
    ({"input_data": [[1, 2], [3, 4]]}, [[1.0, 2.0], [3.0, 4.0]]),
    ({"input_data": {"INPUT0": [[1, 2]]}}, [[1.0, 2.0]]),
    ({"input_data": {"columns": ["a", "b"], "index": [0], "data": [[1, 2.5]]}}, [[1.0, 2.5]]),
    ({"instances": [[1, 2], [3, 4]]}, {"predictions": [[1.0, 2.0], [3.0, 4.0]]}),
    ({"instances": [{"INPUT0": [1, 2]}]}, {"predictions": [[1.0, 2.0]]}),
    ({"inputs": {"INPUT0": [[1, 2]]}}, {"outputs": [[1.0, 2.0]]}),
    ({"inputs": [[1, 2]]}, {"outputs": [[1.0, 2.0]]}),
])
def test_the_answer_has_the_form_of_the_question(http, body, answer):
    got = score(http, body, "identity_fp32")
    assert (got.status_code, got.json()) == (200, answer)


def test_several_inputs_and_outputs_go_by_name(http):
    row = [1] * 16
    got = score(http, {"input_data": {"INPUT0": [row, row], "INPUT1": [row, row]}})
    assert got.json() == [{"OUTPUT0": [2] * 16, "OUTPUT1": [0] * 16}] * 2
    got = score(http, {"inputs": {"INPUT0": [row], "INPUT1": [row]}})
    assert got.json() == {"outputs": {"OUTPUT0": [[2] * 16], "OUTPUT1": [[0] * 16]}}


def test_bytes_alone_are_the_one_input(http):
    values = numpy.arange(3, dtype=numpy.float32)
    headers = {"Content-Type": "application/octet-stream"}
    got = score(http, values.tobytes(), "identity_fp32", headers=headers)
    assert got.json()["outputs"][0]["data"] == [0.0, 1.0, 2.0]
    got = score(http, values.tobytes(), "identity_fp32", headers=headers | {"Accept": "application/octet-stream"})
    assert got.content[int(got.headers["inference-header-content-length"]):] == values.tobytes()


def test_answers_carry_their_numbers(http):
    got = score(http, SIMPLE, headers={"x-request-id": "mine", "x-ms-client-request-id": "a/b c" + "d" * 60})
    assert len(got.headers["x-request-id"]) == 36
    assert got.headers["x-ms-client-request-id"] == "abc" + "d" * 37
    assert float(got.headers["x-ms-run-fn-exec-ms"]) > 0


def test_a_failing_model_is_told_from_a_failing_server(http):
    got = score(http, {"input_data": [[1, 2]]}, "reshapes")
    assert got.status_code == 424
    assert got.headers["ms-azureml-model-error-statuscode"] == "500"
    assert got.headers["ms-azureml-model-error-reason"] == "model_error"
    assert "Reshape" in got.json()["message"]
    # What a model lays at the request's door is the client's to mend.
    got = score(http, {"input_data": [0, 9]}, "fails")
    assert (got.status_code, "out of data bounds" in got.json()["message"]) == (400, True)


@pytest.mark.parametrize("body, headers, status, text", [
    ({"input_data": [["x"]]}, {}, 400, "input_data[0][0]: expected a number, got \"x\""),
    ({"dataframe_split": {}}, {}, 400, "expected 'inputs', 'input_data' or 'instances' as a member"),
    (b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "expected application/json or application/octet-stream"),
    (b"{}", {"Content-Type": "application/json"}, 400, "the body has none of them"),
])
def test_a_bad_score_gets_a_message(http, body, headers, status, text):
    got = score(http, body, "identity_fp32", headers=headers)
    assert got.status_code == status
    assert text in got.json()["message"]


@pytest.mark.parametrize("model", ["simple", "identity_fp32", "identity_bytes", "identity_bool", "fixed", "scalar"])
@pytest.mark.parametrize("version, word", [("2.0", None), ("3.0.3", "3"), ("3.1.0", "3.1")])
def test_the_description_is_valid_and_its_example_works(http, model, version, word):
    query = {"version": word} if word else {}
    document = requests.get(f"{http.url}/endpoints/{model}/swagger.json", params=query, timeout=PATIENCE).json()
    assert document.get("swagger", document.get("openapi")) == version
    openapi_spec_validator.validate(document)
    schemas = document["definitions"] if "definitions" in document else document["components"]["schemas"]
    got = score(http, schemas["ServiceInput"]["example"], model)
    assert got.status_code == 200, got.text


def test_an_unknown_version_of_the_description_is_told_the_known_ones(http):
    got = requests.get(http.url + "/endpoints/simple/swagger.json?version=9", timeout=PATIENCE)
    assert (got.status_code, got.json()) == (404, {"message": "version is '9': expected 2, 3 or 3.1"})


# HTTP/2, TLS, browsers


def test_http2_is_spoken_without_tls(http):
    with httpx.Client(http1=False, http2=True, timeout=PATIENCE) as client:
        for _ in range(3):
            answer = client.post(f"{http.url}/endpoints/simple/score", json=SIMPLE)
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert client.post(f"{http.url}/v2/models/simple/infer", content=b" " * (5 << 20)).status_code == 413
        assert client.get(f"{http.url}/v2").status_code == 200


def test_tls_offers_both_versions(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    credentials = grpc.ssl_channel_credentials((tmp_path / "cert.pem").read_bytes())
    options = ["--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem"]
    with HTTPServer(TEST_MODELS, *options, credentials=credentials) as server:
        url = server.url.replace("http:", "https:") + "/v2/models/simple/infer"
        for http2 in (False, True):
            context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
            with httpx.Client(http2=http2, verify=context, timeout=PATIENCE) as client:
                answer = client.post(url, json=SIMPLE)
                assert (answer.status_code, answer.http_version) == (200, "HTTP/2" if http2 else "HTTP/1.1")


def test_pages_of_an_allowed_origin_may_use_it(http):
    ask = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = requests.options(http.url + "/endpoints/simple/score", headers=ask, timeout=PATIENCE)
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    answer = score(http, SIMPLE, headers={"Origin": "https://page.example"})
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    answer = score(http, SIMPLE, headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in answer.headers


# Life


def test_models_are_loaded_and_unloaded(tmp_path):
    with HTTPServer(copy_models(tmp_path, "simple", "fixed")) as server:
        with triton.InferenceServerClient(f"127.0.0.1:{server.http_port}") as client:
            client.unload_model("fixed")
            eventually(lambda: not client.is_model_ready("fixed"), what="the unloaded model's end")
            client.load_model("fixed")
            assert client.is_model_ready("fixed")
            with pytest.raises(InferenceServerException):
                client.load_model("stranger")


def test_a_running_request_is_answered_when_the_server_stops(tmp_path):
    body = {"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    with HTTPServer(TEST_MODELS) as server, ThreadPoolExecutor() as pool:
        with server.running():
            answer = pool.submit(infer, server, body, "slow")
        server.terminate()
        assert answer.result(PATIENCE).json()["outputs"][0]["data"] == [1.0, 2.0, 3.0, 4.0]


def test_requests_in_hand_have_a_limit():
    body = {"inputs": [{"name": "INPUT0", "shape": [1, 4], "datatype": "FP32", "data": [1] * 4}]}
    with HTTPServer(TEST_MODELS, "--http-max-requests", "1") as server, ThreadPoolExecutor() as pool:
        with server.running():
            first = pool.submit(infer, server, body, "slow")
        second = infer(server, SIMPLE)
        assert (second.status_code, second.headers["retry-after"]) == (429, "1")
        assert first.result(PATIENCE).status_code == 200
