"""The commands for endpoints and what belongs to them, as a shell sees them: what they ask of a control plane, what they
print, and the number at the end. The control plane is scripted; what a real one does with it, other tests show."""

import hashlib
import json
import os
import stat
import subprocess

import pytest

from control_plane import BASE, ControlPlane
from server import APUS, PATIENCE, environment
from test_transport import certificates  # noqa: F401 (a fixture)

DONE, FAILED, NOT_FOUND, USAGE, UNREACHABLE, NO_PERMISSION = 0, 1, 3, 64, 69, 77


@pytest.fixture
def plane():
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def apus(plane, tmp_path):
    """Runs the program in a folder and with a home of its own, talking to the scripted control plane."""

    def run(*arguments, status=DONE, stdin=None, **variables):
        settings = {
            "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data"),
            "APUS_SERVER": plane.address, **variables}
        settings = {name: value for name, value in (environment() | settings).items() if value is not None}
        done = subprocess.run(
            [str(part) for part in (APUS, *arguments)], input=stdin, capture_output=True, text=True, cwd=tmp_path,
            env=settings, timeout=PATIENCE)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done

    return run


def write(folder, name, text):
    (folder / name).write_text(text)
    return name


ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: churn
auth_mode: key
tags: {team: risk}
"""


def endpoint(plane, name="churn", **properties):
    plane.keep(f"/onlineEndpoints/{name}", {"tags": {}, "properties": {"authMode": "Key", "traffic": {}} | properties})


# MARK: endpoints


def test_a_file_becomes_the_body_of_a_put(plane, apus, tmp_path):
    done = apus("endpoint", "create", "-f", write(tmp_path, "endpoint.yml", ENDPOINT))
    put, = plane.sent("PUT")
    assert put.path == BASE + "/onlineEndpoints/churn"
    assert put.headers["if-none-match"] == "*"
    assert put.body["tags"] == {"team": "risk"}
    assert put.body["properties"]["authMode"] == "Key"
    shown = json.loads(done.stdout)
    assert (shown["name"], shown["auth_mode"], shown["provisioning_state"]) == ("churn", "key", "Succeeded")
    assert shown["scoring_uri"].endswith("/endpoints/churn/score")


def test_options_and_edits_override_the_file(plane, apus, tmp_path):
    apus("online-endpoint", "create", "-f", write(tmp_path, "e.yml", ENDPOINT), "-n", "other", "--auth-mode", "aml_token",
         "--set", "tags.team=fraud", "tags.level=7", "--force-string", "--remove", "description",
         status=USAGE)  # nothing to remove
    apus("online-endpoint", "create", "-f", "e.yml", "-n", "other", "--auth-mode", "aml_token",
         "--set", "tags.team=fraud", "tags.level=7", "--force-string")
    put, = plane.sent("PUT")
    assert put.place == "/onlineEndpoints/other"
    assert put.body["tags"] == {"team": "fraud", "level": "7"}
    assert put.body["properties"]["authMode"] == "AMLToken"


def test_a_create_of_what_is_there_fails_unless_that_is_fine(plane, apus):
    endpoint(plane)
    done = apus("endpoint", "create", "-n", "churn", status=FAILED)
    assert "churn is there already" in done.stderr and done.stdout == ""
    done = apus("endpoint", "create", "-n", "churn", "--exist-ok", "--query", "name", "-o", "tsv")
    assert done.stdout == "churn\n"
    assert plane.sent("PUT") == []


def test_an_unknown_key_is_told_with_its_line_and_costs_no_request(plane, apus, tmp_path):
    done = apus("endpoint", "create", "-f", write(tmp_path, "e.yml", "name: churn\nauth_mod: key\n"), status=USAGE)
    assert "auth_mod" in done.stderr and "auth_mode" in done.stderr and "line 2" in done.stderr
    assert plane.requests == []


def test_traffic_changes_only_what_it_names_and_only_what_was_seen(plane, apus):
    endpoint(plane, description="who leaves", mirrorTraffic={"green": 20})
    apus("endpoint", "update", "-n", "churn", "-r", "blue=90 green=10", "--mirror-traffic", "")
    put, = plane.sent("PUT")
    assert put.headers["if-match"] == '"0"'
    assert put.body["properties"]["traffic"] == {"blue": 90, "green": 10}
    assert put.body["properties"].get("mirrorTraffic", {}) == {}
    assert put.body["properties"]["description"] == "who leaves"


def test_who_comes_second_is_told(plane, apus):
    endpoint(plane)
    plane.rule("PUT", "/onlineEndpoints/churn", (412, {"error": {"code": "PreconditionFailed", "message": "it changed"}}))
    done = apus("endpoint", "update", "-n", "churn", "--set", "tags.a=b", status=FAILED)
    assert "(PreconditionFailed) it changed" in done.stderr and "again" in done.stderr


@pytest.mark.parametrize("traffic, said", [
    ("blue=fifty", "'blue=fifty'"), ("blue", "'blue'"), ("blue=101", "'blue=101'"), ("a=1 a=2", "given twice")])
def test_shares_that_are_none(plane, apus, traffic, said):
    endpoint(plane)
    done = apus("endpoint", "update", "-n", "churn", "--traffic", traffic, status=USAGE)
    assert "--traffic" in done.stderr and said in done.stderr


def test_what_is_not_there_has_a_status_of_its_own(plane, apus):
    done = apus("endpoint", "show", "-n", "none", status=NOT_FOUND)
    assert (done.stdout, "ResourceNotFound" in done.stderr) == ("", True)


@pytest.mark.parametrize("status, code, ends", [
    (401, "Unauthorized", NO_PERMISSION), (403, "AuthorizationFailed", NO_PERMISSION), (400, "BadArgument", FAILED),
    (500, "InternalServerError", FAILED)])
def test_refusals_are_told_in_the_servers_words(plane, apus, status, code, ends):
    error = {"code": code, "message": "no, because", "details": [{"message": "this"}, {"message": "and that"}]}
    plane.rule("GET", "/onlineEndpoints", (status, {"error": error}))
    done = apus("endpoint", "list", status=ends)
    assert f"({code}) no, because\n  this\n  and that\n" in done.stderr


def test_an_answer_that_is_no_json_is_quoted(plane, apus):
    plane.rule("GET", "/onlineEndpoints", (502, b"<html>Bad gateway</html>"))
    assert "<html>Bad gateway</html>" in apus("endpoint", "list", status=FAILED).stderr


def test_a_server_that_is_not_there(apus, tmp_path):
    done = apus("endpoint", "list", "--server", "http://127.0.0.1:1", status=UNREACHABLE)
    assert "can't reach http://127.0.0.1:1: Connection refused" in done.stderr
    done = apus("endpoint", "list", "--server", f"unix:{tmp_path}/none.sock", status=UNREACHABLE)
    assert "none.sock" in done.stderr
    assert "no server" in apus("endpoint", "list", status=USAGE, APUS_SERVER=None).stderr
    assert "unix:PATH" in apus("endpoint", "list", "--server", "127.0.0.1:8001", status=USAGE).stderr


def test_lists_in_all_forms(plane, apus):
    endpoint(plane, "churn", traffic={"blue": 90, "green": 10})
    endpoint(plane, "fraud")
    assert [e["name"] for e in json.loads(apus("endpoint", "list").stdout)] == ["churn", "fraud"]
    assert apus("endpoint", "list", "--query", "[].[name, auth_mode]", "-o", "tsv").stdout == "churn\tkey\nfraud\tkey\n"
    table = apus("endpoint", "list", "-o", "table").stdout.splitlines()
    assert table[0].split()[:4] == ["NAME", "AUTH", "STATE", "TRAFFIC"] and "blue=90 green=10" in table[1]
    assert "- name: churn" in apus("endpoint", "list", "-o", "yaml", "--query", "[].{name: name}").stdout
    assert apus("endpoint", "list", "-o", "none").stdout == ""
    assert "\x1b[34m" in apus("endpoint", "list", "-o", "jsonc").stdout
    assert json.loads(apus("endpoint", "list", APUS_OUTPUT="table", *["-o", "json"]).stdout)
    assert apus("endpoint", "list", APUS_OUTPUT="table").stdout.startswith("NAME")


def test_a_list_of_many_pages_is_one(plane, apus):
    pages = [[{"name": f"e{i}", "properties": {"authMode": "Key"}} for i in range(start, start + 2)] for start in (0, 2, 4)]
    plane.rule("GET", "/onlineEndpoints", lambda request: (
        200, {"value": pages[int(dict(p.split("=") for p in request.query.split("&") if p).get("skip", 0)) // 2]}
        | ({"nextSkip": 2} if not request.query else {"nextSkip": 4} if "skip=2" in request.query else {})))
    assert apus("endpoint", "list", "--query", "[].name", "-o", "tsv").stdout.split() == [f"e{i}" for i in range(6)]


def test_an_element_that_cannot_be_read_does_not_hide_a_list(plane, apus):
    plane.rule("GET", "/onlineEndpoints", (200, {"value": [
        {"name": "x", "properties": {"authMode": "Key", "novelKey": {"innerKey": 1}}}, {"name": "churn", "odd": 1, "properties": {
            "authMode": "Key", "novelKey": {"innerKey": 1}}}]}))
    shown = json.loads(apus("endpoint", "list").stdout)
    assert [(e["name"], e["novel_key"]) for e in shown] == [("x", {"inner_key": 1}), ("churn", {"inner_key": 1})]


def test_a_wrong_query_costs_no_request(plane, apus):
    done = apus("endpoint", "list", "--query", "[?name=='x'", status=USAGE)
    assert "query, character 12" in done.stderr
    assert plane.requests == []


def test_deleting_must_be_confirmed_where_nobody_can_be_asked(plane, apus):
    endpoint(plane)
    assert "--yes" in apus("endpoint", "delete", "-n", "churn", status=USAGE).stderr
    assert plane.sent("DELETE") == []
    apus("endpoint", "delete", "-n", "churn", "-y", "-g", "any-group")
    assert len(plane.sent("DELETE", "/onlineEndpoints/churn")) == 1


# MARK: operations

def operation(plane, *steps, place="/onlineEndpoints/churn"):
    """The next PUT begins an operation that goes through these steps."""
    def begin(request):
        plane.keep(request.place, request.body)
        address = f"http://elsewhere.example{BASE}/operations/17"
        return 201, plane.kept[request.place], {"Azure-AsyncOperation": address, "Location": address}
    plane.rule("PUT", place, begin)
    plane.rule("GET", "/operations/17", *[(200, {"name": "17"} | step) for step in steps])


def test_a_long_operation_is_followed_to_its_end(plane, apus):
    operation(plane, {"status": "InProgress", "percentComplete": 20, "message": "loading"},
              {"status": "InProgress", "percentComplete": 80, "message": "warming"}, {"status": "Succeeded"})
    done = apus("endpoint", "create", "-n", "churn")
    assert done.stderr.splitlines() == [
        "endpoint churn: InProgress 20 %, loading", "endpoint churn: InProgress 80 %, warming", "endpoint churn: Succeeded"]
    assert json.loads(done.stdout)["name"] == "churn"
    assert apus("endpoint", "create", "-n", "fraud", "--only-show-errors").stderr == ""


def test_a_failed_operation_says_why(plane, apus):
    operation(plane, {"status": "Failed", "error": {"code": "OutOfQuota", "message": "2 cores are free; 4 are asked for"}})
    done = apus("endpoint", "create", "-n", "churn", status=FAILED)
    assert "(OutOfQuota) endpoint churn: Failed: 2 cores are free; 4 are asked for" in done.stderr


def test_nobody_waits_with_no_wait(plane, apus):
    operation(plane, {"status": "InProgress"})
    done = apus("endpoint", "create", "-n", "churn", "--no-wait")
    assert "operation show --name 17" in done.stderr and plane.sent("GET", "/operations/17") == []
    plane.rule("GET", "/operations/17", (200, {"name": "17", "status": "Succeeded", "kind": "createEndpoint"}))
    assert json.loads(apus("operation", "wait", "-n", "17").stdout)["status"] == "Succeeded"
    assert apus("operation", "show", "-n", "17", "--query", "status", "-o", "tsv").stdout == "Succeeded\n"


# MARK: credentials and calls

def test_credentials_by_mode(plane, apus):
    endpoint(plane)
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (200, {"primaryKey": "p", "secondaryKey": "s"}))
    assert apus("endpoint", "get-credentials", "-n", "churn", "--query", "primaryKey", "-o", "tsv").stdout == "p\n"
    plane.rule("POST", "/onlineEndpoints/churn/regenerateKeys", (202, None))
    assert "--yes" in apus("endpoint", "regenerate-keys", "-n", "churn", status=USAGE).stderr
    apus("endpoint", "regenerate-keys", "-n", "churn", "--key-type", "secondary", "-y")
    assert plane.sent("POST", ".*regenerateKeys")[0].body == {"keyType": "Secondary"}
    endpoint(plane, authMode="AMLToken")
    plane.rule("POST", "/onlineEndpoints/churn/token", (200, {"accessToken": "t", "expiryTimeUtc": 9}))
    for verb in ("get-credentials", "get-token"):
        assert json.loads(apus("endpoint", verb, "-n", "churn").stdout)["accessToken"] == "t"
    endpoint(plane, authMode="AADToken")
    assert "issuer" in apus("endpoint", "get-credentials", "-n", "churn", status=USAGE).stderr


def test_invoke_sends_what_callers_send(plane, apus, tmp_path):
    endpoint(plane)
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (200, {"primaryKey": "p", "secondaryKey": "s"}))
    plane.rule("POST", "/endpoints/churn/score", (200, b'{"predictions": [1, 2]}'))
    write(tmp_path, "row.json", '{"rows": [[1]]}')
    done = apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", "-d", "green")
    assert (done.stdout, done.stderr) == ('{"predictions": [1, 2]}', "")
    call, = plane.sent("POST", "/endpoints/churn/score")
    assert call.content == b'{"rows": [[1]]}'
    assert call.headers["authorization"] == "Bearer p"
    assert call.headers["azureml-model-deployment"] == "green"
    assert call.headers["content-type"] == "application/json"
    done = apus("invoke", "-n", "churn", "-r", "-", "--query", "predictions[1]", stdin="{}")
    assert done.stdout == "2\n"


def test_invoke_without_the_right_to_keys(plane, apus, tmp_path):
    endpoint(plane)
    plane.rule("POST", "/onlineEndpoints/churn/listKeys", (403, {"error": {"code": "AuthorizationFailed", "message": "no"}}))
    plane.rule("POST", "/endpoints/churn/score", (200, b"[]"))
    write(tmp_path, "row.json", "{}")
    assert "APUS_ENDPOINT_KEY" in apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", status=NO_PERMISSION).stderr
    apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", APUS_ENDPOINT_KEY="k")
    assert plane.sent("POST", "/endpoints/.*")[0].headers["authorization"] == "Bearer k"


def test_an_endpoints_error_is_told_with_the_models_own_status(plane, apus, tmp_path):
    endpoint(plane, authMode="AADToken")
    plane.rule("POST", "/endpoints/churn/score", (
        424, {"error": {"code": "ModelError", "message": "shape"}}, {"ms-azureml-model-error-statuscode": "400"}))
    write(tmp_path, "row.json", "{}")
    done = apus("endpoint", "invoke", "-n", "churn", "-r", "row.json", status=FAILED, APUS_TOKEN="mine")
    assert "answered 424: shape (the model's own status: 400)" in done.stderr
    assert plane.sent("POST", "/endpoints/.*")[0].headers["authorization"] == "Bearer mine"


# MARK: uploads

class Uploads:
    """The server's side of uploads: holds blobs by digest, and may stop in the middle."""

    def __init__(self, plane):
        self.blobs, self.trees, self.breaks = {}, {}, []
        plane.rule("POST", "/uploads", self.begin)
        plane.rule("GET", "/uploads/u", lambda request: (200, self.status()))
        plane.rule("PATCH", "/uploads/u/blobs/.*", self.append)
        plane.rule("POST", "/uploads/u/complete", self.complete)

    def begin(self, request):
        self.text = request.body["manifest"]
        head, *lines = self.text.splitlines()
        assert head == "apus-tree 1"
        self.files = [(line.split(" ", 3)) for line in lines]
        return 201, self.status()

    def status(self):
        missing = [{"sha256": digest, "offset": len(self.blobs.get(digest, b"")), "size": int(size)}
                   for digest, size, _, _ in self.files if len(self.blobs.get(digest, b"")) < int(size)]
        return {"uploadId": "u", "missing": missing, "digest": hashlib.sha256(self.text.encode()).hexdigest()}

    def append(self, request):
        digest = request.path.rsplit("/", 1)[1]
        unit, span = request.headers["content-range"].split(" ")
        start, end = (int(part) for part in span.split("/")[0].split("-"))
        held = self.blobs.get(digest, b"")
        if start != len(held):
            return 409, {"error": {"code": "Conflict", "message": f"the next byte is {len(held)}"}}
        assert len(request.content) == end - start + 1
        if self.breaks:
            self.blobs[digest] = held + request.content[: self.breaks.pop(0)]
            return None
        self.blobs[digest] = held + request.content
        return 200, {"offset": len(self.blobs[digest])}

    def complete(self, request):
        for digest, size, _, _ in self.files:
            assert hashlib.sha256(self.blobs.get(digest, b"")).hexdigest() == digest
        tree = hashlib.sha256(self.text.encode()).hexdigest()
        self.trees[tree] = self.text
        return 200, {"digest": tree, "modelUri": f"artifact:{tree}"}


