"""The state of a run as named tensors, for checkpoints and rollbacks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.types import Generator


class Best:
    """The best state so far, separately for each sample unless samples share parameters."""

    def __init__(self, generator: Generator) -> None:
        state = generator.state_dict()
        device = next(generator.parameters()).device
        self.loss: Float[Tensor, "n"] = torch.full(
            (generator.num_samples,), torch.inf, device=device
        )
        self.state = {name: tensor.clone() for name, tensor in state.items()}
        self.separate = not generator.shares_parameters
        self.per_sample = {name for name, _ in generator.named_parameters() if self.separate}

    @torch.no_grad()
    def update(self, generator: Generator, loss: Float[Tensor, "n"]) -> None:
        """Stores the current state of each sample whose loss is lower than its best."""
        better = loss < self.loss  # False for NaN
        if not self.separate:
            better = (loss.mean() < self.loss.mean()).expand_as(loss)
        self.loss = torch.where(better, loss, self.loss)
        for name, tensor in generator.state_dict().items():
            if name in self.per_sample:
                mask = better.view(-1, *[1] * (tensor.ndim - 1))
                self.state[name] = torch.where(mask, tensor, self.state[name])
            elif bool(better.any()):
                self.state[name] = tensor.clone()

    def restart(self, generator: Generator) -> None:
        """Makes the current state the best one, with an infinite loss."""
        self.loss = torch.full_like(self.loss, torch.inf)
        self.state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}

    def load_into(self, generator: Generator) -> None:
        """Loads the best state into a generator."""
        generator.load_state_dict(self.state)


def snapshot(
    generator: Generator,
    optimizer: torch.optim.Optimizer,
    best: Best,
    counters: dict[str, float],
    history: list[float],
) -> dict[str, Tensor]:
    """CPU copies of everything that the next step depends on."""
    tensors = {f"generator/{name}": tensor for name, tensor in generator.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.state.items()}
    tensors["best_loss"] = best.loss
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimizer/{index}/{key}"] = torch.as_tensor(value)
    tensors |= {
        f"counter/{name}": torch.tensor(value, dtype=torch.float64)
        for name, value in counters.items()
    }
    tensors["history"] = torch.tensor(history, dtype=torch.float64)
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def restore(
    tensors: dict[str, Tensor],
    generator: Generator,
    optimizer: torch.optim.Optimizer,
    best: Best,
) -> dict[str, float]:
    """Restores a snapshot and returns its counters.

    Raises:
        InputError: the snapshot is of another generator: names or shapes differ.
    """
    expected = {f"generator/{name}": t.shape for name, t in generator.state_dict().items()}
    expected |= {"best_loss": best.loss.shape}
    for name, shape in expected.items():
        if name not in tensors or tensors[name].shape != shape:
            found = list(tensors[name].shape) if name in tensors else "nothing"
            raise InputError(f"checkpoint: expected {name} {list(shape)}, got {found}")
    generator.load_state_dict(_part(tensors, "generator/"))
    best.state = {k: v.to(best.state[k].device) for k, v in _part(tensors, "best/").items()}
    best.loss = tensors["best_loss"].to(best.loss.device)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(tensors, "optimizer/").items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = tensor.clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return {name: float(value) for name, value in _part(tensors, "counter/").items()}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
