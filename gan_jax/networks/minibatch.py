"""Layers by which a discriminator sees its batch as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn


class MinibatchDiscrimination(nn.Module):
    """Appends to every example's features how close the others of its batch are.

    With features f [B, A] and the parameter `kernel` T [A, num_kernels, kernel_dim],

        M_i = f_i T
        o_ik = sum over j of exp(-|M_ik - M_jk|_1)

    where j = i counts as well: o_ik lies between 1 (all others are far away) and B (all
    are equal). Takes [B, A], returns [B, A + num_kernels]: f, then o.

    Where a batch is spread over the mapped axis `axis_name`, j runs over all of it, but
    with `spread=False` over what is given alone, for what is the same everywhere.

    At the start a kernel's distance between two examples is about 0.8 times the root
    mean square of the differences between their features, whatever A and kernel_dim.

    Source: Salimans et al. 2016, section 3.2.
    """

    num_kernels: int = 30
    kernel_dim: int = 5
    axis_name: str | None = None

    @nn.compact
    def __call__(self, features: jax.Array, *, spread: bool = True) -> jax.Array:
        kernel = self.param(
            "kernel",
            _unit_distance_init,
            (features.shape[-1], self.num_kernels, self.kernel_dim),
        )
        # The batch goes last, where the distances are computed on contiguous numbers.
        projections = jnp.einsum("ba,akd->kdb", features, kernel)
        everyone = projections
        if spread and self.axis_name and not self.is_initializing():
            everyone = jax.lax.all_gather(
                projections, self.axis_name, axis=2, tiled=True
            )
        differences = projections[..., :, None] - everyone[..., None, :]
        distances = jnp.abs(differences).sum(axis=1)  # [num_kernels, B, all]
        closeness = jnp.exp(-distances).sum(axis=2)
        return jnp.concatenate([features, closeness.T], axis=-1)


def _unit_distance_init(
    key: jax.Array, shape: tuple[int, int, int], dtype: jnp.dtype = jnp.float32
) -> jax.Array:
    """Normal with deviation 1 / (sqrt(A) kernel_dim)."""
    num_features, _, kernel_dim = shape
    return jax.random.normal(key, shape, dtype) / (num_features**0.5 * kernel_dim)
