"""A generator's variables in a safetensors file."""

import hashlib
import json
import pathlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gan_jax.checkpoint import CheckpointError
from gan_jax.report.files import atomic_write
from gan_jax.types import PyTree

FORMAT = "gan_jax generator"
FORMAT_VERSION = "1"


def save_weights(
    path: pathlib.Path, variables: dict[str, PyTree], metadata: Mapping[str, str]
) -> None:
    """Writes variables, each by its path as "params/output/kernel", and metadata.

    To the metadata come `format`, `format_version` and `sha256`, of all the rest.
    """
    arrays = {
        name: np.array(value, order="C")
        for name, value in flatten_dict(variables, sep="/").items()
    }
    metadata = {**metadata, "format": FORMAT, "format_version": FORMAT_VERSION}
    digest = _digest(arrays, metadata)
    with atomic_write(path) as temporary:
        save_file(arrays, temporary, {**metadata, "sha256": digest})


def load_weights(
    path: pathlib.Path,
) -> tuple[dict[str, jax.Array], dict[str, str]]:
    """What `save_weights` wrote: variables by their paths, and the metadata.

    Raises:
      CheckpointError: there is no such file, or it is damaged or of another format.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise CheckpointError(f"{path} is no generator that gan_jax exported")
            if metadata["format_version"] != FORMAT_VERSION:
                raise CheckpointError(
                    f"{path} has format version {metadata['format_version']}; this "
                    f"gan_jax reads {FORMAT_VERSION}"
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    if _digest(arrays, metadata) != metadata.pop("sha256", None):
        raise CheckpointError(f"{path} is damaged: it does not match its checksum")
    return {name: jnp.asarray(array) for name, array in arrays.items()}, metadata


def fitted(
    path: pathlib.Path, arrays: Mapping[str, jax.Array], template: dict[str, PyTree]
) -> dict[str, PyTree]:
    """The arrays as variables of the template's structure.

    Raises:
      CheckpointError: one is missing, is too many, or has another shape or type; names
        the first.
    """
    wanted = flatten_dict(template, sep="/")
    for name in sorted(wanted | arrays):
        here, there = (
            f"{each[name].dtype} {list(each[name].shape)}" if name in each else "absent"
            for each in (arrays, wanted)
        )
        if here != there:
            raise CheckpointError(
                f"{path} does not fit its config: {name} is {here}, not {there}"
            )
    return unflatten_dict(dict(arrays), sep="/")


def _digest(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    told = {name: text for name, text in metadata.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
