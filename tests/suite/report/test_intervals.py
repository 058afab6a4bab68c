"""Intervals, paired differences and marks, against scipy, closed forms and coverage."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.common.project import PROJECT
from suite.report.intervals import mean_intervals
from suite.report.pairs import mark_best, paired_differences
from suite.report.signed_ranks import holm, wilcoxon_p


def test_interval_is_the_wider_of_students_and_the_bootstrap_t_with_the_farther_end_moved_out() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=(24, 3))
    ours = mean_intervals(values, resamples=20_000)
    rng = np.random.default_rng(2)
    for column, sample in enumerate(values.T):
        mean, error = sample.mean(), sample.std(ddof=1) / np.sqrt(24)
        drawn = rng.choice(sample, (20_000, 24))
        studentised = (drawn.mean(axis=1) - mean) / (drawn.std(axis=1, ddof=1) / np.sqrt(24))
        high_t, low_t = np.quantile(studentised, [0.025, 0.975])
        student = stats.t.interval(0.95, 23, mean, error)
        below, above = mean - min(student[0], mean - low_t * error), max(student[1], mean - high_t * error) - mean
        assert above > below, "a long tail above"
        assert ours.mean[column] == pytest.approx(mean, rel=1e-12)
        assert mean - ours.low[column] == pytest.approx(below, abs=0.06 * error)
        assert ours.high[column] - mean == pytest.approx(above * min(above / below, 1 + 4.5 / 24), abs=0.2 * error)


def test_values_and_their_mirror_image_have_mirrored_intervals() -> None:
    values = np.random.default_rng(12).lognormal(0.0, 1.0, (8, 20))
    means, mirrored = mean_intervals(values), mean_intervals(-values)
    assert mirrored.low.tolist() == pytest.approx((-means.high).tolist(), rel=1e-9)
    far, near = (choose(means.high - means.mean, means.mean - means.low) for choose in (np.maximum, np.minimum))
    reach = stats.t.ppf(0.975, 7) * stats.sem(values)
    assert np.all(near >= reach * (1 - 1e-12)) and np.all(far > near)


SHAPES = {
    "normal": (lambda rng, size: rng.normal(5.0, 2.0, size), 5.0),
    "exponential": (lambda rng, size: rng.exponential(1.0, size), 1.0),
    "lognormal, sigma = 0.5": (lambda rng, size: rng.lognormal(0.0, 0.5, size), np.exp(0.125)),
    "lognormal, sigma = 1": (lambda rng, size: rng.lognormal(0.0, 1.0, size), np.exp(0.5)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [8, 16, 32])
def test_interval_covers_the_true_mean_as_often_as_it_says_of_few_and_of_skewed_values(n: int, shape: str) -> None:
    draw, truth = SHAPES[shape]
    means = mean_intervals(draw(np.random.default_rng(n), (n, 3000)))
    covered = np.mean((means.low <= truth) & (truth <= means.high))
    # Two standard errors of the simulation about 93 and 97 %.
    assert 0.921 < covered < 0.976


@pytest.mark.slow
def test_the_coverage_that_the_page_names_is_that_of_60000_draws_and_between_93_and_97_percent() -> None:
    page = (PROJECT / "results" / "README.md").read_text(encoding="utf-8")
    for place, (shape, (draw, truth)) in enumerate(SHAPES.items()):
        covered = []
        for n in (8, 16, 32):
            means = mean_intervals(draw(np.random.default_rng([n, place]), (n, 60_000)))
            covered.append(100 * float(np.mean((means.low <= truth) & (truth <= means.high))))
        named = next(line for line in page.splitlines() if line.strip().startswith(f"| {shape} "))
        print(shape, *(f"{each:.1f}" for each in covered))
        assert [float(cell) for cell in named.split("|")[2:5]] == pytest.approx(covered, abs=0.1), shape
        # The last digit is the simulation's.
        assert all(92.8 <= each <= 97.2 for each in covered), shape


def test_values_that_are_all_equal_have_an_interval_of_no_width() -> None:
    means = mean_intervals(np.full((9, 2), 3.5))
    assert means.low.tolist() == means.high.tolist() == [3.5, 3.5]


def test_few_methods_of_equal_worth_are_told_apart_in_few_tables() -> None:
    rng = np.random.default_rng(10)
    for n in (8, 9, 24):
        named = sum("best" in mark_best(values, paired_differences(values), "higher") for values in rng.normal(size=(60, n, 5)))
        assert named <= 3, n


def test_how_many_images_it_takes_to_call_one_of_five_the_best() -> None:
    def marks(n: int) -> list[str]:
        values = np.arange(n)[:, None] * 0.01 + [3.0, 0.0, 0.0, 0.0, 0.0] + np.random.default_rng(n).normal(0, 0.01, (n, 5))
        return mark_best(values, paired_differences(values), "higher")

    # Ten comparisons after Holm: the least p of n images, 2 / 2^n, must stay below 0.05 / 10.
    assert marks(8)[0] == "tie" and marks(9)[0] == "best"


def test_missing_values_leave_the_other_columns_alone() -> None:
    values = np.random.default_rng(4).normal(size=(30, 2))
    holed = np.column_stack([values, values[:, 0], np.full(30, np.nan)])
    holed[3:, 2] = np.nan
    holed[0, 1] = np.nan
    means, alone = mean_intervals(holed), mean_intervals(values[:, :1])
    assert means.low[0] == pytest.approx(alone.low[0], rel=1e-12)
    assert means.n.tolist() == [30, 29, 3, 0]
    assert means.mean[1] == pytest.approx(values[1:, 1].mean())
    assert np.isnan([means.mean[3], means.low[3], means.high[3]]).all()
    assert (means.low[2], means.high[2]) == pytest.approx(stats.t.interval(0.95, 2, values[:3, 0].mean(), stats.sem(values[:3, 0])))


def test_one_image_has_a_mean_and_no_interval() -> None:
    means = mean_intervals(np.array([[2.5]]))
    assert means.mean[0] == 2.5 and np.isnan(means.low[0]) and np.isnan(means.high[0])


def test_the_same_values_give_the_same_interval_in_any_company() -> None:
    values = np.random.default_rng(5).normal(size=(20, 300))
    together, alone = mean_intervals(values), mean_intervals(values[:, 270:271])
    assert together.low[270] == pytest.approx(alone.low[0], rel=1e-12)
    assert mean_intervals(values).high.tolist() == together.high.tolist()


def test_holm_against_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.5, float("nan"), 0.9])
    assert adjusted[[0, 2]].tolist() == [1.0, 1.0] and np.isnan(adjusted[1])


def grouped(seed: int, sizes: list[int], within: float, cells: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Values of mean 0 and variance 1 whose correlation inside a group is ``within``, with the groups."""
    rng, codes = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    common, own = rng.normal(size=(len(sizes), cells))[codes], rng.normal(size=(len(codes), cells))
    return np.sqrt(within) * common + np.sqrt(1 - within) * own, codes


