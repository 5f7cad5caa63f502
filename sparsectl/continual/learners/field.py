"""Variational learning of one-bit weights in field space (Li et al. 2023)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparsectl.continual.layers import signs
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners import field_pass, posterior
from sparsectl.continual.learners.field_config import FieldConfig
from sparsectl.continual.learners.tensors import TensorLearner
from sparsectl.errors import ConfigError

__all__ = ["FieldConfig", "FieldLearner"]

_SLACK = 1e-9
"""Epochs: sums of batch / examples may fall short of a whole number by rounding."""


class FieldLearner(TensorLearner):
    """Independent +-1 weights with means tanh(beta theta); gradients descend in theta.

    Li et al., "Statistical mechanics of continual learning: variational principle and
    mean-field potential", Phys. Rev. E 108, 014309 (2023).

    Test modes: `mean`: fields of the mean weights, without noise; `field`: one pass with
    Gaussian noise in the fields, the paper's test; `sample`: one draw of +-1 weights; `sign`:
    the likeliest +-1 weights, which is what a one-bit deployment stores. Random test modes are
    seeded by the learner's seed and its number of updates: they repeat, and leave training as
    it is.

    Where float32 has lost a weight's variance (|beta theta| above about 44) its gradient is 0
    and it stays as it is; fields of no variance have no noise term.
    """

    bits = 1
    modes = ("mean", "field", "sample", "sign")

    config: FieldConfig

    def begin(self) -> None:
        self.uses_boundaries = self.config.prior == "task"
        self.groups["theta"] = self.normal(self.config.init_std)
        self.add_optimiser(self.config.steps, self.groups["theta"])
        if self.config.prior != "none":
            # `step`: the last step of theta; `task`: theta at the end of the last task.
            self.groups["reference"] = self.constant(0.0)
        self.average_tasks("theta", self.config.average)
        # held: whether there is a task that the present one is held to.
        self.numbers.update(epochs=0.0, beta=self.config.beta_at(1), held=0.0)

    @property
    def beta(self) -> float:
        """Inverse temperature of the last step."""
        return self.numbers["beta"]

    def fields(self) -> list[Tensor]:
        """beta * theta of every weight."""
        return [self.beta * theta for theta in self.groups["theta"]]

    def divergence(self) -> Tensor:
        """KL divergence to the posterior of the last task (or of the last step), summed. Nats.

        Raises:
            ConfigError: the prior is `none`.
        """
        if self.config.prior == "none":
            raise ConfigError("field learner: prior is 'none', there is nothing to diverge from")
        total = torch.zeros(())
        for theta, reference in zip(self.groups["theta"], self.groups["reference"], strict=True):
            old = reference if self.config.prior == "task" else theta - reference
            total = total + posterior.kl(self.beta * theta, self.beta * old).sum()
        return total

    def end_task(self) -> None:
        if self.config.prior == "task":
            if self.config.average:
                self.end_average("theta", self.config.average)
            else:
                self.groups["reference"] = [theta.clone() for theta in self.groups["theta"]]
            self.numbers["held"] = 1.0

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        config, batch = self.config, len(inputs)
        epochs = self._epochs(batch, examples)
        beta = config.beta_at(math.floor(self.numbers["epochs"] + _SLACK) + 1)
        theta = self.groups["theta"]
        moments = [posterior.moments(beta * t) for t in theta]
        means, variances = [m for m, _ in moments], [v for _, v in moments]
        if config.samples > 1:
            inputs = inputs.repeat(config.samples, 1)
            targets = targets.repeat(config.samples, *([1] * (targets.ndim - 1)))
        z, traces = field_pass.forward(self.layers, means, variances, inputs, self.generator)
        loss = float(self.head.losses(z, targets).mean())
        error = field_pass.output_error(self.head, z, targets).mul_(1 / config.samples)
        slopes = field_pass.backward(self.layers, means, variances, traces, error)
        torch._foreach_mul_(slopes, beta)
        self._add_priors(slopes, beta**2, batch, examples)
        if config.modulation == "gradient":
            torch._foreach_mul_(slopes, variances)
        norms = torch.stack(torch._foreach_norm(slopes))
        # A finite norm bounds squares of gradients too, so that moments and steps are finite.
        if not (math.isfinite(loss) and bool(torch.isfinite(norms).all())):
            return Observed("not_finite_step")
        self._move(slopes, variances)
        self.numbers.update(epochs=epochs, beta=beta)
        return Observed("updated", loss)

    def _epochs(self, batch: int, examples: int | None) -> float:
        """Epochs of the stream after this batch."""
        needed = [f"prior '{self.config.prior}'"] if self.config.prior == "task" else []
        if self.config.schedule != "constant":
            needed.append(f"schedule '{self.config.schedule}'")
        if needed and (examples is None or examples < 1):
            raise ConfigError(
                f"field learner with {' and '.join(needed)}: the number of examples in the task "
                f"is {examples}, expected at least 1: give `observe` its `examples`"
            )
        return self.numbers["epochs"] + (batch / examples if examples else 0.0)

    def _add_priors(
        self, slopes: list[Tensor], weight: float, batch: int, examples: int | None
    ) -> None:
        """Add the gradients of the KL divergences, over the weights' variances, in place."""
        config = self.config
        if config.leak:
            torch._foreach_add_(slopes, self.groups["theta"], alpha=weight * batch * config.leak)
        if config.prior == "step":
            torch._foreach_add_(slopes, self.groups["reference"], alpha=weight * config.gamma)
        elif config.prior == "task" and self.numbers["held"] and examples:
            pull = weight * config.gamma * batch / examples
            torch._foreach_add_(slopes, self.groups["theta"], alpha=pull)
            torch._foreach_add_(slopes, self.groups["reference"], alpha=-pull)

    def _move(self, gradients: list[Tensor], variances: list[Tensor]) -> None:
        """Take a step."""
        step, moments = self.optimise(gradients)
        if self.config.modulation == "step":
            torch._foreach_mul_(step, variances)
        torch._foreach_add_(self.groups["theta"], step)
        self.numbers["updates"] += 1
        self.groups.update(moments)
        if self.config.prior == "step":
            self.groups["reference"] = step

    def weights(self, mode: str | None = None) -> list[Tensor]:
        """Weight matrices: means tanh(beta theta) in `mean` and `field`, else exactly +-1."""
        mode = self.checked_mode(mode)
        if mode == "sign":
            return [signs(theta) for theta in self.groups["theta"]]
        if mode == "sample":
            generator = self._test_generator()
            return [posterior.sample(u, generator) for u in self.fields()]
        return [u.tanh() for u in self.fields()]

    @torch.no_grad()
    def predict(self, inputs: Tensor, mode: str | None = None) -> Tensor:
        mode = self.checked_mode(mode)
        if mode != "field":
            return super().predict(inputs, mode)
        moments = [posterior.moments(u) for u in self.fields()]
        means, variances = [m for m, _ in moments], [v for _, v in moments]
        z, _ = field_pass.forward(self.layers, means, variances, inputs, self._test_generator())
        return self.head.predict(z)

    @torch.no_grad()
    def samples(self, inputs: Tensor, count: int) -> Tensor:
        """Predictions of `count` networks of +-1 weights drawn from the posterior.

        Returns:
            Shape (count, n, outputs).
        """
        generator, fields = self._test_generator(), self.fields()
        draws = [
            self.layers([posterior.sample(u, generator) for u in fields], inputs)
            for _ in range(count)
        ]
        return self.head.predict(torch.stack(draws))

    def _test_generator(self) -> torch.Generator:
        seed = (self.seed * 1_000_003 + int(self.numbers["updates"])) % 2**63
        return torch.Generator().manual_seed(seed)