def model_folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.onnx").write_bytes(os.urandom(300_000))
    (folder / "labels.txt").write_text("no\nyes\n")
    (folder / "empty").write_bytes(b"")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_a_folder_is_uploaded_and_registered_under_the_next_number(plane, apus, tmp_path):
    uploads = Uploads(plane)
    model_folder(tmp_path)
    plane.keep("/models/churn/versions/7", {"properties": {}})
    done = apus("model", "create", "-n", "churn", "--path", "model", "--type", "custom_model", "--set", "tags.team=risk")
    (tree, text), = uploads.trees.items()
    assert [line.split(" ", 2)[2] for line in text.splitlines()[1:]] == ["- 1/model.onnx", "- empty", "- labels.txt", "x run.sh"]
    put, = plane.sent("PUT")
    assert put.place == "/models/churn/versions/8"
    assert put.body["properties"]["modelUri"] == f"artifact:{tree}"
    assert put.body["properties"]["tags"] == {"team": "risk"}
    assert json.loads(done.stdout)["version"] == "8"


def test_an_upload_goes_on_where_it_was_cut_off(plane, apus, tmp_path):
    uploads = Uploads(plane)
    (tmp_path / "model.onnx").write_bytes(content := os.urandom(200_000))
    uploads.breaks = [70_000]
    done = apus("model", "create", "-n", "churn", "-v", "1", "--path", "model.onnx")
    assert "going on" in done.stderr
    assert list(uploads.blobs.values()) == [content]
    ranges = [r.headers["content-range"] for r in plane.sent("PATCH")]
    assert ranges == ["bytes 0-199999/200000", "bytes 70000-199999/200000"]


