"""Your own pictures: sngan (hinge, spectral norm, projection) or r3gan.

    python main.py --config=configs/own_images.py --workdir=runs/own \
        --config.data.dir=FOLDER_OR_ZIP
    python main.py --config=configs/own_images.py:64 --workdir=runs/own_64 ...
    python main.py --config=configs/own_images.py:40x48 --workdir=runs/own_wide ...
    python main.py --config=configs/own_images.py:r3gan-64 --workdir=runs/own_r3gan ...

The size, SIDE or HEIGHTxWIDTH (32 without one), is that of the generated images. Sides
are multiples of 4 from 16 to 128; sides with the factors 8 and 16, as 32, 48, 64, 96
and 128, get deeper networks, and better images, than 36 or 100. Pictures of another
size are resized and cropped at the centre (--config.data.fit=pad keeps all of them, on
black), and a line says so. The last command takes r3gan_mnist's recipe in place of
sngan_mnist's: on MNIST it took more minutes to good digits. Gamma is the first thing
to change there: `terms.penalty.gamma` and `schedules.terms.penalty.gamma.end` by the
same factor, 2 to 4 at a time.

FOLDER, or a zip file of it, holds PNG, JPEG, WebP or BMP files:

    FOLDER/cat/*.png, FOLDER/dog/*.png    classes by the names of subfolders; a tenth
                                          of each (data.test_fraction) is for testing
    FOLDER/train/cat/*, FOLDER/test/cat/* with a test set of your own
    FOLDER/*.png                          no classes: an unconditional GAN, no judge
    labels.csv in FOLDER                  columns file,label: a class for every picture
    dataset.json in FOLDER                StyleGAN's {"labels": [["path", 0], ...]}

Gray pictures train a GAN of one channel, if all are gray. Transparent pixels become
black. A picture that cannot be used stops the run before it begins;
--config.data.on_error=skip leaves it out. Arrays train as well: an own.npz with
x_train, y_train, x_test, y_test (uint8), and --config.data.source=files. They are not
resized: give their size (`:28` for 28 x 28).

What to expect (by experience with such networks, not measured here): from 1,000
pictures a class on, of things that fill the picture and look alike, recognisable
images; samples/ shows by step 2,000 whether it goes there. Few or very different
pictures give textures or copies: below 5,000 begin with the augmentations below, and
stop at the best of samples/ (15,000 steps of 64 are 2,000 epochs of 500 pictures).
Scores come from a judge trained on your pictures: a warning says when it can hardly
tell the classes apart.

What to change first when it fails:

- fewer than about 5,000 pictures, or images that fall apart after a good time (D knows
  its pictures by heart: real_accuracy near 1):
  --config.augmentations="('translation','cutout')", and --config.data.flip=True where
  a mirrored picture could as well be one of yours;
- images all alike, or D's accuracies near 1 from the start: half the
  discriminator_optimizer.learning_rate;
- out of memory, or too slow: a smaller size, then a smaller batch_size;
- fewer training pictures than a batch: a smaller batch_size.

Cost: estimated from sngan_cifar's pixels, at 32 pixels half a second to a second per
step on two CPU cores, two to four hours in all, and four times as much at 64: use a GPU
there. It has not been run beyond some steps.
"""

import re

from ml_collections import ConfigDict

from configs import r3gan_mnist, sngan_mnist

_MIN_SIDE, _MAX_SIDE = 16, 128
_SMALLEST = 4  # side of the first feature maps, at least
# Of the generator's filters at each size, from the largest; of the discriminator's two
# convolutions at each, likewise.
_GENERATOR_FILTERS = (32, 64, 128, 256, 256, 256)
_DISCRIMINATOR_FILTERS = ((32, 64), (128, 128), (256, 256), (256, 256), (256, 256))
_R3GAN_WIDTHS = (16, 48, 96, 128, 128, 128)  # of each size's stage, from the largest


def get_config(size: str = "32") -> ConfigDict:
    recipe, _, sides = size.rpartition("-")
    if recipe not in _RECIPES:
        raise ValueError(
            f"no size {size!r}; it must be SIDE or HEIGHTxWIDTH, r3gan- before it"
        )
    height, width = _sides(sides)
    config = _RECIPES[recipe](_depth(height, width))
    config.batch_size = 64
    config.data.source = "folder"
    config.data.image_size = (height, width)
    config.classifier.name = "resnet"
    return config


def _r3gan(depth: int) -> ConfigDict:
    config = r3gan_mnist.r3gan("cpu", "own")
    config.discriminator.widths = _R3GAN_WIDTHS[: depth + 1]
    config.generator.widths = _R3GAN_WIDTHS[depth::-1]
    return config


def _sngan(depth: int) -> ConfigDict:
    config = sngan_mnist.sngan("cpu", "own")
    config.generator.projection_filters = _GENERATOR_FILTERS[depth]
    config.generator.filters = _GENERATOR_FILTERS[depth - 1 :: -1]
    config.generator.strides = (2,) * depth + (1,)
    discriminator = config.discriminator
    discriminator.filters = sum(_DISCRIMINATOR_FILTERS[:depth], ())
    discriminator.kernel_sizes = (4, 3) * depth
    discriminator.strides = (2, 1) * depth
    discriminator.norm_layers = (False,) * 2 * depth
    discriminator.pool_layers = (False,) * 2 * depth
    return config


_RECIPES = {"": _sngan, "r3gan": _r3gan}


def _sides(size: str) -> tuple[int, int]:
    """Height and width of 'SIDE' or 'HEIGHTxWIDTH'."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", size)
    if match is None:
        raise ValueError(f"no size {size!r}; it must be SIDE or HEIGHTxWIDTH")
    height, width = int(match[1]), int(match[2] or match[1])
    for side in (height, width):
        if side % 4 or not _MIN_SIDE <= side <= _MAX_SIDE:
            raise ValueError(
                f"no size {size!r}; sides must be multiples of 4 from {_MIN_SIDE} to "
                f"{_MAX_SIDE}"
            )
    return height, width


def _depth(height: int, width: int) -> int:
    """How often both sides can be halved, down to the smallest feature maps."""
    depth = 0
    while all(side % 2 == 0 and side // 2 >= _SMALLEST for side in (height, width)):
        height, width, depth = height // 2, width // 2, depth + 1
    return depth
