"""What bad input gets from the control plane and the doors of the real program: an error that names the field and the value,
and a server that goes on."""

import hashlib
import json
import threading
import urllib.parse

import grpc
import pytest
import requests
from endpoints import ONES, EndpointServer, infer
from server import CACHE, DONE, FAILED, PATIENCE, TEST_MODELS, USAGE


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    options = ["--max-body-bytes", "64KiB", "--max-message-bytes", "1MiB", "--instance-type", "huge=64,1Gi"]
    with EndpointServer(tmp_path_factory.mktemp("bad"), *options) as server:
        server.make_model("simple")
        server.make_endpoint("steady")
        server.make_deployment("steady", "blue")
        server.set_traffic("steady", blue=100)
        server.key = server.keys("steady")[0]
        yield server


@pytest.fixture
def server(shared):
    """The shared server, whose endpoint must serve the next request after whatever the test did."""
    yield shared
    assert shared.score("steady", shared.key).status_code == 200
    assert shared.call("ModelInfer", infer("steady"), shared.key)[0] == grpc.StatusCode.OK


def refusal(answer):
    """Code and message of an error of the control plane."""
    error = answer.json()["error"]
    return error["code"], error["message"] + " ".join(str(detail) for detail in error["details"])


# MARK: endpoints and deployments


@pytest.mark.parametrize("share", [99, 101, -1, 50.5, "100", 1 << 62])
def test_traffic_that_does_not_sum_to_a_hundred_is_refused(server, share):
    traffic = {"blue": share}
    code, said = refusal(server.ask("PATCH", "onlineEndpoints/steady", {"properties": {"traffic": traffic}}, status=400))
    assert code == "BadArgument" and "traffic" in said
    assert server.ask("GET", "onlineEndpoints/steady").json()["properties"]["traffic"] == {"blue": 100}


def test_traffic_of_ninety_nine_is_refused_by_the_command_with_the_sum(server):
    done = server.run("endpoint", "update", "-n", "steady", "--traffic", "blue=99", status=None)
    assert done.returncode in (FAILED, USAGE) and "99" in done.stderr and "traffic" in done.stderr


def test_traffic_to_a_deployment_that_is_not_there_is_refused_with_those_that_are(server):
    body = {"properties": {"traffic": {"blue": 50, "red": 50}}}
    code, said = refusal(server.ask("PATCH", "onlineEndpoints/steady", body, status=400))
    assert code == "BadArgument" and "'red'" in said and "'blue'" in said
    done = server.run("endpoint", "update", "-n", "steady", "--traffic", "blue=0 red=100", status=FAILED)
    assert "'red'" in done.stderr
    body = {"properties": {"mirrorTraffic": {"red": 10}}}
    assert "'red'" in refusal(server.ask("PATCH", "onlineEndpoints/steady", body, status=400))[1]


def test_a_deployment_that_holds_traffic_cannot_be_deleted(server):
    code, said = refusal(server.ask("DELETE", "onlineEndpoints/steady/deployments/blue", status=409))
    assert code == "Conflict" and "100 %" in said and "'blue'" in said
    done = server.run("deployment", "delete", "-e", "steady", "-n", "blue", "-y", status=FAILED)
    assert "(Conflict)" in done.stderr


def test_of_two_concurrent_updates_one_wins_and_the_other_is_told(server):
    etag = server.ask("GET", "onlineEndpoints/steady").headers["etag"]
    together = threading.Barrier(8)
    statuses = []

    def change(number):
        together.wait(PATIENCE)
        answer = requests.patch(
            f"{server.control}/workspaces/default/onlineEndpoints/steady", json={"tags": {"writer": str(number)}},
            headers={"authorization": f"Bearer {server.token}", "if-match": etag}, timeout=PATIENCE)
        statuses.append((answer.status_code, number))

    writers = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(status for status, _ in statuses) == [200] + [412] * 7
    winner = next(number for status, number in statuses if status == 200)
    assert server.ask("GET", "onlineEndpoints/steady").json()["tags"]["writer"] == str(winner)