def test_what_the_server_has_is_not_sent_again(plane, apus, tmp_path):
    uploads = Uploads(plane)
    (tmp_path / "model.onnx").write_bytes(content := os.urandom(200_000))
    uploads.blobs[hashlib.sha256(content).hexdigest()] = content[:150_000]
    done = apus("model", "create", "-n", "churn", "-v", "1", "--path", "model.onnx")
    assert plane.sent("PATCH")[0].headers["content-range"] == "bytes 150000-199999/200000"
    assert "the server has 146.5 KiB of it already" in done.stderr


def test_a_server_that_stays_away_ends_an_upload(plane, apus, tmp_path):
    uploads = Uploads(plane)
    (tmp_path / "model.onnx").write_bytes(b"x" * 1000)
    uploads.breaks = [0] * 10
    apus("model", "create", "-n", "churn", "-v", "1", "--path", "model.onnx", status=UNREACHABLE)
    assert len(plane.sent("PATCH")) == 5 and plane.sent("PUT") == []


def test_models_that_cannot_be_sent(plane, apus, tmp_path):
    assert "no file or folder" in apus("model", "create", "-n", "m", "--path", "gone", status=USAGE).stderr
    (tmp_path / "hollow").mkdir()
    assert "holds no file" in apus("model", "create", "-n", "m", "--path", "hollow", status=USAGE).stderr
    (tmp_path / "round").mkdir()
    (tmp_path / "round/loop").symlink_to(tmp_path / "round")
    assert "only links to files are followed" in apus("model", "create", "-n", "m", "--path", "round", status=USAGE).stderr
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in apus("model", "create", "-n", "m", "--path", "pipe", status=USAGE).stderr
    assert plane.sent("PUT") == []


