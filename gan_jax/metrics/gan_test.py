"""GAN-test: are generated images what their labels say, by a judge of real images?"""

from gan_jax.metrics.accuracy import accuracy
from gan_jax.metrics.metric import Metric

# The judge's accuracy on labelled generated images (Shmelkov et al. 2018, section 3).
GAN_TEST = Metric(
    title="GAN-test",
    value=lambda generated, real, settings: accuracy(
        generated.logits, generated.labels
    ),
    unit="%",
    digits=2,
    needs_labels=True,
    real="real_accuracy",
    sees="judge",
)
