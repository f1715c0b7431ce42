"""Compares Inception-v3's features and logits with those of torch-fidelity.

    pip install -e '.[benchmark]'
    python -m benchmarks.inception [--seed=0] [--output=FILE.json]

Both have the same random weights, which torch-fidelity reads by `torch.load` and
gan_jax by its own reader, from files of both of PyTorch's formats. The images have
several sizes. Errors are relative: the norm of the difference over that of the values.
--output writes some of torch-fidelity's values, which tests/test_features.py holds.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from benchmarks.inception_weights import IMAGE_SHAPES, random_images, random_tensors
from gan_jax.features import Features, inception_features

OUTPUTS = ["2048", "logits_unbiased"]
STRIDES = (256, 126)  # of the written values among features and logits


def main() -> None:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        files = write_weights(pathlib.Path(folder), arguments.seed)
        ours = [inception_features(file) for file in files]
        theirs = FeatureExtractorInceptionV3("inception", OUTPUTS, str(files[0]))
        written = {}
        for shape in IMAGE_SHAPES:
            images = random_images(arguments.seed, shape)
            expected = outputs_of_torch(theirs, images)
            written["x".join(map(str, shape))] = [
                [[round(float(x), 6) for x in row] for row in values[:, ::stride]]
                for values, stride in zip(expected, STRIDES, strict=True)
            ]
            for file, network in zip(files, ours, strict=True):
                report(shape, file.name, outputs(network, images), expected)
    if arguments.output:
        arguments.output.write_text(json.dumps(written) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def write_weights(folder: pathlib.Path, seed: int) -> list[pathlib.Path]:
    """Files of the same tensors, in PyTorch's present format and in the one before."""
    tensors = {
        name: torch.from_numpy(value) for name, value in random_tensors(seed).items()
    }
    tensors["fc.bias"] = torch.linspace(-1, 1, len(tensors["fc.weight"]))
    files = [folder / "zip.pth", folder / "legacy.pth"]
    for file in files:
        is_zip = file.stem == "zip"
        torch.save(tensors, file, _use_new_zipfile_serialization=is_zip)
    return files


def outputs_of_torch(
    network: FeatureExtractorInceptionV3, images: np.ndarray
) -> list[np.ndarray]:
    """Features [N, 2048] and logits [N, 1008]."""
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2)).expand(-1, 3, -1, -1)
    with torch.no_grad():
        return [values.numpy() for values in network(batch)]


def outputs(network: Features, images: np.ndarray) -> list[np.ndarray]:
    features = network(images)
    return [features, np.asarray(network.logits(features))]


def report(
    shape: tuple[int, int, int],
    file: str,
    found: list[np.ndarray],
    expected: list[np.ndarray],
) -> None:
    errors = [
        np.linalg.norm(np.float64(a) - b) / np.linalg.norm(np.float64(b))
        for a, b in zip(found, expected, strict=True)
    ]
    features = expected[0]
    print(
        f"{shape}, {file}: features {errors[0]:.1e}, logits {errors[1]:.1e} (largest "
        f"feature {features.max():.3g}, mean {features.mean():.3g}, difference of the "
        f"images {np.linalg.norm(features[0] - features[1]):.3g})",
        flush=True,
    )


if __name__ == "__main__":
    main()