def test_links_are_followed_within_the_folder_and_refused_out_of_it(plane, apus, tmp_path):
    uploads = Uploads(plane)
    folder = model_folder(tmp_path)
    (folder / "1/also.onnx").symlink_to("model.onnx")
    (folder / "1/words.txt").symlink_to(folder / "labels.txt")
    apus("model", "create", "-n", "m", "-v", "1", "--path", "model")
    sent = {path: uploads.blobs.get(digest, b"") for digest, _, _, path in uploads.files}
    assert sent["1/also.onnx"] == (folder / "1/model.onnx").read_bytes() and sent["1/words.txt"] == b"no\nyes\n"
    (tmp_path / "secret").write_text("not part of the model")
    (tmp_path / "model-beside").mkdir()
    (tmp_path / "model-beside/file").write_text("nor is this, though its path begins like the folder's")
    for target in ("secret", "model-beside/file"):
        (folder / "1/out").symlink_to(f"../../{target}")
        refusal = apus("model", "create", "-n", "m", "-v", "2", "--path", "model", status=USAGE).stderr
        assert f"link '1/out' leads out of the folder, to '{tmp_path.resolve() / target}'" in refusal
        (folder / "1/out").unlink()
    (tmp_path / "shortcut").symlink_to("model")  # a link that was named is meant
    apus("model", "create", "-n", "m", "-v", "3", "--path", "shortcut")
    (tmp_path / "model.onnx").symlink_to("model/1/model.onnx")
    apus("model", "create", "-n", "m", "-v", "4", "--path", "model.onnx")
    assert [put.place for put in plane.sent("PUT")] == [f"/models/m/versions/{version}" for version in (1, 3, 4)]


