"""The Transformer decoded by other programs than ours, beside it: torch.compile (Inductor) and ONNX Runtime.

Each replaces `RasterModel.next_raw`, the network's part of one step, with the same weights and static caches of keys
and values; the loop around it, the noise and the drawing of a pixel are ours. So the same pictures come out, up to
rounding, and times differ by the step alone. Pictures are made from nothing: no prompt is read.

Shapes: K samples, T pixels, D = d_model, C channels, P raw outputs.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vssm import device
from vssm.checkpoint import Checkpoint
from vssm.errors import UserError
from vssm.evaluation import benchmark
from vssm.models.raster import StepTables
from vssm.models.transformer import Transformer, TransformerConfig
from vssm.prompt import Prompt
from vssm.sampling.events import GenerationRequest
from vssm.sampling.generator import Generator, run

BATCHES = {1: 7, 64: 3}  # pictures at once, and turns of each
COMPARED = 16  # pictures that must be the same
DECODERS = "ours", "inductor", "onnx"


class CompiledTransformer(Transformer):
    """Runs the step that Inductor has compiled."""

    def __init__(self, config: TransformerConfig, backend: str = "inductor") -> None:
        super().__init__(config)
        self.compiled, self.samples = torch.compile(super().next_raw, backend=backend, fullgraph=True), 0

    def next_raw(
        self, window: Tensor, previous: Tensor, position: Tensor, states: list[Tensor], t: int, tables: StepTables
    ) -> Tensor:
        if len(states[0]) != self.samples:
            torch._dynamo.reset()  # else it compiles for any number of samples
            self.samples = len(states[0])
        raw: Tensor = self.compiled(window, previous, position, states, t, tables)
        return raw


class OnnxTransformer(Transformer):
    """Runs a step as a graph of ONNX Runtime, whose attention appends to the caches in place.

    Raises UserError, when it is made, if ONNX Runtime is not installed.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.onnx, self.runtime = _optional("onnx"), _optional("onnxruntime")
        self.session: Any = None

    def make_states(self, samples: int, spare: int = 0) -> list[Tensor]:
        """Make the caches that its attention expects: for each block keys, then values, each [K, heads, T, D/heads]."""
        c = self.config
        shape = samples, c.heads, self.tokens, c.d_model // c.heads
        return [self.head.weight.new_zeros(shape) for _ in range(2 * c.blocks)]

    def next_raw(
        self, window: Tensor, previous: Tensor, position: Tensor, states: list[Tensor], t: int, tables: StepTables
    ) -> Tensor:
        if t == 0:
            self._bind(states, tables, len(states[0]))
        self.inputs["window"].view_as(window).copy_(window)
        self.inputs["previous"].view_as(previous).copy_(previous)
        self.inputs["position"].copy_(position)
        self.inputs["last"].fill_(t)
        self.inputs["total"].fill_(t + 1)
        self.session.run_with_iobinding(self.binding)
        return self.raw.clone().squeeze(0)

    def _bind(self, states: list[Tensor], tables: StepTables, samples: int) -> None:
        """Let the graph read and write these tensors, for a run of so many samples."""
        if self.session is None:
            options = self.runtime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            graph = _step_graph(self, tables, self.onnx).SerializeToString()
            self.session = self.runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        c = self.config
        self.inputs = {
            "window": torch.empty(samples, c.channels * self.patch),
            "previous": torch.empty(samples, c.channels),
            "position": torch.empty(c.d_model),
            "last": torch.empty(samples, dtype=torch.int32),
            "total": torch.empty(1, dtype=torch.int32),
        }
        self.raw = torch.empty(samples, len(tables.head))
        self.binding, caches = self.session.io_binding(), dict(zip(_cache_names(c), states, strict=True))
        for bind, tensors in (
            (self.binding.bind_input, self.inputs | caches),
            (self.binding.bind_output, {"raw": self.raw} | {f"new_{name}": x for name, x in caches.items()}),
        ):
            for name, x in tensors.items():
                bind(name, "cpu", 0, x.numpy().dtype, x.shape, x.data_ptr())


def _cache_names(c: TransformerConfig) -> list[str]:
    return [f"{kind}_{block}" for block in range(c.blocks) for kind in ("keys", "values")]