def test_two_creations_of_one_name_make_one_endpoint(server):
    create = lambda: server.start_command("endpoint", "create", "-n", "twins")
    ends = [process.wait(PATIENCE) for process in (create(), create())]
    assert sorted(ends) == [DONE, FAILED]
    server.ask("DELETE", "onlineEndpoints/twins")


def test_a_change_of_a_deployment_that_is_being_changed_is_refused(server):
    server.make_endpoint("busy")
    first = server.put_deployment("busy", "blue")
    body = {"properties": {"model": "azureml:simple:1", "instanceType": "Standard_DS3_v2"}, "sku": {"capacity": 2}}
    second = requests.put(f"{server.control}/workspaces/default/onlineEndpoints/busy/deployments/blue", json=body,
                          headers={"authorization": f"Bearer {server.token}"}, timeout=PATIENCE)
    server.await_operation(first)
    # Either it came in time to be refused, or the first one was done.
    assert second.status_code in (409, 202)
    if second.status_code == 409:
        assert refusal(second)[0] == "Conflict" and "operation" in refusal(second)[1]
    else:
        server.await_operation(second)
    server.await_operation(server.ask("DELETE", "onlineEndpoints/busy"))


@pytest.mark.parametrize("name", ["a" * 33, "ab", "-abc", "abc-", "1abc", "a_b_c", "a..b", "abç", "a b c", "%00abc"])
def test_a_name_that_is_none_is_refused_with_the_rule(server, name):
    path = urllib.parse.quote(name, safe="%")
    code, said = refusal(server.ask("PUT", f"onlineEndpoints/{path}", {"properties": {"authMode": "Key"}}, status=400))
    assert code == "BadArgument" and "name" in said and ("32" in said or "letter" in said)
    code, said = refusal(server.ask(
        "PUT", f"onlineEndpoints/steady/deployments/{path}", {"properties": {"model": "azureml:simple:1"}}, status=400))
    assert code == "BadArgument" and "name" in said


def test_a_name_of_33_characters_is_refused_by_the_command_and_one_of_32_is_not(server):
    done = server.run("endpoint", "create", "-n", "a" * 33, status=USAGE)
    assert "a" * 33 in done.stderr and "32" in done.stderr
    server.run("endpoint", "create", "-n", "a" * 32)
    server.ask("DELETE", f"onlineEndpoints/{'a' * 32}")


def test_a_deployment_that_cannot_work_fails_with_a_reason_and_takes_no_traffic(server, tmp_path):
    folder = tmp_path / "broken" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"this is no model")
    server.make_model("broken", tmp_path / "broken")
    operation = server.await_operation(server.put_deployment("steady", "red", "broken"), ends="Failed")
    assert operation["error"]["message"]
    shown = server.ask("GET", "onlineEndpoints/steady/deployments/red").json()
    assert shown["properties"]["provisioningState"] == "Failed"
    body = {"properties": {"traffic": {"blue": 50, "red": 50}}}
    assert "'red'" in refusal(server.ask("PATCH", "onlineEndpoints/steady", body, status=409))[1]
    server.await_operation(server.ask("DELETE", "onlineEndpoints/steady/deployments/red"))


def test_more_than_the_machine_has_is_refused_with_what_is_free(server):
    body = {"properties": {"model": "azureml:simple:1", "instanceType": "huge"}}
    code, said = refusal(server.ask("PUT", "onlineEndpoints/steady/deployments/huge", body, status=400))
    assert code == "OutOfQuota" and "free" in said and "'steady/blue'" in said