def test_models_are_shown_changed_and_archived(plane, apus):
    plane.keep("/models/churn/versions/2", {"properties": {"modelType": "custom_model", "modelUri": "artifact:" + "a" * 64,
                                                           "isArchived": False}})
    plane.rule("GET", "/models/churn/versions/latest", (200, plane.kept["/models/churn/versions/2"]))
    shown = json.loads(apus("model", "show", "-n", "churn").stdout)
    assert (shown["version"], shown["type"], shown["is_archived"]) == ("2", "custom_model", False)
    apus("model", "update", "-n", "churn", "-l", "latest", "--stage", "Production", "--set", "tags.ok=yes")
    put, = plane.sent("PUT")
    assert put.body["properties"]["stage"] == "Production" and put.body["properties"]["tags"] == {"ok": "yes"}
    plane.rule("PATCH", "/models/churn/versions/2", (200, {}))
    apus("model", "archive", "-n", "churn", "-v", "2")
    apus("model", "restore", "-n", "churn")
    assert [r.body for r in plane.sent("PATCH")] == [{"properties": {"isArchived": a}} for a in (True, False)]
    assert apus("model", "list", "-n", "churn", "--query", "[].version", "-o", "tsv").stdout == "2\n"


def test_a_model_comes_back_as_it_was_sent(plane, apus, tmp_path):
    uploads = Uploads(plane)
    folder = model_folder(tmp_path)
    apus("model", "create", "-n", "churn", "-v", "1", "--path", "model")
    plane.rule("GET", "/models/churn/versions/1/manifest", (200, uploads.text.encode()))
    contents = {path: uploads.blobs.get(digest, b"") for digest, _, _, path in uploads.files}
    plane.rule("GET", "/models/churn/versions/1/files/.*", lambda r: (200, contents[r.path.split("/files/")[1]]))
    apus("model", "download", "-n", "churn", "-v", "1", "-p", "back")
    for path in contents:
        assert (tmp_path / "back/churn" / path).read_bytes() == (folder / path).read_bytes()
    assert os.access(tmp_path / "back/churn/run.sh", os.X_OK)
    fetched = len(plane.sent("GET", ".*/files/.*"))
    apus("model", "download", "-n", "churn", "-v", "1", "-p", "back")
    assert len(plane.sent("GET", ".*/files/.*")) == fetched
    (tmp_path / "back/churn/labels.txt").write_text("changed")
    contents["labels.txt"] = b"damaged on the way"
    assert "manifest" in apus("model", "download", "-n", "churn", "-v", "1", "-p", "back", status=FAILED).stderr
    assert (tmp_path / "back/churn/labels.txt").read_text() == "changed"


