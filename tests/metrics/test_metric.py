"""What every score shares."""

import json

import numpy as np

from gan_jax.metrics.metric import Metric, Scoring


def test_values_of_other_number_types_can_be_written():
    """A metric of the user's own returns what its arithmetic gives."""
    metric = Metric(title="own", value=lambda generated, *_: np.float32(generated))
    values = (0.5, 1.0, 1.5)

    for num_runs, expected in (
        (1, {"own": 0.5}),
        (3, {"own": {"mean": 1.0, "std": 0.5, "num_runs": 3}}),
    ):
        scoring = Scoring(
            generated=lambda run: values[run],
            real=None,
            training=None,
            settings={"num_runs": num_runs},
            training_set=None,
            train_and_test=None,
            pool=None,
        )
        assert json.loads(json.dumps(metric.scores("own", scoring))) == expected
