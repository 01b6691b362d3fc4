"""What can be deployed from Azure's files without a script: each type of a model with the layouts that it may have; and what
can't be is refused by name."""

import shutil

import pytest
from endpoints import EndpointServer
from server import FAILED, TEST_MODELS

ONNX = TEST_MODELS / "simple/1/model.onnx"

MLMODEL = """
artifact_path: model
flavors:
  onnx:
    data: model.onnx
    onnx_version: 1.16.0
    providers: [CPUExecutionProvider]
  python_function:
    loader_module: mlflow.onnx
model_uuid: 5f6c2f1e7f5d4a5b8f0f7c9f4a1b2c3d
signature:
  inputs: '[{"name": "INPUT0", "type": "tensor", "tensor-spec": {"dtype": "int32", "shape": [-1, 16]}}]'
"""
OTHER_FLAVOUR = """
flavors:
  python_function: {loader_module: mlflow.sklearn}
  sklearn: {pickled_model: model.pkl}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with EndpointServer(tmp_path_factory.mktemp("kinds")) as server:
        server.make_endpoint("kinds")
        yield server


def create(server, name, path, kind, more="", status=0):
    file = server.write(f"{name}.yml", f"""
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {name}
endpoint_name: kinds
model:
  path: {path}
  type: {kind}
instance_type: Standard_DS3_v2
instance_count: 1
{more}""")
    return server.run("online-deployment", "create", "-f", file, status=status)


def assert_answers(server, name):
    answer = server.score("kinds", server.keys("kinds")[0], azureml_model_deployment=name)
    assert answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [2] * 16, answer.text


def files(folder, **contents):
    """A folder of files: texts, or copies of a model."""
    folder.mkdir()
    for name, content in contents.items():
        path = folder / name.replace("_dot_", ".")
        path.write_text(content) if isinstance(content, str) else shutil.copy(content, path)
    return folder


def test_a_triton_model_is_its_folder_of_versions(server):
    create(server, "triton", TEST_MODELS / "simple", "triton_model")
    assert_answers(server, "triton")


def test_a_custom_model_is_a_file_or_a_folder_with_one(server, tmp_path):
    create(server, "one-file", ONNX, "custom_model")
    assert_answers(server, "one-file")
    create(server, "one-folder", files(tmp_path / "m", churn_dot_onnx=ONNX, notes_dot_txt="how it was trained"), "custom_model")
    assert_answers(server, "one-folder")


def test_an_mlflow_model_of_the_flavour_onnx_runs_without_a_script(server, tmp_path):
    create(server, "mlflow", files(tmp_path / "m", MLmodel=MLMODEL, model_dot_onnx=ONNX, conda_dot_yaml="name: m"), "mlflow_model")
    assert_answers(server, "mlflow")


def test_an_mlflow_model_of_another_flavour_is_refused_with_the_flavours_that_it_has(server, tmp_path):
    folder = files(tmp_path / "m", MLmodel=OTHER_FLAVOUR, model_dot_pkl="pickled")
    said = create(server, "sklearn", folder, "mlflow_model", status=FAILED).stderr
    assert "sklearn" in said and "only 'onnx'" in said


def test_a_model_without_an_onnx_file_is_refused_with_what_its_folder_has(server, tmp_path):
    said = create(server, "weights", files(tmp_path / "m", weights_dot_pt="tensors"), "custom_model", status=FAILED).stderr
    assert "weights.pt" in said and "*.onnx" in said


def test_a_scoring_script_is_refused_by_name(server, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/score.py").write_text("def init(): pass\ndef run(request): return request\n")
    code = f"code_configuration: {{code: {tmp_path / 'src'}, scoring_script: score.py}}"
    said = create(server, "script", ONNX, "custom_model", code, status=FAILED).stderr
    assert "code_configuration" in said and "script" in said
    server.ask("GET", "onlineEndpoints/kinds/deployments/script", status=404)