# MARK: deployments

BLUE = """
name: blue
endpoint_name: churn
model: {path: model, type: custom_model}
instance_type: small
instance_count: 2
request_settings: {request_timeout_ms: 8000, max_concurrent_requests_per_instance: 4}
"""


def test_what_a_deployment_nests_is_registered_by_its_contents(plane, apus, tmp_path):
    Uploads(plane)
    endpoint(plane)
    model_folder(tmp_path)
    write(tmp_path, "blue.yml", BLUE)
    apus("deployment", "create", "-f", "blue.yml", "--all-traffic")
    model, deployment, traffic = plane.sent("PUT")
    name = model.place.split("/")[2]
    assert name.startswith("anonymous-") and model.place == f"/models/{name}/versions/1"
    assert model.body["properties"]["isAnonymous"] is True
    assert deployment.place == "/onlineEndpoints/churn/deployments/blue"
    assert deployment.headers["if-none-match"] == "*"
    assert name in json.dumps(deployment.body["properties"]["model"])
    assert deployment.body["properties"]["requestSettings"]["requestTimeout"] == "PT8S"
    assert deployment.body["sku"]["capacity"] == 2
    assert traffic.body["properties"]["traffic"] == {"blue": 100}
    apus("deployment", "create", "-f", "blue.yml", "-n", "green")
    assert [r.place for r in plane.sent("PUT")[3:]] == ["/onlineEndpoints/churn/deployments/green"]


def test_a_deployment_is_changed_in_place(plane, apus, tmp_path):
    plane.keep("/models/m/versions/1", {"properties": {}})
    write(tmp_path, "blue.yml", BLUE.replace("{path: model, type: custom_model}", "azureml:m:1"))
    apus("deployment", "create", "-f", "blue.yml")
    apus("online-deployment", "update", "-n", "blue", "-e", "churn", "--set", "instance_count=5", "--only-show-errors")
    changed = plane.sent("PUT")[-1]
    assert changed.body["sku"]["capacity"] == 5 and changed.body["properties"]["instanceType"] == "small"
    assert "if-match" in changed.headers
    assert "nothing to change" in apus("deployment", "update", "-n", "blue", "-e", "churn", status=USAGE).stderr
    assert "keeps its name" in apus(
        "deployment", "update", "-n", "blue", "-e", "churn", "--set", "name=red", status=USAGE).stderr


def test_options_of_az_without_a_meaning_are_told(plane, apus, tmp_path):
    write(tmp_path, "blue.yml", BLUE.replace("{path: model, type: custom_model}", "azureml:m:1"))
    done = apus("deployment", "create", "-f", "blue.yml", "--skip-script-validation", "--package-model")
    assert "warning: --skip-script-validation" in done.stderr and "warning: --package-model" in done.stderr


def test_logs_are_printed_as_they_are(plane, apus):
    plane.rule("POST", "/onlineEndpoints/churn/deployments/blue/getLogs", (200, {"content": "one\ntwo\n"}))
    assert apus("deployment", "get-logs", "-n", "blue", "-e", "churn", "-l", "7").stdout == "one\ntwo\n"
    assert plane.sent("POST")[0].body == {"containerType": "InferenceServer", "tail": 7}
    assert apus("deployment", "get-logs", "-n", "blue", "-e", "churn", "-o", "json").stdout == '"one\\ntwo\\n"\n'


def test_the_profiles_endpoint_is_meant_where_none_is_named(plane, apus):
    plane.rule("GET", "/onlineEndpoints/churn/deployments", (200, {"value": []}))
    assert "--endpoint-name" in apus("deployment", "list", status=USAGE).stderr
    apus("configure", "--defaults", "endpoint=churn", "output=tsv")
    assert apus("deployment", "list").stdout == ""
    assert len(plane.sent("GET", "/onlineEndpoints/churn/deployments")) == 1


# MARK: profiles

def test_a_login_is_kept_where_only_its_owner_can_read_it(plane, apus, tmp_path):
    plane.rule("POST", "/login", (200, {"principal": "local:admin", "token": "lasting"}))
    plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
    apus("login", "--server", plane.address, "--secret", "-", stdin="once\n", APUS_SERVER=None)
    assert plane.sent("POST", "/login")[0].body == {"secret": "once"}
    kept = tmp_path / "config/apus/config.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600 and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    apus("endpoint", "list", APUS_SERVER=None)
    assert plane.requests[-1].headers["authorization"] == "Bearer lasting"
    shown = apus("configure", APUS_SERVER=None).stdout
    assert json.loads(shown)["logged_in"] is True and "lasting" not in shown
    apus("configure", "--defaults", "workspace=risk", APUS_SERVER=None)
    apus("endpoint", "list", APUS_SERVER=None, status=NOT_FOUND)
    assert plane.requests[-1].path == "/workspaces/risk/onlineEndpoints"
    apus("logout", APUS_SERVER=None)
    assert "no server" in apus("endpoint", "list", APUS_SERVER=None, status=USAGE).stderr
    assert "lasting" not in kept.read_text() and "risk" in kept.read_text()


