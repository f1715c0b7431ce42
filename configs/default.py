"""Every field that a config may set. The values are those of report D's cGAN.

The other networks' fields stand below; a config puts them in place of the `mlp`'s.
"""

from ml_collections import ConfigDict

from gan_jax.sections import game


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.seed = 0  # determines every random number of the run
    config.num_steps = 0  # train steps; 0: as many as num_epochs makes
    config.num_epochs = 100  # used if num_steps is 0; an epoch is N // batch_size steps
    config.batch_size = 100  # images per update
    config.d_steps = 1  # discriminator updates per step, each on its own real batch
    config.g_steps = 1  # generator updates per step
    # Whether both players are updated at once, with the same generated images.
    config.simultaneous_updates = False
    config.population = 1  # GANs trained together, of seeds seed, seed + 1, ...
    # How a batch is spread over all devices: 'jit' (the compiler divides), 'pmap'.
    config.parallel = "jit"
    # Of matrix products and convolutions: 'float32', 'bfloat16' (for GPUs).
    config.compute_dtype = "float32"
    config.ema_decay = 0.0  # of the generator's averaged variables; 0: none kept

    config.data = ConfigDict()
    config.data.name = "mnist"  # 'mnist', 'fashion_mnist', 'cifar10', 'svhn'
    config.data.source = "tfds"  # 'embedded' (MNIST subset), 'files', 'tfds'
    config.data.dir = ""  # folder of the files, or of tfds ('': its default)
    config.data.grayscale = False  # turns a colour set's images into one channel
    config.data.flip = False  # mirrors real training images half of the time (CIFAR-10)

    config.conditional = True  # whether the networks see labels
    # Whether D sees real and generated images in one batch, in G's step too if D is in
    # train mode there; matters to batch norm.
    config.joint_batches = False
    config.latent = ConfigDict()
    config.latent.size = 100  # length of z
    config.latent.prior = "normal"  # 'normal' N(0, 1), 'uniform' U(-1, 1)

    # Networks: a name from gan_jax.networks and that module's own arguments.
    config.generator = ConfigDict()
    config.generator.name = "mlp"
    config.generator.conditioning = "one_hot"  # if conditional; see the network's
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
    config.discriminator.conditioning = "one_hot"
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

    # A game: 'non_saturating', 'minimax', 'wasserstein', 'hinge', 'least_squares'.
    # label_smoothing is of real images 'none', 'fixed', 'random', or
    # of both kinds 'two_sided'; the target is 1 - amount, or 1 - amount * U(0, 1).
    config.loss = game(
        "non_saturating", label_smoothing="random", label_smoothing_amount=0.15
    )
    # Terms beside the game, by the name under which they are logged: 'r1_penalty',
    # 'gradient_penalty', 'discriminator_class_loss', 'generator_class_loss', 'l1',
    # 'mode_seeking'; see gan_jax/objective/terms.py for their fields.
    config.terms = ConfigDict()
    # Of all images that the discriminator sees: 'translation'.
    config.augmentations = ()

    # A name from optax and its arguments; None leaves an argument at optax's default.
    for player in ("generator", "discriminator"):
        optimizer = config[f"{player}_optimizer"] = ConfigDict()
        optimizer.name = "adam"
        optimizer.learning_rate = 2e-4
        optimizer.schedule = "constant"  # 'constant', 'cosine', 'linear' (both to 0)
        optimizer.weight_clip = 0.0  # parameters stay in [-c, c]; 0: they need not
        optimizer.arguments = ConfigDict({"b1": 0.5, "b2": 0.999})

    config.log_every = 100  # steps between lines in metrics.jsonl
    config.test_every = 0  # steps between losses on the test images; 0: an epoch
    config.sample_every = 6000  # steps between sample grids
    config.checkpoint_every = 6000  # steps between checkpoints
    config.steps_per_dispatch = 100  # at most so many steps in one call to the device

    config.checkpoints = ConfigDict()
    config.checkpoints.keep_latest = 3  # and the best one besides
    config.checkpoints.best_metric = "inception_score"  # 'gan_test', or '' for no best
    config.checkpoints.best_num_samples = 10_000  # images behind that score

    config.sampling = ConfigDict()
    config.sampling.num_samples = 0  # of --mode=sample; 0: eval.num_samples
    config.sampling.batch_size = 0  # images generated together; 0: batch_size
    config.sampling.dropout_rate = -1.0  # in train mode; -1: the generator's own

    config.eval = ConfigDict()
    config.eval.num_samples = 10_000  # generated images per run
    config.eval.num_splits = 10  # of the Inception Score
    # Further numbers of images, as (1_507, 50_000), to give the Inception Score of.
    config.eval.inception_sizes = ()
    config.eval.num_runs = 10  # of GAN-test, each on its own images
    config.eval.gan_train_runs = 1  # each a classifier of its own generated images
    config.eval.gan_train_samples = 0  # 0: as many as there are real training images
    # Which scores; the last two need labels, that is a conditional GAN.
    config.eval.scores = ("inception_score", "gan_test", "gan_train")

    # The judge, trained on the real images; and anew on generated ones for GAN-train.
    config.classifier = ConfigDict()
    config.classifier.name = "lenet"  # 'lenet', 'resnet' (for photographs)
    config.classifier.seed = 0
    config.classifier.cache_dir = ""  # '': gan_jax in the user's cache folder

    return config


