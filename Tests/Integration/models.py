"""Models that a test makes for itself, out of the tests' models."""

import onnx
from server import TEST_MODELS


def make_slow_model(folder, steps=None, name="slow"):
    """The model `slow` with so many of its steps, of a few milliseconds each, and one request a run.

    Without a number of steps it is as slow as it is told: it takes as many as the largest number in its input. Returns its
    folder."""
    model = onnx.load(TEST_MODELS / "slow/1/model.onnx")
    constants = {constant.name: constant for constant in model.graph.initializer}
    if steps is None:
        model.graph.initializer.remove(constants["steps"])
        place = next(place for place, node in enumerate(model.graph.node) if node.op_type == "Loop")
        model.graph.node.insert(place, onnx.helper.make_node("Cast", ["largest"], ["steps"], to=onnx.TensorProto.INT64))
    else:
        constants["steps"].CopyFrom(onnx.helper.make_tensor("steps", onnx.TensorProto.INT64, [], [steps]))
    target = folder / name
    (target / "1").mkdir(parents=True)
    onnx.save(model, target / "1/model.onnx")
    (target / "config.pbtxt").write_text("max_batch_size: 1\n")
    return target