def test_the_environment_overrides_what_is_kept(plane, apus, tmp_path):
    plane.rule("POST", "/login", (200, {"token": "lasting"}))
    plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
    apus("login", "--server", plane.address, "--secret", "s")
    apus("endpoint", "list", APUS_TOKEN="other")
    assert plane.requests[-1].headers["authorization"] == "Bearer other"
    with ControlPlane() as second:
        second.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        apus("endpoint", "list", APUS_SERVER=second.address)
        assert "authorization" not in second.requests[-1].headers, "a secret went to another server"
        apus("endpoint", "list", "--server", second.address)
        assert "authorization" not in second.requests[-1].headers, "a secret went to another server"
        apus("endpoint", "list", "-w", "risk", APUS_SERVER=second.address, APUS_TOKEN="t", status=NOT_FOUND)
        assert second.requests[-1].path == "/workspaces/risk/onlineEndpoints"
        assert second.requests[-1].headers["authorization"] == "Bearer t"


def test_a_refused_login_keeps_nothing(plane, apus, tmp_path):
    plane.rule("POST", "/login", (401, {"error": {"code": "Unauthorized", "message": "the secret is not valid"}}))
    apus("login", "--server", plane.address, "--secret", "wrong", status=NO_PERMISSION)
    assert not (tmp_path / "config/apus/config.json").exists()


def test_a_socket_of_this_machine_is_a_server_too(apus, tmp_path):
    with ControlPlane(unix=tmp_path / "control.sock") as plane:
        plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        assert apus("endpoint", "list", "--server", plane.address).stdout == "[]\n"


def test_tls_with_an_authority_and_a_certificate_of_ones_own(apus, certificates):
    with ControlPlane(tls=certificates) as plane:
        plane.rule("GET", "/onlineEndpoints", (200, {"value": []}))
        apus("endpoint", "list", "--server", plane.address, status=UNREACHABLE)
        assert apus("endpoint", "list", "--server", plane.address, "--ca", certificates / "authority.pem").stdout == "[]\n"
        apus("endpoint", "list", "--server", plane.address, "--ca", certificates / "authority.pem",
             "--certificate", certificates / "client.pem", "--key", certificates / "client.key")


# MARK: the rest

def test_roles_and_principals(plane, apus):
    plane.rule("PUT", "/principals/ci", (201, {"name": "ci", "principalId": "local:ci", "secret": "apus_login_x",
                                               "properties": {"principalType": "ServicePrincipal"}}))
    assert apus("principal", "create", "-n", "ci", "--query", "secret", "-o", "tsv").stdout == "apus_login_x\n"
    apus("role", "assignment", "create", "--assignee", "local:ci", "--role", "Endpoint Operator", "--scope", "endpoint/churn")
    put = plane.sent("PUT")[-1]
    assert put.place == "/roleAssignments/local-ci.endpoint-operator.endpoint-churn"
    assert put.body["properties"] == {"principalId": "local:ci", "role": "Endpoint Operator", "scope": "endpoint/churn"}
    assert "local:ci" in apus("role", "assignment", "list", "-o", "table").stdout
    apus("role", "assignment", "delete", "--assignee", "local:ci", "--role", "Endpoint Operator",
         "--scope", "endpoint/churn", "-y")
    assert plane.kept == {}
    apus("role", "definition", "create", "-n", "Warden", "--actions", "onlineEndpoints/read", "onlineEndpoints/write")
    assert plane.sent("PUT")[-1].body["properties"]["permissions"][0]["actions"] == [
        "onlineEndpoints/read", "onlineEndpoints/write"]
    plane.rule("POST", "/principals/ci/rotateSecret", (200, {"name": "ci", "secret": "new"}))
    assert json.loads(apus("principal", "rotate-secret", "-n", "ci").stdout)["secret"] == "new"


def test_a_rollout_is_followed_and_its_way_back_is_a_failure(plane, apus):
    state = lambda state, **more: (200, {"name": "churn", "properties": {"state": state, "percent": 5, "deployment": "green"} | more})
    plane.rule("PUT", "/onlineEndpoints/churn/rollout", (201, {}))
    plane.rule("GET", "/onlineEndpoints/churn/rollout", state("holding"), state("finished"))
    done = apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", "5", "100", "--hold", "90s", "--mirror", "20",
                "--max-latency-ratio", "none", "--max-error-difference", "0.02")
    assert plane.sent("PUT")[0].body["properties"] == {
        "deployment": "green", "steps": [5, 100], "hold": "PT90S",
        "bounds": {"maxErrorDifference": 0.02, "maxLatencyRatio": None}, "mirror": {"percent": 20}}
    assert json.loads(done.stdout)["state"] == "finished"
    apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", "25,50,100", "--no-wait")
    assert plane.sent("PUT")[-1].body["properties"]["steps"] == [25, 50, 100]
    for given, sent in (("none", None), ("30m", "PT1800S")):
        apus("rollout", "start", "-e", "churn", "-d", "green", "--step-timeout", given, "--no-wait")
        assert plane.sent("PUT")[-1].body["properties"] == {"deployment": "green", "stepTimeout": sent}
    for steps, words in (("25,abc", "'abc'"), ("50,25", "25 after 50"), ("50,101", "'101'")):
        assert words in apus("rollout", "start", "-e", "churn", "-d", "green", "--steps", steps, status=USAGE).stderr
    assert len(plane.sent("PUT")) == 4
    plane.rule("GET", "/onlineEndpoints/churn/rollout", state("rolledBack", reason="too many errors"))
    assert "too many errors" in apus("rollout", "status", "-e", "churn", "--watch", status=FAILED).stderr
    plane.rule("POST", "/onlineEndpoints/churn/rollout/abort", state("leaving"))
    apus("rollout", "abort", "-e", "churn", "--reason", "it is Friday")
    assert plane.sent("POST")[-1].body == {"reason": "it is Friday"}


