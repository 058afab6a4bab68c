"""Intervals, paired differences and marks, against scipy, closed forms and coverage."""

import numpy as np
import pytest
from scipy import stats

from suite.report.intervals import bootstrap_means, holm, mark_best, paired_differences, wilcoxon_p


def test_interval_agrees_with_scipy_bootstrap() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=(60, 3))
    ours = bootstrap_means(values, resamples=20_000)
    for column in range(3):
        theirs = stats.bootstrap((values[:, column],), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2))
        width = theirs.confidence_interval.high - theirs.confidence_interval.low
        assert ours.mean[column] == pytest.approx(values[:, column].mean(), rel=1e-12)
        assert ours.low[column] == pytest.approx(theirs.confidence_interval.low, abs=0.04 * width)
        assert ours.high[column] == pytest.approx(theirs.confidence_interval.high, abs=0.04 * width)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=(40, 400))
    means = bootstrap_means(values)
    covered = np.mean((means.low < 5.0) & (means.high > 5.0))
    assert 0.90 < covered < 0.98


def test_missing_values_leave_the_other_columns_alone() -> None:
    values = np.random.default_rng(4).normal(size=(30, 2))
    holed = np.column_stack([values, values[:, 0], np.full(30, np.nan)])
    holed[3:, 2] = np.nan
    holed[0, 1] = np.nan
    means, alone = bootstrap_means(holed), bootstrap_means(values[:, :1])
    assert means.low[0] == pytest.approx(alone.low[0], rel=1e-12)
    assert means.n.tolist() == [30, 29, 3, 0]
    assert means.mean[1] == pytest.approx(values[1:, 1].mean())
    assert np.isnan([means.mean[3], means.low[3], means.high[3]]).all()
    assert values[:3, 0].min() <= means.low[2] <= means.high[2] <= values[:3, 0].max()


def test_one_image_has_a_mean_and_no_interval() -> None:
    means = bootstrap_means(np.array([[2.5]]))
    assert means.mean[0] == 2.5 and np.isnan(means.low[0]) and np.isnan(means.high[0])


def test_the_same_values_give_the_same_interval_in_any_company() -> None:
    values = np.random.default_rng(5).normal(size=(20, 300))
    together, alone = bootstrap_means(values), bootstrap_means(values[:, 270:271])
    assert together.low[270] == pytest.approx(alone.low[0], rel=1e-12)
    assert bootstrap_means(values).high.tolist() == together.high.tolist()


def test_holm_against_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.5, float("nan"), 0.9])
    assert adjusted[[0, 2]].tolist() == [1.0, 1.0] and np.isnan(adjusted[1])


def test_pairing_finds_a_difference_that_the_intervals_hide() -> None:
    rng = np.random.default_rng(6)
    image = rng.normal(0, 5, size=(40, 1))
    values = image + [0.0, 0.5] + rng.normal(0, 0.2, size=(40, 2))
    means = bootstrap_means(values)
    assert means.high[0] > means.low[1], "the intervals of the means overlap"
    (pair,) = paired_differences(values)
    assert pair.difference == pytest.approx(np.mean(values[:, 0] - values[:, 1]))
    assert pair.high < 0 and pair.significant and pair.n == 40
    assert pair.p == pytest.approx(stats.wilcoxon(values[:, 0], values[:, 1]).pvalue)
    assert mark_best(values, [pair], "higher") == ["", "best"]
    assert mark_best(values, [pair], "lower") == ["best", ""]


def test_ties_are_marked_alike_and_the_rest_not() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(0, 5, size=(40, 1)) + [2.0, 2.0, 0.0] + rng.normal(0, 0.3, size=(40, 3))
    assert mark_best(values, paired_differences(values), "higher") == ["tie", "tie", ""]
    same = np.column_stack([values[:, 0], values[:, 0]])
    assert mark_best(same, paired_differences(same), "higher") == ["tie", "tie"]


def test_marks_with_little_or_nothing_to_compare() -> None:
    one = np.arange(10.0)[:, None]
    assert mark_best(one, paired_differences(one), "higher") == [""]
    empty = np.column_stack([one, np.full(10, np.nan)])
    assert mark_best(empty, paired_differences(empty), "higher") == ["", ""]
    few = np.column_stack([np.arange(4.0), np.arange(4.0) + 1])
    assert mark_best(few, paired_differences(few), "higher") == ["tie", "tie"], "four images cannot reach 5 %"


def test_a_method_that_fails_on_hard_images_does_not_win_by_it() -> None:
    hard = np.repeat([0.0, 10.0], 20)
    rng = np.random.default_rng(8)
    sturdy, fragile = hard + 1 + rng.normal(0, 0.1, 40), hard + rng.normal(0, 0.1, 40)
    fragile[:15] = np.nan
    values = np.column_stack([sturdy, fragile])
    assert np.nanmean(fragile) > sturdy.mean()
    assert mark_best(values, paired_differences(values), "higher") == ["best", ""]


def test_null_methods_are_rarely_called_best() -> None:
    rng = np.random.default_rng(9)
    named = 0
    for _ in range(40):
        values = rng.normal(0, 1, size=(25, 4))
        named += "best" in mark_best(values, paired_differences(values), "higher")
    assert named <= 4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [1, 2, 8, 24, 50, 51, 120])
def test_many_pairs_are_tested_at_once_as_one_by_one(n):
    rng = np.random.default_rng(n)
    differences = rng.normal(0.3, 1.0, (n, 60))
    differences[:, 10:12] = np.round(differences[:, 10:12])
    differences[:, 12] = 0.0
    differences[:, 14:20][rng.random((n, 6)) < 0.3] = np.nan
    differences[0, 20] = 0.0
    if n > 1:
        differences[1, 21] = -differences[0, 21]

    def alone(column):
        kept = column[np.isfinite(column)]
        return np.nan if len(kept) < 2 else stats.wilcoxon(kept).pvalue if kept.any() else 1.0

    assert wilcoxon_p(differences).tolist() == pytest.approx([alone(column) for column in differences.T], abs=0, nan_ok=True)
