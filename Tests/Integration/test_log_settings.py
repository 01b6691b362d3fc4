"""What the server logs, read and changed while it runs, by Triton's own clients over gRPC and over HTTP."""

import grpc
import pytest
import requests
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from endpoints import EndpointServer
from server import PATIENCE, Server, copy_models, failure, free_port, pb

DEFAULTS = {
    "log_file": "", "log_info": True, "log_warning": True, "log_error": True, "log_verbose_level": 0,
    "log_format": "ISO8601"}


class LoggingServer(Server):
    """With an address for HTTP, and a client for each of its doors."""

    def __init__(self, repository, *options):
        self.http_port = free_port()
        super().__init__(repository, "--http-listen", f"127.0.0.1:{self.http_port}", *options)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}/v2/logging"

    def client(self, door):
        if door == "grpc":
            return triton_grpc.InferenceServerClient(self.address)
        return triton_http.InferenceServerClient(f"127.0.0.1:{self.http_port}")

    def load(self):
        """Logs a line at info, and one at debug."""
        self.stub().RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="fixed"), timeout=PATIENCE)


def plain(answer):
    """Settings by their names, whichever client read them."""
    if isinstance(answer, dict):
        return answer
    return {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in answer.settings.items()}


@pytest.fixture
def server(tmp_path):
    with LoggingServer(copy_models(tmp_path, "fixed", "simple")) as server:
        yield server
        server.assert_serves()


DOORS = pytest.mark.parametrize("door", ["grpc", "http"])


@DOORS
def test_settings_are_read_with_tritons_names_and_types(server, door):
    with server.client(door) as client:
        answer = client.get_log_settings()
        assert plain(answer) == DEFAULTS
        if door == "grpc":
            assert {name: value.WhichOneof("parameter_choice") for name, value in answer.settings.items()} == {
                "log_file": "string_param", "log_info": "bool_param", "log_warning": "bool_param",
                "log_error": "bool_param", "log_verbose_level": "uint32_param", "log_format": "string_param"}
        else:
            assert list(answer) == list(DEFAULTS)
        assert plain(client.update_log_settings(plain(answer))) == DEFAULTS  # what was read may be sent back


@DOORS
def test_a_change_is_the_whole_servers_and_decides_what_is_logged(server, door):
    other = {"grpc": "http", "http": "grpc"}[door]
    with server.client(door) as client, server.client(other) as onlooker:
        expected = DEFAULTS | {"log_info": False, "log_verbose_level": 1}
        assert plain(client.update_log_settings({"log_info": False, "log_verbose_level": 1})) == expected
        assert plain(onlooker.get_log_settings()) == expected
        said = len(server.log())
        server.load()
        lines = server.log()[said:]
        assert " debug apus.models loaded " in lines
        assert " info " not in lines

        assert plain(onlooker.update_log_settings({"log_info": True, "log_verbose_level": 0})) == DEFAULTS
        said = len(server.log())
        server.load()
        lines = server.log()[said:]
        assert " info apus.models ready " in lines
        assert " debug " not in lines


@DOORS
@pytest.mark.parametrize("setting, value, reason", [
    ("log_file", "apus.log", "log_file is 'apus.log': expected '', because this server logs to standard error"),
    ("log_format", "default", "log_format is 'default': expected 'ISO8601'"),
    ("log_infos", True, "unknown log setting 'log_infos': expected one of log_file, log_info, log_warning, log_error, ")])
def test_what_cannot_be_set_is_refused_by_name_and_nothing_changes(server, door, setting, value, reason):
    with server.client(door) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.update_log_settings({"log_warning": False, setting: value})
        assert reason in caught.value.message()
        assert plain(client.get_log_settings()) == DEFAULTS


@pytest.mark.parametrize("body, reason", [
    ('{"log_info": "no"}', "log_info is 'no': expected true or false"),
    ('{"log_info": 1}', "log_info is 1: expected true or false"),
    ('{"log_info": []}', "log_info: expected true, false, a whole number or a string"),
    ('{"log_verbose_level": true}', "log_verbose_level is true: expected a whole number"),
    ('{"log_verbose_level": -1}', "log_verbose_level: expected an integer from 0 to 4294967295, got -1"),
    ('{"log_verbose_level": 4294967296}', "log_verbose_level: expected an integer from 0 to 4294967295"),
    ('{"log_info": true, "log_info": true}', "log_info: given twice"), ("[]", "expected an object"), ("{", "expected")])
def test_values_of_another_type_are_refused_over_http(server, body, reason):
    answer = requests.post(server.url, data=body, timeout=PATIENCE)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert requests.get(server.url, timeout=PATIENCE).json() == DEFAULTS


def test_values_of_another_type_are_refused_over_grpc(server):
    request = pb.LogSettingsRequest()
    request.settings["log_info"].uint32_param = 1
    error = failure(server.stub().LogSettings, request)
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "log_info is 1: expected true or false")


def test_a_setting_without_a_value_stays_as_it_is(server):
    assert requests.post(server.url, data='{"log_info": null}', timeout=PATIENCE).json() == DEFAULTS
    assert requests.post(server.url, data="", timeout=PATIENCE).json() == DEFAULTS
    request = pb.LogSettingsRequest()
    request.settings["log_info"].SetInParent()
    assert plain(server.stub().LogSettings(request, timeout=PATIENCE)) == DEFAULTS


@DOORS
def test_without_model_control_settings_are_read_only(tmp_path, door):
    with LoggingServer(copy_models(tmp_path, "simple"), "--no-model-control", "--log-level", "warning") as server:
        with server.client(door) as client:
            with pytest.raises(InferenceServerException, match="not allowed: model control is switched off"):
                client.update_log_settings({"log_info": True})
            assert plain(client.get_log_settings()) == DEFAULTS | {"log_info": False}


def test_a_server_with_endpoints_lets_nobody_change_its_log_over_the_data_doors(tmp_path):
    with EndpointServer(tmp_path) as server:
        request = pb.LogSettingsRequest()
        request.settings["log_error"].bool_param = False
        for credential in (None, server.token):
            assert server.call("LogSettings", request, credential)[0] == grpc.StatusCode.UNAVAILABLE
        answer = requests.post(f"{server.http}/v2/logging", json={"log_error": False}, timeout=PATIENCE)
        assert answer.status_code == 503 and "model control is switched off" in answer.text
        assert server.get("/v2/logging").json() == DEFAULTS
