"""Models that a test makes for itself, out of the tests' models."""

import onnx
from server import TEST_MODELS


def make_slow_model(folder, steps, name="slow"):
    """The model `slow` with so many of its steps, of a few milliseconds each, and one request a run.

    Returns its folder."""
    model = onnx.load(TEST_MODELS / "slow/1/model.onnx")
    constants = {constant.name: constant for constant in model.graph.initializer}
    constants["steps"].CopyFrom(onnx.helper.make_tensor("steps", onnx.TensorProto.INT64, [], [steps]))
    target = folder / name
    (target / "1").mkdir(parents=True)
    onnx.save(model, target / "1/model.onnx")
    (target / "config.pbtxt").write_text("max_batch_size: 1\n")
    return target
