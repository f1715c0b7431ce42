import pytest

from gan_jax.metrics import mean_and_sample_std


def test_divides_by_one_less_than_the_number_of_runs():
    # Deviations -2, 0, 2: sum of squares 8, over 3 - 1 runs 4, root 2.
    mean, std = mean_and_sample_std([1.0, 3.0, 5.0])

    assert (mean, std) == (3.0, 2.0)
    assert type(mean) is float
    assert type(std) is float


def test_equal_runs_have_no_spread():
    assert mean_and_sample_std([0.5, 0.5]) == (0.5, 0.0)


@pytest.mark.parametrize("values", [[], [0.9], [[0.9, 0.8]]])
def test_refuses_fewer_than_two_runs(values):
    with pytest.raises(ValueError, match="two runs or more"):
        mean_and_sample_std(values)


def test_refuses_values_that_are_not_finite():
    with pytest.raises(ValueError, match="must be finite"):
        mean_and_sample_std([0.9, float("nan")])