def test_no_model_is_sent_or_kept_for_a_deployment_that_there_is_no_room_for(server, tmp_path):
    """What the file nests; a reference to it is what the real one would have, so the same file with room for it is taken."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_bytes(bytes(range(256)) * 4096)
    text = "name: large\nendpoint_name: steady\ninstance_type: huge\nmodel: {path: model}\n"

    def kept():
        models = server.ask("GET", "models?listViewType=All").json()["value"]
        return [model["name"] for model in models], sorted((server.data / "artifacts").rglob("*"))

    before = kept()
    (tmp_path / "large.yml").write_text(text)
    done = server.run("deployment", "create", "-f", tmp_path / "large.yml", status=FAILED)
    assert "(OutOfQuota)" in done.stderr and "free" in done.stderr and "MiB" not in done.stderr
    (tmp_path / "script.yml").write_text(
        text.replace("huge", "Standard_DS3_v2") + "code_configuration: {code: ., scoring_script: score.py}\n")
    (tmp_path / "score.py").write_text("def init(): pass\n")
    done = server.run("deployment", "create", "-f", tmp_path / "script.yml", status=FAILED)
    assert "(NotImplemented) code_configuration" in done.stderr
    assert kept() == before


def test_a_change_that_is_only_looked_at_is_told_apart_by_one_word(server):
    place = "onlineEndpoints/steady/deployments/blue?validateOnly="
    code, said = refusal(server.ask("PATCH", place + "maybe", {}, status=400))
    assert code == "BadArgument" and "validateOnly is 'maybe'" in said


def test_an_instance_type_that_is_not_declared_is_refused(server):
    body = {"properties": {"model": "azureml:simple:1", "instanceType": "Standard_NV36"}}
    code, said = refusal(server.ask("PUT", "onlineEndpoints/steady/deployments/other", body, status=400))
    assert "Standard_NV36" in said and "Standard_DS3_v2" in said


# MARK: bodies


def test_a_body_larger_than_the_limit_is_refused_at_both_doors(server):
    big = ONES | {"padding": "x" * (64 << 10)}
    answer = server.score("steady", server.key, body=big)
    assert answer.status_code == 413 and "65536" in answer.text.replace(",", "").replace(" ", "")
    request = infer("steady")
    request.raw_input_contents[0] = bytes(1 << 20)
    code, said, _, _ = server.call("ModelInfer", request, server.key)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "1048576" in said


def test_a_large_body_of_a_caller_without_a_right_is_not_read(server):
    assert server.score("steady", "wrong", body=ONES | {"padding": "x" * (64 << 10)}).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"properties": 1}', b"[" * 60_000, b'{"a":' * 12_000])
def test_a_body_of_the_control_plane_that_is_no_resource_is_refused(server, body):
    answer = requests.put(f"{server.control}/workspaces/default/onlineEndpoints/never", data=body, timeout=PATIENCE,
                          headers={"authorization": f"Bearer {server.token}", "content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadArgument")
    server.ask("GET", "onlineEndpoints/never", status=404)


def test_a_body_of_the_control_plane_past_its_limit_is_refused(server):
    body = b'{"tags": {"a": "' + b"x" * (33 << 20) + b'"}}'
    try:
        answer = requests.put(f"{server.control}/workspaces/default/onlineEndpoints/never", data=body, timeout=PATIENCE,
                              headers={"authorization": f"Bearer {server.token}"})
        assert answer.status_code == 413
    except requests.ConnectionError:
        pass  # It has answered, and closed while we were still sending.


# MARK: YAML


def test_a_yaml_bomb_costs_neither_memory_nor_a_request(server):
    lines = ["name: bomb", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    file = server.write("bomb.yml", "\n".join(lines))
    done = server.run("endpoint", "create", "-f", file, status=USAGE)
    assert "bomb.yml" in done.stderr and len(done.stderr) < 4096


def test_yaml_of_ten_megabytes_is_refused_with_the_limit(server):
    file = server.write("big.yml", "name: big\ndescription: " + "x" * (10 << 20) + "\n")
    done = server.run("endpoint", "create", "-f", file, status=USAGE)
    assert "big.yml" in done.stderr and len(done.stderr) < 4096
    file = server.write("deep.yml", "a: " + "[" * 100_000)
    assert len(server.run("endpoint", "create", "-f", file, status=USAGE).stderr) < 4096


def test_an_unknown_key_is_told_with_the_nearest_one(server):
    file = server.write("typo.yml", "name: typo\nauth_mod: key\n")
    done = server.run("endpoint", "create", "-f", file, status=USAGE)
    assert "auth_mod" in done.stderr and "auth_mode" in done.stderr and "line 2" in done.stderr


# MARK: models


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def manifest(*files):
    """Of paths and contents."""
    lines = [f"{sha256(content)} {len(content)} - {path}\n" for path, content in files]
    return "apus-tree 1\n" + "".join(lines)


@pytest.mark.parametrize("path", [
    "../escaped", "/etc/escaped", "a/../../escaped", "a/./b", "a//b", "", ".", "..", "a/..", "a\x00b", "a" * 5000])
def test_a_file_of_a_model_that_leaves_its_directory_is_refused(server, path):
    code, said = refusal(server.ask("POST", "uploads", {"manifest": manifest((path, b"x"))}, status=400))
    assert code == "BadArgument" and "path" in said


def test_a_reference_to_files_outside_is_refused_by_the_server(server):
    for uri in ("file:///etc/passwd", "../../etc/passwd", "/etc/passwd", "artifact:../../master.key", "artifact:" + "0" * 64):
        body = {"properties": {"modelUri": uri, "modelType": "custom_model"}}
        answer = requests.put(f"{server.control}/workspaces/default/models/outside/versions/1", json=body, timeout=PATIENCE,
                              headers={"authorization": f"Bearer {server.token}"})
        assert answer.status_code in (400, 404), answer.text
    for path in ("..%2F..%2Fmaster.key", "../../../master.key", "%2e%2e/%2e%2e/master.key", "1/..%2f..%2f..%2fmaster.key"):
        session, url = requests.Session(), f"{server.control}/workspaces/default/models/simple/versions/1/files/{path}"
        request = requests.Request("GET", url, headers={"authorization": f"Bearer {server.token}"}).prepare()
        request.url = url
        answer = session.send(request, timeout=PATIENCE)
        assert answer.status_code in (400, 404), (path, answer.status_code)


@pytest.mark.parametrize("config", [
    'default_model_filename: "../../../../../../etc/passwd"', 'default_model_filename: "/etc/passwd"',
    'name: "../simple"\ndefault_model_filename: "../1/model.onnx"'])
def test_a_model_whose_configuration_leaves_its_directory_fails_to_deploy(server, tmp_path, config):
    folder = tmp_path / "outside"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes((TEST_MODELS / "simple/1/model.onnx").read_bytes())
    (folder / "config.pbtxt").write_text(config)
    version = sha256(config.encode())[:8]
    server.make_model("outside", folder, version)
    body = {"model": f"azureml:outside:{version}", "instanceType": "Standard_DS3_v2"}
    answer = server.ask("PUT", "onlineEndpoints/steady/deployments/outside", {"properties": body})
    operation = server.await_operation(answer, ends="Failed")
    assert "filename" in operation["error"]["message"] or "name" in operation["error"]["message"]
    assert "root:" not in json.dumps(operation)
    server.await_operation(server.ask("DELETE", "onlineEndpoints/steady/deployments/outside"))


def test_a_model_whose_weights_lie_elsewhere_fails_to_deploy(server):
    server.make_model("elsewhere", CACHE / "broken-test-models/weights_elsewhere")
    operation = server.await_operation(server.put_deployment("steady", "outside", "elsewhere"), ends="Failed")
    assert operation["error"]["message"]
    server.await_operation(server.ask("DELETE", "onlineEndpoints/steady/deployments/outside"))


def test_a_version_of_a_model_never_changes(server, tmp_path):
    (tmp_path / "model.onnx").write_bytes((TEST_MODELS / "fails/1/model.onnx").read_bytes())
    done = server.run("model", "create", "-n", "simple", "-v", "1", "-p", tmp_path, status=FAILED)
    assert "simple" in done.stderr


# MARK: uploads


def test_a_content_that_is_not_what_its_manifest_says_is_refused(server):
    content = b"promised"
    opened = server.ask("POST", "uploads", {"manifest": manifest(("a", content))}).json()
    place = f"uploads/{opened['uploadId']}"
    authorization = {"authorization": f"Bearer {server.token}", "content-range": "bytes 0-7/8"}
    answer = requests.patch(f"{server.control}/workspaces/default/{place}/blobs/{sha256(content)}", data=b"replaced",
                            headers=authorization, timeout=PATIENCE)
    assert answer.status_code == 409 and sha256(content)[:8] in answer.text, answer.text
    # Nothing of it is kept, and the right content can still come.
    assert server.ask("GET", place).json()["missing"] == [{"sha256": sha256(content), "size": 8, "offset": 0}]
    server.ask("POST", f"{place}/complete", status=409)