def test_rules_of_scaling(plane, apus):
    place = "/onlineEndpoints/churn/deployments/blue/autoscale"
    apus("autoscale", "create", "-e", "churn", "-d", "blue", "--min-count", "1", "--max-count", "5", "--count", "2")
    apus("autoscale", "rule", "create", "-e", "churn", "-d", "blue", "--condition", "CpuUtilizationPercentage > 70 avg 5m",
         "--scale", "out", "2", "--cooldown", "3")
    profile, = plane.kept[place]["properties"]["profiles"]
    assert profile["capacity"] == {"minimum": "1", "maximum": "5", "default": "2"}
    rule, = profile["rules"]
    assert (rule["metricTrigger"]["threshold"], rule["scaleAction"]["value"], rule["scaleAction"]["cooldown"]) == (70, "2", "PT3M")
    assert "there is no metric" in apus(
        "autoscale", "rule", "create", "-e", "churn", "-d", "blue", "--condition", "Cpu > 70 avg 5m", "--scale", "in 1",
        status=USAGE).stderr
    assert json.loads(apus("autoscale", "show", "-e", "churn", "-d", "blue").stdout)["deployment_name"] == "blue"
    apus("autoscale", "delete", "-e", "churn", "-d", "blue", "-y")
    assert plane.kept == {}


def test_reports(plane, apus):
    plane.rule("GET", "/auditLog", (200, {"value": [{"time": "t", "principal": "local:ci", "action": "a", "resource": "r"}]}))
    assert "local:ci" in apus("audit", "list", "-o", "table", "--count", "5").stdout
    assert plane.requests[-1].query == "count=5"
    plane.rule("GET", "/onlineEndpoints/churn/mirrorReport", (200, {
        "live": "blue", "shadow": "green", "comparedRequests": 4, "mismatchedRequests": 1, "shadowFailures": 2,
        "requestsWithOtherLabels": 1, "requestsWithOtherNumbers": 3, "requestsWithOtherStructure": 0,
        "outputs": [{"name": "scores", "elements": 40, "unequalElements": 30, "maxAbsoluteDifference": 0.5,
                     "meanAbsoluteDifference": 0.125, "labels": 4, "mismatchedLabels": 1}]}))
    done = apus("mirror", "report", "-e", "churn", "-o", "table")
    assert done.stderr.splitlines() == [
        "green against blue: 4 answers compared; the shadow failed in 2 more", "another label: 1",
        "a number that is not exactly the same: 3", "other outputs, shapes or datatypes: 0", "count as different: 1"]
    assert done.stdout.splitlines()[-1].split() == ["scores", "40", "30", "0.5", "0.125", "4", "1"]
    amount = lambda cores: {"cores": cores, "memoryBytes": cores << 30, "gpus": 0}
    plane.rule("GET", "/computes", (200, {
        "value": [{"name": "small", "properties": amount(2)}], "total": amount(8), "free": amount(6),
        "reservations": [{"deployment": "churn/blue", "instanceType": "small", "count": 1, "resources": amount(2)}]}))
    assert json.loads(apus("compute", "list").stdout) == [{"name": "small", "cores": 2, "memory_bytes": 2 << 30, "gpus": 0}]
    assert apus("compute", "list-usage", "--query", "free.cores").stdout == "6\n"
    done = apus("compute", "list-usage", "-o", "table")
    assert "free: 6 cores, 6.0 GiB, 0 GPUs of 8 cores" in done.stderr and "churn/blue" in done.stdout


def test_environments(plane, apus, tmp_path):
    write(tmp_path, "conda.yml", "dependencies: [python=3.11]\n")
    apus("environment", "create", "-n", "py", "--image", "base:1", "--conda-file", "conda.yml")
    put, = plane.sent("PUT")
    assert put.place == "/environments/py/versions/1"
    assert "python=3.11" in put.body["properties"]["condaFile"]


def test_no_local_server_runs(apus):
    assert json.loads(apus("local", "status", status=FAILED).stdout)["running"] is False
    assert "was not running" in apus("local", "stop").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_their_completion(apus, shell):
    script = apus("--generate-completion-script", shell).stdout
    assert "get-credentials" in script and "endpoint list --timeout 2s" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_help_exists_for_every_verb(apus):
    for group in ("endpoint", "deployment", "model", "environment", "rollout", "role", "principal", "autoscale", "local"):
        assert "OVERVIEW" in apus(group, "--help").stdout
