"""One training process of PyTorch, of which `benchmarks.process` is the parent.

    python -m benchmarks.process_torch FOLDER NUM_STEPS THREADS MEMORY_FORMAT ADAM

Trains with the config, data and initial parameters in the folder. Nothing here imports
JAX: it would count towards this process.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from ml_collections import ConfigDict

from benchmarks.process_report import Report
from benchmarks.torch_dcgan import Training, mirrored
from benchmarks.torch_mlp_cgan import shuffled_batches


def main() -> None:
    report = Report()
    report.reached("imports")
    folder, num_steps, threads, memory_format, adam = sys.argv[1:]
    torch.set_num_threads(int(threads))
    training, images, labels = load(pathlib.Path(folder), memory_format, adam)
    order = shuffled_batches(len(labels), training.config.batch_size)
    report.reached("data and initialisation")
    training.run_steps(images, labels, order, 1)
    report.reached("first step")
    training.run_steps(images, labels, order, int(num_steps) - 1)
    report.reached("end")
    report.write()


def load(
    folder: pathlib.Path, memory_format: str, adam: str
) -> tuple[Training, torch.Tensor, torch.Tensor]:
    """The program as it is before training, and the training images and labels."""
    config = ConfigDict(json.loads((folder / "config.json").read_text()))
    params = {"generator": {}, "discriminator": {}}
    with np.load(folder / "params.npz") as arrays:
        for path, values in arrays.items():
            player, layer, field = path.split(".")
            params[player].setdefault(layer, {})[field] = values
    with np.load(folder / "data.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    num_classes = int(labels.max()) + 1
    training = Training(
        config, params, images.shape[1:], num_classes, adam, memory_format
    )
    return training, mirrored(images), torch.tensor(labels, dtype=torch.int64)


if __name__ == "__main__":
    main()