def _optional(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UserError(
            "Decoding by ONNX Runtime needs two more packages; install them by `pip install onnx onnxruntime`."
        ) from None


def _step_graph(network: OnnxTransformer, tables: StepTables, onnx: Any) -> Any:
    """Write `next_raw` as a model of ONNX, its weights within."""
    c, make, nodes, weights = network.config, onnx.helper, list[Any](), list[Any]()

    def op(kind: str, *inputs: str | Tensor, outputs: Sequence[str] = (), domain: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its first result."""
        names = [x if isinstance(x, str) else weight(x) for x in inputs]
        outputs = outputs or [f"result_{len(nodes)}"]
        nodes.append(make.make_node(kind, names, outputs, domain=domain, **attributes))
        return outputs[0]

    def weight(x: Tensor) -> str:
        """Add a constant, a matrix as [in, out]; returns its name."""
        name = f"weight_{len(weights)}"
        weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(x.detach().t().numpy()), name))
        return name

    def norm(x: str, scale: Tensor, bias: Tensor) -> str:
        return op("LayerNormalization", x, scale, bias, axis=-1, epsilon=network.norm.eps)

    def squared_relu(x: str) -> str:
        positive = op("Relu", x)
        return op("Mul", positive, positive)

    names = _cache_names(c)
    hidden = squared_relu(op("Gemm", "window", tables.window, tables.window_bias))
    x = op("Gemm", hidden, tables.stem, "position")
    x = op("Add", x, op("MatMul", "previous", tables.previous))
    for i, (w, window) in enumerate(tables.blocks):
        caches = names[2 * i : 2 * i + 2]
        qkv = op("Gemm", norm(x, w.norm1, w.norm1_bias), w.qkv, w.qkv_bias)
        y = op(
            "GroupQueryAttention",
            op("Unsqueeze", qkv, torch.tensor([1])),
            "",
            "",
            *caches,
            "last",
            "total",
            outputs=[f"attended_{i}", *(f"new_{name}" for name in caches)],
            domain="com.microsoft",
            num_heads=c.heads,
            kv_num_heads=c.heads,
            local_window_size=window or -1,
        )
        x = op("Add", x, op("Gemm", op("Squeeze", y, torch.tensor([1])), w.out, w.out_bias))
        hidden = squared_relu(op("Gemm", norm(x, w.norm2, w.norm2_bias), w.first, w.first_bias))
        x = op("Add", x, op("Gemm", hidden, w.last, w.last_bias))
    raw = op("Gemm", norm(x, tables.norm, tables.norm_bias), tables.head, tables.head_bias)
    direct = [op("MatMul", "window", tables.direct)] if tables.direct is not None else []
    op("Sum", raw, *direct, outputs=["raw"])

    floats, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    cache = ["K", c.heads, network.tokens, c.d_model // c.heads]
    inputs = {
        "window": (floats, ["K", c.channels * network.patch]),
        "previous": (floats, ["K", c.channels]),
        "position": (floats, [c.d_model]),
        "last": (whole, ["K"]),  # places of the caches that are filled, less one, after this step
        "total": (whole, [1]),  # places that are filled
    } | dict.fromkeys(names, (floats, cache))
    outputs = {"raw": (floats, ["K", len(tables.head)])} | {f"new_{name}": (floats, cache) for name in names}
    ends = ([make.make_tensor_value_info(k, *v) for k, v in some.items()] for some in (inputs, outputs))
    operators = [make.make_opsetid("", 20), make.make_opsetid("com.microsoft", 1)]
    return make.make_model(
        make.make_graph(nodes, "step", *ends, weights), opset_imports=operators, ir_version=10
    )  # versions that ONNX Runtime has read since 1.19


# --- side by side ---------------------------------------------------------------------------------------------------


def generator(made: Checkpoint, decoder: str) -> Generator:
    """Make a generator on the CPU that decodes a Transformer's weights by one of DECODERS.

    Raises UserError where a compiler or ONNX Runtime is missing.
    """
    where = torch.device("cpu")
    if decoder == "ours":
        return Generator(made, where)
    if decoder == "inductor":
        device.require_compiler(where)
    kind = {"inductor": CompiledTransformer, "onnx": OnnxTransformer}[decoder]
    network = kind(made.network.config).eval().requires_grad_(False)
    network.load_state_dict(made.network.state_dict())
    return Generator(Checkpoint(made.model, made.data, network), where)


def compare(
    made: Checkpoint,
    decoders: Sequence[str] = DECODERS,
    batches: dict[int, int] = BATCHES,
    compared: int = COMPARED,
    quiet: bool = False,
) -> dict[str, dict[str, Any]]:
    """Time the decoders in turns on pictures from nothing.

    Returns:
        For each decoder "same", the share of `compared` pictures in which no pixel differs from ours, and for each
        batch B seconds_B, the median for a batch, ratio_B, how many times faster than ours, the median of the turns,
        low_B and high_B, between which half of these ratios lie, and busy_B, how many cores other programs used.

    Raises:
        UserError: A compiler or ONNX Runtime is missing.
    """
    generators = {name: generator(made, name) for name in dict.fromkeys(("ours", *decoders))}
    prompt = Prompt.empty(*made.data.shape)
    request = GenerationRequest(prompt, compared, every=math.inf)
    pictures = {name: run(g, request).images for name, g in generators.items()}
    found: dict[str, dict[str, Any]] = {
        name: {"same": float((images == pictures["ours"]).all((1, 2, 3)).mean())} for name, images in pictures.items()
    }
    contestants = {name: benchmark.Contestant(g) for name, g in generators.items()}
    for batch, turns in batches.items():
        record = benchmark.bench(contestants, prompt, batch, turns, quiet, allow_busy=True)
        for name, row in found.items():
            row[f"seconds_{batch}"] = record["models"][name]["seconds_median"]
            row[f"ratio_{batch}"] = record["ratio_to_transformer"][name]
            row[f"low_{batch}"], row[f"high_{batch}"] = record["ratio_spread"][name]
            row[f"busy_{batch}"] = record["others_busy_cores"]
    return found
