"""`apus model` and `apus environment`: files on their way to a scripted control plane and back, and what is registered of
them."""

import hashlib
import json
import os

from control_plane import Uploads, model_folder, write
from server import FAILED, UNREACHABLE, USAGE


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
    uploads.breaks = [0] * 100
    apus("model", "create", "-n", "churn", "-v", "1", "--path", "model.onnx", status=UNREACHABLE)
    assert 1 < len(plane.sent("PATCH")) < 100 and plane.sent("PUT") == []


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


def test_environments(plane, apus, tmp_path):
    write(tmp_path, "conda.yml", "dependencies: [python=3.11]\n")
    apus("environment", "create", "-n", "py", "--image", "base:1", "--conda-file", "conda.yml")
    put, = plane.sent("PUT")
    assert put.place == "/environments/py/versions/1"
    assert "python=3.11" in put.body["properties"]["condaFile"]
