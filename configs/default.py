"""Every field that a config may set. The values are those of report D's cGAN."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.seed = 0  # determines every random number of the run
    config.num_steps = 0  # train steps; 0: as many as num_epochs makes
    config.num_epochs = 100  # used if num_steps is 0; an epoch is N // batch_size steps
    config.batch_size = 100  # images per update
    config.d_steps = 1  # discriminator updates per step, each on its own real batch
    config.g_steps = 1  # generator updates per step
    config.parallel = "jit"  # how steps are spread over devices: 'jit'
    config.ema_decay = 0.0  # of the generator's averaged variables; 0: none kept

    config.data = ConfigDict()
    config.data.name = "mnist"  # 'mnist', 'fashion_mnist', 'cifar10', 'svhn'
    config.data.source = "tfds"  # 'embedded' (MNIST subset), 'files', 'tfds'
    config.data.dir = ""  # folder of the files, or of tfds ('': its default)
    config.data.grayscale = False  # turns a colour set's images into one channel
    config.data.flip = False  # mirrors real training images half of the time

    config.conditional = True  # whether the networks see labels
    config.latent = ConfigDict()
    config.latent.size = 100  # length of z
    config.latent.prior = "normal"  # 'normal' N(0, 1), 'uniform' U(-1, 1)

    # Networks: a name from gan_jax.networks and that module's own arguments.
    config.generator = ConfigDict()
    config.generator.name = "mlp"
    config.generator.hidden_sizes = (512, 512)  # units of the hidden layers
    config.generator.label_width = 64  # units of the first that see the label alone
    config.generator.activation = "leaky_relu"  # 'leaky_relu', 'relu'
    config.generator.negative_slope = 0.2  # of leaky_relu
    config.generator.batch_norm = True  # in the hidden layers, before the activation
    config.generator.output_batch_norm = True  # before the output's activation
    config.generator.dropout_rate = 0.5  # after every hidden layer
    config.generator.output = "tanh"  # 'tanh', 'sigmoid'; images are scaled to it
    config.generator.kernel_init = "kaiming_normal"  # or 'xavier_normal'
    config.discriminator = ConfigDict()
    config.discriminator.name = "mlp"
    config.discriminator.hidden_sizes = (512, 512)
    config.discriminator.label_width = 64
    config.discriminator.activation = "leaky_relu"
    config.discriminator.negative_slope = 0.2
    config.discriminator.dropout_rate = 0.5
    config.discriminator.kernel_init = "kaiming_normal"

    # Each network's mode in each phase, 'train' or 'eval' (dropout and batch norm).
    config.modes = ConfigDict()
    config.modes.generator_in_discriminator_step = "train"
    config.modes.discriminator_in_discriminator_step = "train"
    config.modes.generator_in_generator_step = "train"
    config.modes.discriminator_in_generator_step = "train"
    config.modes.generator_in_sampling = "train"

    config.loss = ConfigDict()
    config.loss.name = "non_saturating"  # 'non_saturating', 'minimax', 'wasserstein'
    config.loss.label_smoothing = "random"  # of real images: 'none', 'fixed', 'random'
    config.loss.label_smoothing_amount = 0.15  # target 1 - amount, or 1 - amount * U
    config.loss.r1_gamma = 0.0  # weight of the R1 gradient penalty; 0: none

    # A name from optax and its arguments; None leaves an argument at optax's default.
    for player in ("generator", "discriminator"):
        optimizer = config[f"{player}_optimizer"] = ConfigDict()
        optimizer.name = "adam"
        optimizer.learning_rate = 2e-4
        optimizer.schedule = "constant"  # 'constant', 'cosine', 'linear' (both to 0)
        optimizer.arguments = ConfigDict({"b1": 0.5, "b2": 0.999})

    config.log_every = 100  # steps between lines in metrics.jsonl
    config.sample_every = 6000  # steps between sample grids
    config.checkpoint_every = 6000  # steps between checkpoints
    config.steps_per_dispatch = 100  # at most so many steps in one call to the device

    config.checkpoints = ConfigDict()
    config.checkpoints.keep_latest = 3  # and the best one besides
    config.checkpoints.best_metric = "inception_score"  # 'gan_test', or '' for no best
    config.checkpoints.best_num_samples = 10_000  # images behind that score

    config.sampling = ConfigDict()
    config.sampling.batch_size = 0  # images generated together; 0: batch_size
    config.sampling.dropout_rate = -1.0  # in train mode; -1: the generator's own

    config.eval = ConfigDict()
    config.eval.num_samples = 10_000  # generated images per run
    config.eval.num_splits = 10  # of the Inception Score
    config.eval.num_runs = 10  # of GAN-test, each on its own images
    config.eval.gan_train_samples = 0  # 0: as many as there are real training images
    # Which scores; the last two need labels, that is a conditional GAN.
    config.eval.scores = ("inception_score", "gan_test", "gan_train")

    # The judge, trained on the real images; and anew on generated ones for GAN-train.
    config.classifier = ConfigDict()
    config.classifier.name = "lenet"  # 'lenet', 'resnet' (for photographs)
    config.classifier.seed = 0
    config.classifier.cache_dir = ""  # '': gan_jax in the user's cache folder

    return config
