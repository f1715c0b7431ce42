# %% [markdown]
# # A tour of gan_jax
#
# Train a conditional GAN, look at it, score it, change one thing, take the generator
# away. A few minutes on two CPU cores; the data are the part of MNIST that comes with
# the code. Start it in the folder of the repository (`configs/` is there).

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import gan_jax
from configs import quickstart
from gan_jax import metrics, sections
from gan_jax.report.metric_log import read_metrics

# %% [markdown]
# ## Train
#
# A config is the whole description of a run. Here it is the README's quickstart,
# shorter. Calling `train` again with the same folder resumes the run, or returns at
# once when it is complete.

# %%
config = quickstart.get_config()
config.num_steps = 1_500
config.sample_every = 500
config.eval.num_runs = 3
config.eval.gan_train_samples = 5_000
gan_jax.train(config, "runs/tour")

# %% [markdown]
# ## Look
#
# The folder holds everything: the log, pictures at fixed latents, checkpoints.

# %%
rows = read_metrics("runs/tour")
steps = [row["step"] for row in rows if "generator_loss" in row]
for name in ("discriminator_loss", "generator_loss"):
    plt.plot(steps, [row[name] for row in rows if name in row], label=name)
plt.xlabel("step")
plt.legend()
plt.show()


# %%
def show(images: jax.Array) -> None:
    """Shows uint8 images [N, H, W, 1], ten in a row."""
    images = np.asarray(images)[..., 0]
    rows = images.reshape(-1, 10, *images.shape[1:])
    plt.imshow(np.block([[*row] for row in rows]), cmap="gray")
    plt.axis("off")
    plt.show()


generator = gan_jax.load_generator("runs/tour")
show(generator.sample(jax.random.key(0), 50))  # every class in turn

# %% [markdown]
# The same latents with other classes: what z says apart from the class.

# %%
digits = np.repeat(np.arange(10), 10)
latents = generator.latents(jax.random.key(1), digits[:10])
images = generator.generate(np.tile(latents, (10, 1)), digits, jax.random.key(2))
show(images)

# %% [markdown]
# ## Score
#
# `train` does not score the result; `evaluate` does, and writes evaluation.json. It may
# ask for any of `gan_jax.metrics.METRICS`. Real images have values too, and they are
# the ones to compare with.

# %%
config.eval.scores = ("gan_test", "frechet_distance", "precision", "recall")
config.eval.num_samples = 2_000
scores = gan_jax.evaluate("runs/tour", config=config)
print(f"right on real test images: {scores['real_accuracy']:.2%}")
for name in config.eval.scores:
    print(f"{name}: {scores[name]['mean']:.4f} ± {scores[name]['std']:.4f}")
print(*scores["health"], sep="\n")

# %% [markdown]
# Scores are functions of arrays, for images from anywhere.

# %%
key, other = jax.random.split(jax.random.key(3))
features = jax.random.normal(key, (500, 16))
further = jax.random.normal(other, (500, 16)) + 0.1
print(metrics.frechet_distance(features, further))
print(metrics.precision_recall(features, further, k=3))

# %% [markdown]
# ## Change one thing
#
# Everything is a field of the config; an unknown name gets the list of known ones. Here
# the same networks play a relativistic game; everything else is equal.

# %%
changed = quickstart.get_config()
changed.num_steps = config.num_steps
changed.sample_every = 500
changed.loss = sections.game("relativistic")
changed.eval = config.eval
gan_jax.train(changed, "runs/tour_relativistic")
again = gan_jax.evaluate("runs/tour_relativistic")
for name in config.eval.scores:
    print(f"{name}: {scores[name]['mean']:.4f} -> {again[name]['mean']:.4f}")

# %% [markdown]
# One seed each is no comparison yet: `config.population = 3` trains three at once and
# gives every score a deviation over seeds.
#
# ## Take it away
#
# The exported folder has the weights as safetensors, a function that runs without this
# package, and a model card.

# %%
folder = gan_jax.export("runs/tour", config=config)
print(*sorted(path.name for path in folder.iterdir()), sep="\n")
taken = gan_jax.load_generator(folder)
show(taken.sample(jax.random.key(0), 50))  # the same images