@pytest.mark.parametrize(("sizes", "naive"), [([8] * 12, 0.6), ([10] * 6, 0.5), ([1, 19, 4, 9, 2, 15, 7, 3, 11, 6, 18, 1, 5, 13], 0.55)])
def test_of_images_that_resemble_one_another_groups_hold_the_mean_and_images_do_not(sizes, naive) -> None:
    values, codes = grouped(len(sizes), sizes, 0.9)
    apart, together = mean_intervals(values), mean_intervals(values, codes)
    assert np.array_equal(apart.mean, together.mean) and np.array_equal(apart.n, together.n)
    covered = [float(np.mean((each.low <= 0) & (each.high >= 0))) for each in (together, apart)]
    assert 0.93 < covered[0] < 0.98 and covered[1] < naive


def test_groups_of_one_image_change_nothing_and_of_copies_only_the_group_counts() -> None:
    values = np.random.default_rng(3).gamma(2.0, 3.0, size=(24, 4))
    single, alone = mean_intervals(values), mean_intervals(values, np.arange(24))
    for name in ("mean", "low", "high", "n"):
        assert getattr(single, name) == pytest.approx(getattr(alone, name), rel=1e-12)
    # Eight copies of each image say what the image says: the interval of Student's is the closed form of the 24.
    copies = mean_intervals(np.repeat(values, 8, axis=0), np.repeat(np.arange(24), 8))
    assert (copies.low, copies.high) == (pytest.approx(single.low), pytest.approx(single.high)) and copies.n.tolist() == [192] * 4
    assert np.all(np.diff([mean_intervals(np.repeat(values, 8, axis=0)).high, copies.high], axis=0) > 0)


