"""Writes the ONNX graphs that ONNX Runtime runs as the competitor: y = x Wᵀ + b with constant W and b. Needs `pip install onnx`."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

SHAPES = [(256, 256), (768, 256), (2048, 2048)]


def gemm(outputs: int, inputs: int) -> onnx.ModelProto:
    """W and b come from ConstantOfShape, which ONNX Runtime folds when it opens the graph: the file has no weights, the session does."""
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.01])
    shapes = [
        helper.make_tensor("weight_shape", TensorProto.INT64, [2], [outputs, inputs]),
        helper.make_tensor("bias_shape", TensorProto.INT64, [1], [outputs]),
    ]
    nodes = [
        helper.make_node("ConstantOfShape", ["weight_shape"], ["weight"], value=value),
        helper.make_node("ConstantOfShape", ["bias_shape"], ["bias"], value=value),
        helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", inputs])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])
    graph = helper.make_graph(nodes, "gemm", [x], [y], shapes)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


if __name__ == "__main__":
    folder = Path(__file__).parent / "graphs"
    folder.mkdir(exist_ok=True)
    for outputs, inputs in SHAPES:
        onnx.save(gemm(outputs, inputs), folder / f"gemm-{outputs}x{inputs}.onnx")
