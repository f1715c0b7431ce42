"""Every field that a config may set. The values are those of report D's cGAN.

Fields of components (networks, game, terms) stand in their classes, with the defaults
that `sections` writes here. Wherever a component, a metric or the data set has a name,
`package.module:attribute` names one of your own: see docs/extending.md.
"""

from ml_collections import ConfigDict

from gan_jax.sections import discriminator, game, generator


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.seed = 0  # determines every random number of the run
    # What the system's report says, by score, in words of its own: shown beside ours.
    config.published = ConfigDict()
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
    # The average's largest half-life, as a share of the steps done so far; 0: any.
    config.ema_rampup = 0.0

    config.data = ConfigDict()
    # 'mnist', 'fashion_mnist', 'cifar10', 'svhn'; with 'files' and 'folder' any other;
    # with 'huggingface' OWNER/NAME on its hub, or any other name of what data.dir has.
    config.data.name = "mnist"
    # 'embedded' (MNIST subset), 'files', 'tfds', 'folder' (pictures of one's own),
    # 'huggingface'.
    config.data.source = "tfds"
    # Folder of the files, of tfds ('': its default), or of pictures (or a zip file).
    config.data.dir = ""
    # Of pictures: (side,) or (height, width) to resize them to; (): their own.
    config.data.image_size = ()
    config.data.fit = "crop"  # to image_size; or 'pad', with black
    config.data.test_fraction = 0.1  # of pictures without folders train and test
    config.data.on_error = "stop"  # at pictures that cannot be used; or 'skip' them
    # Where the training images are: 'device', or 'host', which feeds their batches: for
    # more images than the device's memory holds.
    config.data.feed = "device"
    config.data.grayscale = False  # turns a colour set's images into one channel
    # Mirrors real training images half of the time (CIFAR-10, pictures of one's own).
    config.data.flip = False
    # Filled in for data of your own when training begins: (height, width, channels),
    # the classes, and a hash of all images, with which a run refuses other ones.
    config.data.image_shape = ()
    config.data.class_names = ()
    config.data.fingerprint = ""

    config.conditional = True  # whether the networks see labels
    # Whether D sees real and generated images in one batch, in G's step too if D is in
    # train mode there; matters to batch norm.
    config.joint_batches = False
    config.latent = ConfigDict()
    config.latent.size = 100  # length of z
    config.latent.prior = "normal"  # 'normal' N(0, 1), 'uniform' U(-1, 1)

    # Networks, by name, with the fields and defaults of their classes in
    # gan_jax/networks/: generators 'mlp', 'dcgan', 'upsampling', 'residual',
    # discriminators 'mlp', 'dcgan', 'residual'. `conditioning` is how a conditional
    # network joins labels.
    config.generator = generator("mlp")
    config.discriminator = discriminator("mlp")

    # Each network's mode in each phase, 'train' or 'eval' (dropout and batch norm).
    config.modes = ConfigDict()
    config.modes.generator_in_discriminator_step = "train"
    config.modes.discriminator_in_discriminator_step = "train"
    config.modes.generator_in_generator_step = "train"
    config.modes.discriminator_in_generator_step = "train"
    config.modes.generator_in_sampling = "train"

    # A game: 'non_saturating', 'minimax', 'wasserstein', 'hinge', 'least_squares',
    # 'relativistic'. With `real_labels` generated images have the classes of real ones.
    # label_smoothing is of real images 'none', 'fixed', 'random', or of both kinds
    # 'two_sided'; the target is 1 - amount, or 1 - amount * U(0, 1); with 'two_sided'
    # 1 - amount / 2, and amount / 2 of generated images.
    config.loss = game(
        "non_saturating", label_smoothing="random", label_smoothing_amount=0.15
    )
    # Terms beside the game, by the name under which they are logged: 'r1_penalty',
    # 'r1_r2_penalty', 'gradient_penalty', 'discriminator_class_loss',
    # 'generator_class_loss', 'l1', 'mode_seeking'; see gan_jax/objective/terms.py for
    # their fields.
    config.terms = ConfigDict()
    # Of all images that the discriminator sees: 'color', 'translation', 'cutout'. The
    # penalties' gradients are with respect to the images before them.
    config.augmentations = ()
    config.augmentation_probability = 1.0  # of each of them, for each image
    # What changes over training: at the same place as the field that changes, by
    # `sections.schedule`, as `config.schedules.terms.r1_penalty.gamma`.
    config.schedules = ConfigDict()

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
    # Any score of one set of images (not GAN-train, copying, authenticity), or ''.
    config.checkpoints.best_metric = "inception_score"
    config.checkpoints.best_num_samples = 10_000  # images behind that score

    config.sampling = ConfigDict()
    config.sampling.num_samples = 0  # of --mode=sample; 0: eval.num_samples
    config.sampling.batch_size = 0  # images generated together; 0: batch_size
    # Batches of which batch norm's statistics are computed anew, for eval mode; 0: the
    # moving ones. Needed with averaged weights.
    config.sampling.standing_batches = 0
    config.sampling.dropout_rate = -1.0  # in train mode; -1: the generator's own

    config.eval = ConfigDict()
    config.eval.num_samples = 10_000  # generated images per run
    config.eval.num_splits = 10  # of the Inception Score
    # Further numbers of images, as (1_507, 50_000), to give the Inception Score of.
    config.eval.inception_sizes = ()
    # Of GAN-test and of scores against real images, each on its own images.
    config.eval.num_runs = 10
    config.eval.gan_train_runs = 1  # each a classifier of its own generated images
    config.eval.gan_train_samples = 0  # 0: as many as there are real training images
    # For 'gan_train_filtered': an image is kept if the judge gives its class at least
    # this probability; so many of the latest checkpoints share the images out.
    config.eval.filter_confidence = 0.8
    config.eval.pool_checkpoints = 1
    # Of --analysis=augmentation: numbers of real and of added generated images, and of
    # classifiers for each pair.
    config.eval.augmentation_real_sizes = (100, 300, 1_000, 3_000, 10_000)
    config.eval.augmentation_generated_sizes = (0, 10_000)
    config.eval.augmentation_runs = 3
    # Which scores: also 'gan_train_filtered', 'frechet_distance', 'kernel_distance',
    # 'class_frechet_distance', 'precision', 'recall', 'density', 'coverage',
    # 'class_frequency_distance', 'class_diversity', 'class_ms_ssim', 'copying',
    # 'feature_copying', 'authenticity'. A conditional GAN is needed for GAN-test,
    # GAN-train (filtered or not), 'class_frechet_distance', 'class_diversity' and
    # 'class_ms_ssim'.
    config.eval.scores = ("inception_score", "gan_test", "gan_train")
    # Whose features scores against real images compare: the 'judge' (never call these
    # FID), 'inception' (FID, KID, and the Inception Score by its logits), or a function
    # uint8 [N, H, W, C] -> float [N, F] of your own.
    config.eval.features = "judge"
    # Of 'inception': the FID tools' file of weights, see docs/scores.md.
    config.eval.inception_weights = ""

    # The judge, trained on the real images; and anew on generated ones for GAN-train.
    config.classifier = ConfigDict()
    config.classifier.name = "lenet"  # 'lenet', 'resnet' (for photographs)
    config.classifier.seed = 0
    config.classifier.cache_dir = ""  # '': gan_jax in the user's cache folder

    return config