def test_one_group_has_no_interval_and_few_have_students() -> None:
    values = np.random.default_rng(4).normal(size=(12, 1))
    one = mean_intervals(values, np.zeros(12, int))
    assert np.isfinite(one.mean[0]) and np.isnan(one.low[0])
    codes = np.repeat(np.arange(3), 4)
    means = values.reshape(3, 4).mean(axis=1)
    three = mean_intervals(values, codes)
    assert (three.low[0], three.high[0]) == pytest.approx(stats.t.interval(0.95, 2, means.mean(), means.std(ddof=1) / np.sqrt(3)))


def test_pairs_are_tested_by_groups() -> None:
    values, codes = grouped(11, [8] * 12, 0.9, cells=400)
    two = np.stack([values, np.zeros_like(values)], axis=2)
    found = [[paired_differences(two[:, cell], groups=each)[0] for cell in range(400)] for each in (codes, None)]
    false_alarms = [np.mean([pair.significant for pair in pairs]) for pairs in found]
    assert false_alarms[0] < 0.07 and false_alarms[1] > 0.3
    pair, means = found[0][0], values[:, 0].reshape(12, 8).mean(axis=1)
    assert pair.p == pytest.approx(stats.wilcoxon(means).pvalue) and pair.n == 96
    reach = stats.t.ppf(0.975, 11) + stats.t.ppf(0.8, 11)
    assert pair.detectable == pytest.approx(reach * means.std(ddof=1) / np.sqrt(12))
    lacking = values[:, :2].copy()
    lacking[codes < 2, 0] = np.nan
    (short,) = paired_differences(lacking, groups=codes)
    assert short.n == 80 and short.p == pytest.approx(
        stats.wilcoxon((lacking[:, 0] - lacking[:, 1])[16:].reshape(10, 8).mean(axis=1)).pvalue
    )


def test_pairing_finds_a_difference_that_the_intervals_hide() -> None:
    rng = np.random.default_rng(6)
    image = rng.normal(0, 5, size=(40, 1))
    values = image + [0.0, 0.5] + rng.normal(0, 0.2, size=(40, 2))
    means = mean_intervals(values)
    assert means.high[0] > means.low[1], "the intervals of the means overlap"
    (pair,) = paired_differences(values)
    assert pair.difference == pytest.approx(np.mean(values[:, 0] - values[:, 1]))
    assert pair.high < 0 and pair.significant and pair.n == 40
    assert pair.p == pytest.approx(stats.wilcoxon(values[:, 0], values[:, 1]).pvalue)
    gaps = values[:, 0] - values[:, 1]
    assert pair.effect == pytest.approx(gaps.mean() / gaps.std(ddof=1))
    # The power of a two-sided t test with that true difference, by the noncentral t distribution, is about four in five.
    noncentral = pair.detectable / (gaps.std(ddof=1) / np.sqrt(40))
    assert stats.nct.sf(stats.t.ppf(0.975, 39), 39, noncentral) == pytest.approx(0.8, abs=0.01)
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


def test_of_few_differences_with_ties_or_zeros_every_choice_of_signs_counts() -> None:
    rng = np.random.default_rng(8)
    for n in (2, 3, 6, 9):
        for _ in range(4):
            ties = rng.integers(-2, 3, n).astype(float)
            ties[0] = 1.0
            assert wilcoxon_p(ties[:, None])[0] == pytest.approx(stats.wilcoxon(ties).pvalue, abs=1e-12)
    many = np.repeat([[0.0, 1.0, 2.0, 2.0]], 5, axis=0).reshape(-1, 1)
    assert wilcoxon_p(many)[0] == stats.wilcoxon(many[:, 0]).pvalue


def test_families_of_pairs_are_corrected_apart() -> None:
    values = np.random.default_rng(2).normal(size=(12, 4)) + np.arange(4)
    pairs = [(0, 1), (0, 2), (1, 2), (2, 3)]
    together = paired_differences(values, pairs, families=[0, 0, 0, 1])
    alone = [*paired_differences(values, pairs[:3]), *paired_differences(values, pairs[3:])]
    assert together == alone and alone[3].p_holm == alone[3].p


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