def dcgan_generator() -> ConfigDict:
    """The fields of the network 'dcgan'. The values are those of report A's DCGAN."""
    network = ConfigDict()
    network.name = "dcgan"
    network.conditioning = "one_hot"  # or 'embedding', 'branches'; if conditional
    network.dense_sizes = (1024,)  # units of dense layers before the projection
    network.projection_filters = 256  # channels of the first feature maps
    network.projection_norm = True  # whether norm belongs to the projection
    network.projection_activation = True  # whether an activation follows it
    network.filters = (128, 64)  # of the transposed convolutions but the last
    network.strides = (1, 2, 2)  # of all of them
    network.kernel_size = 5  # of all of them
    network.branch_kernel_size = 3  # of 'branches', before they are joined
    network.dropout_rate = 0.0  # before the last convolution
    network.output = "tanh"  # 'tanh', 'sigmoid'; images are scaled to it
    _add_convolutional_fields(network)
    return network


def dcgan_discriminator() -> ConfigDict:
    """The fields of the network 'dcgan'. The values are those of report A's DCGAN."""
    network = ConfigDict()
    network.name = "dcgan"
    network.conditioning = "one_hot"  # or 'branches', 'auxiliary'; if conditional
    network.filters = (64, 128, 256)  # of the convolutions
    network.kernel_sizes = (5, 5, 5)  # of each
    network.strides = (2, 2, 2)  # of each
    network.norm_layers = (True, True, True)  # whether norm belongs to each
    network.pool_layers = (False, False, False)  # whether a 2x2 maximum follows each
    network.dense_sizes = (4,)  # units of dense layers before the logit
    network.dense_norm = True  # whether norm belongs to these
    network.minibatch_kernels = 0  # of minibatch discrimination; 0: none
    network.minibatch_kernel_dim = 5  # of each kernel
    network.branch_filters = 64  # of 'branches', before they are joined
    network.branch_kernel_size = 5  # of 'branches'
    network.dropout_rate = 0.3  # after every convolution
    _add_convolutional_fields(network)
    return network


def upsampling_generator() -> ConfigDict:
    """The fields of the network 'upsampling'. The values are those of report E."""
    network = ConfigDict()
    network.name = "upsampling"
    network.conditioning = "one_hot"  # or 'embedding'; if conditional
    network.num_filters = 64  # of the projection and of every convolution
    network.num_blocks = 2  # of two convolutions and an enlargement by 2
    network.kernel_size = 3  # of the convolutions
    network.dropout_rate = 0.5  # after every convolution
    network.output = "tanh"  # 'tanh', 'sigmoid'; images are scaled to it
    _add_convolutional_fields(network)
    network.norm = "none"  # in place of batch norm
    return network


def _add_convolutional_fields(network: ConfigDict) -> None:
    network.filter_multiplier = 1  # of every number of filters
    network.norm = "batch"  # 'batch', 'virtual', 'none'
    network.norm_momentum = 0.9  # of batch norm; PyTorch's 0.9, Keras's 0.99
    network.norm_epsilon = 1e-5  # PyTorch's 1e-5, Keras's 1e-3
    network.norm_after_activation = False  # or before it
    network.reference_examples = 64  # in the reference batch of virtual batch norm
    network.negative_slope = 0.2  # of leaky_relu
    network.use_bias = True  # but in layers right before a norm
    network.kernel_init = "dcgan_normal"  # 'xavier_uniform', 'kaiming_normal', ...
