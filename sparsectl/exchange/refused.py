"""What cannot be taken over, said in the same words for every library."""

from __future__ import annotations

from collections.abc import Iterable

from sparsectl.errors import ConfigError

SMOOTH = {
    "tanh", "sigmoid", "softmax", "logsoftmax", "log_softmax", "elu", "selu", "celu", "gelu",
    "silu", "swish", "mish", "softplus", "softsign", "logsigmoid", "erf", "exp", "log", "sqrt",
    "pow", "sin", "cos", "tan", "sinh", "cosh", "reciprocal", "layernorm", "layer_norm",
    "layernormalization", "instancenormalization", "groupnormalization", "square", "rsqrt",
    "norm", "normalize", "lpnormalization", "lstm", "gru", "rnn", "attention",
    "scaled_dot_product_attention",
}  # fmt: skip
"""Names, in small letters, of operations that are not piecewise linear."""


def refused(where: str, node: str, operation: str, known: Iterable[str]) -> ConfigError:
    """The error for an operation that has no program."""
    at = f"{where}: node '{node}' is a {operation}, which "
    if operation.lower().rstrip("_") in SMOOTH:
        return ConfigError(
            at + "is not piecewise linear: no mixed-integer program plans with it exactly; train "
            "the network with ReLUs in its place"
        )
    return ConfigError(at + f"is not taken over (known: {', '.join(sorted(known))})")
