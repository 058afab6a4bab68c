"""GenED-SC's blocks against literal loops over the paper's equations (12)-(30), in NumPy."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from torch import Tensor
from torch.nn import functional as F

from methods.errors import RateError
from methods.gened_sc import losses
from methods.gened_sc.budget import Budget
from methods.gened_sc.cbam import CBAMBlock
from methods.gened_sc.fusion import ImageDecoder
from methods.gened_sc.masks import agreement, coverage, resized
from methods.gened_sc.score_map import ScoreHead, ScoreMap
from methods.gened_sc.sipm import ImportancePredictor, Prediction, gumbel_choice, patch_descriptor
from methods.gened_sc.split_attention import SplitAttention, from_patches, spread, to_patches, warp

SIDE, CHANNELS = 2, 5


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    return e / e.sum()


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


class LiteralDecoder:
    """One pre-norm transformer decoder layer for one query, from the weights of torch's."""

    def __init__(self, layer: torch.nn.TransformerDecoderLayer) -> None:
        self.w = {name: weights.detach().double().numpy() for name, weights in layer.named_parameters()}
        self.heads = layer.self_attn.num_heads

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attend(self, query: np.ndarray, context: np.ndarray, name: str) -> np.ndarray:
        width = len(query)
        weights, biases = np.split(self.w[f"{name}.in_proj_weight"], 3), np.split(self.w[f"{name}.in_proj_bias"], 3)
        q = weights[0] @ query + biases[0]
        k, v = (np.stack([weights[i] @ row + biases[i] for row in context]) for i in (1, 2))
        mixed, each = np.zeros(width), width // self.heads
        for head in range(self.heads):
            part = slice(head * each, (head + 1) * each)
            mixed[part] = softmax(k[:, part] @ q[part] / np.sqrt(each)) @ v[:, part]
        return self.w[f"{name}.out_proj.weight"] @ mixed + self.w[f"{name}.out_proj.bias"]

    def __call__(self, x: np.ndarray, context: np.ndarray) -> np.ndarray:
        normed = self.norm(x, "norm1")
        x = x + self.attend(normed, normed[None], "self_attn")
        x = x + self.attend(self.norm(x, "norm2"), context, "multihead_attn")
        hidden = np.maximum(self.w["linear1.weight"] @ self.norm(x, "norm3") + self.w["linear1.bias"], 0.0)
        return x + self.w["linear2.weight"] @ hidden + self.w["linear2.bias"]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@torch.no_grad()
def test_score_map_equals_equations_27_to_30(similarity: str) -> None:
    torch.manual_seed(3)
    module = ScoreMap(8, 2, 2, similarity)  # type: ignore[arg-type]
    module.gamma.fill_(0.7)
    text, pooled, dense = draw(2, 8, seed=1), draw(2, 8, seed=2), draw(2, 8, 2, 3, seed=3)
    scores = module(text, pooled, dense).numpy()
    layers = [LiteralDecoder(layer) for layer in module.decoder.layers]
    for b in range(2):
        scaled = unit if similarity == "cosine" else np.asarray
        e_t, g = scaled(text[b].double().numpy()), scaled(pooled[b].double().numpy())
        e_v = {(i, j): scaled(dense[b, :, i, j].double().numpy()) for i in range(2) for j in range(3)}
        context = np.stack([g, *e_v.values()])
        delta = e_t
        for layer in layers:
            delta = layer(delta, context)
        refined = e_t + float(module.gamma) * delta
        for (i, j), vector in e_v.items():
            expected = float((refined * vector).sum()) / float(module.log_temperature.exp())
            assert scores[b, 0, i, j] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_score_map_starts_as_plain_clip_similarity_and_learns_gamma_and_temperature() -> None:
    torch.manual_seed(0)
    module = ScoreMap(8, 1, 2)
    text, dense = draw(1, 8, seed=1), draw(1, 8, 2, 2, seed=2)
    scores = module(text, draw(1, 8, seed=3), dense)
    plain = F.cosine_similarity(text[:, :, None, None], dense, dim=1) / 0.07
    torch.testing.assert_close(scores[:, 0], plain, atol=0.05, rtol=0.0)
    scores.square().sum().backward()
    assert float(module.gamma.grad) != 0.0 and float(module.log_temperature.grad) != 0.0


@torch.no_grad()
def test_score_head_gives_a_plane_of_the_features_size() -> None:
    head = ScoreHead(6, 4)
    assert head(draw(2, 6, 8, 12)).shape == (2, 1, 8, 12)
    assert head(draw(1, 6, 6, 6)).shape == (1, 1, 6, 6)


def test_patch_descriptor_is_the_channel_mean_of_each_position_of_a_patch() -> None:
    features = draw(2, CHANNELS, 4, 6)
    descriptor = patch_descriptor(features, SIDE).numpy()
    assert descriptor.shape == (2, 2, 3, 4)
    array = features.double().numpy()
    for b, i, j, y, x in np.ndindex(2, 2, 3, 2, 2):
        expected = sum(array[b, c, 2 * i + y, 2 * j + x] for c in range(CHANNELS)) / CHANNELS
        assert descriptor[b, i, j, 2 * y + x] == pytest.approx(expected, abs=1e-6)


@torch.no_grad()
def test_condition_concatenates_features_modulation_and_scores() -> None:
    module = ImportancePredictor(CHANNELS, SIDE)
    features, scores = draw(2, CHANNELS, 4, 4), draw(2, 1, 4, 4, seed=1)
    condition = module.condition(features, scores)
    assert condition.shape == (2, CHANNELS + 3, 4, 4)
    assert torch.equal(condition[:, :CHANNELS], features) and torch.equal(condition[:, -1:], scores)


@torch.no_grad()
def test_prediction_has_the_shapes_and_ranges_of_equation_13() -> None:
    torch.manual_seed(0)
    prediction = ImportancePredictor(CHANNELS, SIDE, max_offset=3.0)(100 * draw(2, CHANNELS, 4, 6), draw(2, 1, 4, 6))
    assert prediction.mask is not None and prediction.mask.shape == (2, 1, 2, 3)
    assert set(prediction.mask.unique().tolist()) <= {0.0, 1.0}
    assert prediction.offsets is not None and prediction.offsets.shape == (2, 2, 4, 6)
    assert float(prediction.offsets.abs().max()) <= 3.0
    assert prediction.channel_attention.shape == (2, CHANNELS, 1, 1)
    assert prediction.spatial_attention.shape == (2, 1, 4, 6)
    for attention in (prediction.channel_attention, prediction.spatial_attention):
        assert 0.0 <= float(attention.min()) and float(attention.max()) <= 1.0


@pytest.mark.parametrize("on", ["probabilities", "logits"])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_gumbel_choice_is_torchs_hard_gumbel_softmax(on: str, temperature: float) -> None:
    logits = draw(3, 7, 2, seed=5).requires_grad_()
    chosen = gumbel_choice(logits, temperature, on, torch.Generator().manual_seed(9))  # type: ignore[arg-type]
    weights = draw(3, 7, seed=6)
    (gradient,) = torch.autograd.grad((weights * chosen).sum(), logits)
    torch.manual_seed(9)
    noisy = logits.softmax(dim=-1) if on == "probabilities" else logits
    reference = F.gumbel_softmax(noisy, tau=temperature, hard=True)[..., 0]
    assert set(chosen.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(chosen, reference)
    (expected,) = torch.autograd.grad((weights * reference).sum(), logits)
    torch.testing.assert_close(gradient, expected)
    assert float(gradient.abs().min()) > 0.0


def test_gumbel_choice_without_noise_takes_the_likelier_class() -> None:
    logits = torch.tensor([[2.0, 1.0], [-1.0, 3.0], [0.1, 0.0]], requires_grad=True)
    chosen = gumbel_choice(logits, 1.0, "probabilities", None)
    assert chosen.tolist() == [1.0, 0.0, 1.0]
    chosen.sum().backward()
    assert logits.grad is not None and float(logits.grad.abs().min()) > 0.0


def test_gumbel_noise_on_probabilities_keeps_even_a_certain_choice_uncertain() -> None:
    certain = torch.tensor([20.0, -20.0]).expand(20000, 2)
    generator = torch.Generator().manual_seed(0)
    on_probabilities = float(gumbel_choice(certain, 1.0, "probabilities", generator).mean())
    assert on_probabilities == pytest.approx(np.e / (1 + np.e), abs=0.02)
    assert float(gumbel_choice(certain, 1.0, "logits", generator).mean()) == 1.0


def test_warp_equals_scipys_linear_interpolation() -> None:
    features, offsets = draw(2, 3, 5, 7), 2.5 * draw(2, 2, 5, 7, seed=1)
    warped = warp(features, offsets).numpy()
    rows, columns = np.mgrid[:5, :7].astype(float)
    for b in range(2):
        dx, dy = offsets[b].double().numpy()
        for c in range(3):
            expected = map_coordinates(features[b, c].double().numpy(), [rows + dy, columns + dx], order=1, mode="nearest")
            np.testing.assert_allclose(warped[b, c], expected, atol=2e-5)


def test_warp_by_zero_and_by_whole_positions() -> None:
    features = draw(1, 2, 4, 4)
    torch.testing.assert_close(warp(features, torch.zeros(1, 2, 4, 4)), features)
    right = torch.zeros(1, 2, 4, 4)
    right[:, 0] = 1.0
    torch.testing.assert_close(warp(features, right)[..., :3], features[..., 1:])


def test_patches_and_back() -> None:
    features = draw(2, 3, 4, 6)
    patches = to_patches(features, 2)
    assert patches.shape == (2, 2, 3, 4, 3)
    assert torch.equal(patches[1, 1, 2, 3], features[1, :, 3, 5])
    assert torch.equal(from_patches(patches, 2), features)


def literal_foreground(v: np.ndarray, mask: np.ndarray, offsets: np.ndarray | None, attention: np.ndarray, divisor: float) -> np.ndarray:
    """(15)-(18) for one image, position by position."""
    height, width = v.shape[1:]
    gate = np.kron(mask, np.ones((SIDE, SIDE)))
    v_fg = v * gate
    moved = v_fg
    if offsets is not None:
        rows, columns = np.mgrid[:height, :width].astype(float)
        moved = np.stack([map_coordinates(plane, [rows + offsets[1], columns + offsets[0]], order=1, mode="nearest") for plane in v_fg])
    key, value, output = v_fg + moved, v_fg * attention, np.zeros_like(v)
    for i, j in np.ndindex(*mask.shape):
        if mask[i, j] == 0:
            continue
        places = [(SIDE * i + y, SIDE * j + x) for y in range(SIDE) for x in range(SIDE)]
        for place in places:
            scores = np.array([v_fg[(slice(None), *place)] @ key[(slice(None), *other)] for other in places]) / divisor
            weights = softmax(scores)
            output[(slice(None), *place)] = sum(w * value[(slice(None), *other)] for w, other in zip(weights, places, strict=True))
    return output


MASKS = {
    "ones": torch.ones(2, 1, 2, 3),
    "zeros": torch.zeros(2, 1, 2, 3),
    "one patch": F.one_hot(torch.tensor([4, 0]), 6).view(2, 1, 2, 3).float(),
    "mixed": torch.tensor([[1, 0, 1, 0, 0, 1], [0, 1, 1, 1, 0, 0]]).view(2, 1, 2, 3).float(),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize(("scale", "deformable"), [("none", True), ("sqrt", True), ("none", False)])
def test_split_attention_equals_equations_15_to_20(name: str, gradients: bool, scale: str, deformable: bool) -> None:
    torch.manual_seed(1)
    module = SplitAttention(CHANNELS, SIDE, scale)  # type: ignore[arg-type]
    v, mask = draw(2, CHANNELS, 4, 6), MASKS[name]
    offsets = 1.5 * draw(2, 2, 4, 6, seed=2) if deformable else None
    a_ca, a_sa = draw(2, CHANNELS, 1, 1, seed=3).sigmoid(), draw(2, 1, 4, 6, seed=4).sigmoid()
    with torch.set_grad_enabled(gradients):
        foreground, background = module(v, mask, 1.0 - mask, Prediction(mask, None, offsets, a_ca, a_sa))
    for b in range(2):
        expected = literal_foreground(
            v[b].double().numpy(),
            mask[b, 0].numpy(),
            None if offsets is None else offsets[b].double().numpy(),
            a_sa[b, 0].double().numpy(),
            np.sqrt(CHANNELS) if scale == "sqrt" else 1.0,
        )
        np.testing.assert_allclose(foreground[b].detach().numpy(), expected, atol=2e-4)
        gate = np.kron(mask[b, 0].numpy(), np.ones((SIDE, SIDE)))
        kept = torch.from_numpy(v[b].numpy() * (1.0 - gate) * a_ca[b].numpy()).float()
        torch.testing.assert_close(background[b], module.background(kept[None])[0])
    outside = foreground[spread(mask, SIDE).expand_as(foreground) == 0]
    assert outside.numel() == 0 or float(outside.abs().max()) == 0.0


def test_attention_stays_inside_its_patch() -> None:
    module = SplitAttention(CHANNELS, SIDE)
    v = draw(1, CHANNELS, 4, 4).requires_grad_()
    still = Prediction(None, None, None, torch.ones(1, CHANNELS, 1, 1), torch.ones(1, 1, 4, 4))
    attended = module.attend(v, torch.ones(1, 1, 2, 2), still)
    (gradient,) = torch.autograd.grad(attended[0, :, :2, :2].square().sum(), v)
    assert float(gradient[..., :2, :2].abs().min()) > 0.0
    assert float(gradient[..., 2:, :].abs().max()) == 0.0 and float(gradient[..., 2:].abs().max()) == 0.0


def test_mask_gets_a_gradient_through_both_branches() -> None:
    module = SplitAttention(CHANNELS, SIDE)
    mask = torch.tensor([1.0, 0.0, 0.0, 1.0]).view(1, 1, 2, 2).requires_grad_()
    prediction = Prediction(mask, None, None, torch.ones(1, CHANNELS, 1, 1), torch.ones(1, 1, 4, 4))
    foreground, background = module(draw(1, CHANNELS, 4, 4), mask, 1.0 - mask, prediction)
    for branch, places in ((foreground, mask.detach() == 1), (background, mask.detach() >= 0)):
        (gradient,) = torch.autograd.grad(branch.square().sum(), mask, retain_graph=True)
        assert float(gradient[places].abs().min()) > 0.0


@torch.no_grad()
def test_residual_adds_the_gated_features() -> None:
    torch.manual_seed(0)
    plain, residual = SplitAttention(CHANNELS, SIDE), SplitAttention(CHANNELS, SIDE, residual=True)
    v, mask = draw(2, CHANNELS, 4, 6), MASKS["mixed"]
    still = Prediction(None, None, None, torch.ones(2, CHANNELS, 1, 1), torch.ones(2, 1, 4, 6))
    torch.testing.assert_close(residual.attend(v, mask, still), plain.attend(v, mask, still) + v * spread(mask, SIDE))


@torch.no_grad()
def test_cbam_block_equals_its_papers_equations() -> None:
    torch.manual_seed(2)
    block, x = CBAMBlock(6), draw(2, 6, 5, 5)
    weights = {name: w.double().numpy() for name, w in block.named_parameters()}
    refined = block.convolutions(x).double().numpy()
    output = block(x).numpy()
    for b in range(2):
        f = refined[b]

        def mlp(vector: np.ndarray) -> np.ndarray:
            hidden = np.maximum(weights["channel_attention.fc1.weight"][:, :, 0, 0] @ vector, 0.0)
            return weights["channel_attention.fc2.weight"][:, :, 0, 0] @ hidden

        f = f * sigmoid(mlp(f.mean(axis=(1, 2))) + mlp(f.max(axis=(1, 2))))[:, None, None]
        stacked = np.pad(np.stack([f.mean(axis=0), f.max(axis=0)]), ((0, 0), (3, 3), (3, 3)))
        kernel, bias = weights["spatial_attention.conv.weight"][0], weights["spatial_attention.conv.bias"][0]
        gate = np.zeros((5, 5))
        for i, j in np.ndindex(5, 5):
            gate[i, j] = sigmoid((kernel * stacked[:, i : i + 7, j : j + 7]).sum() + bias)
        np.testing.assert_allclose(output[b], x[b].numpy() + f * gate, atol=1e-5)


@torch.no_grad()
def test_fusion_is_a_function_of_the_sum() -> None:
    torch.manual_seed(0)
    decoder = ImageDecoder(CHANNELS, 2, 1)
    one, two = draw(1, CHANNELS, 4, 4), draw(1, CHANNELS, 4, 4, seed=1)
    assert decoder(one, two).shape == (1, 3, 8, 8)
    torch.testing.assert_close(decoder(one, two), decoder(one + two, None))


SALIENCY = (draw(2, 1, 4, 4, seed=11) > 0).float()


def test_matching_loss_equals_equation_21() -> None:
    scores = draw(2, 1, 4, 4, seed=12)
    terms = {0.0: [], 1.0: []}
    for s, m in zip(scores.double().flatten().numpy(), SALIENCY.flatten().numpy(), strict=True):
        terms[float(m)].append(-np.log(sigmoid(s)) if m else -np.log(1.0 - sigmoid(s)))
    paper = sum(terms[1.0]) / (len(terms[1.0]) + 1e-8)
    assert float(losses.matching_loss(scores, SALIENCY)) == pytest.approx(paper, rel=1e-5)
    balanced = 0.5 * (paper + sum(terms[0.0]) / len(terms[0.0]))
    assert float(losses.matching_loss(scores, SALIENCY, "balanced")) == pytest.approx(balanced, rel=1e-5)


def test_matching_loss_of_a_large_score_everywhere_vanishes_in_the_papers_form_alone() -> None:
    everywhere = torch.full((2, 1, 4, 4), 30.0)
    assert float(losses.matching_loss(everywhere, SALIENCY)) < 1e-9
    assert float(losses.matching_loss(everywhere, SALIENCY, "balanced")) > 10.0


def test_foreground_loss_equals_equation_22() -> None:
    output, images = draw(2, 3, 4, 4), draw(2, 3, 4, 4, seed=1)
    total = count = 0.0
    for b, i, j in np.ndindex(2, 4, 4):
        if SALIENCY[b, 0, i, j] == 1:
            total += sum((255.0 * float(output[b, c, i, j] - images[b, c, i, j])) ** 2 for c in range(3))
            count += 1
    assert float(losses.masked_squared_error(output, images, SALIENCY)) == pytest.approx(total / (count + 1e-8), rel=1e-5)
    # An error of 100 on the 0..255 scale in each colour weighs 0.03 with the paper's 1e-4.
    tenth = losses.masked_squared_error(images + 10.0 / 255.0, images, SALIENCY)
    assert 1e-4 * float(tenth) == pytest.approx(0.03, rel=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.3])
def test_contextual_loss_equals_equations_24_and_25(temperature: float) -> None:
    output, reference = draw(2, 6, 4, 4, seed=2), draw(2, 6, 4, 4, seed=3)
    a, o = output.double().numpy(), reference.double().numpy()
    total = count = 0.0
    for b, i, j in np.ndindex(2, 4, 4):
        if SALIENCY[b, 0, i, j] == 0:
            x = unit(a[b, :, i, j])
            all_positions = sum(np.exp(x @ unit(o[b, :, p, q]) / temperature) for p, q in np.ndindex(4, 4))
            total += -np.log(np.exp(x @ unit(o[b, :, i, j]) / temperature) / all_positions)
            count += 1
    loss = losses.contextual_loss(output, reference, SALIENCY, temperature)
    assert float(loss) == pytest.approx(total / (count + 1e-8), rel=1e-5)


def test_contextual_loss_of_a_regular_grid_of_positions() -> None:
    output, reference = draw(2, 6, 8, 8, seed=2), draw(2, 6, 8, 8, seed=3)
    saliency = SALIENCY.repeat_interleave(2, 2).repeat_interleave(2, 3)
    fewer = losses.contextual_loss(output, reference, saliency, positions=16)
    torch.testing.assert_close(fewer, losses.contextual_loss(output[..., 1::2, 1::2], reference[..., 1::2, 1::2], SALIENCY))


def test_contextual_loss_falls_towards_the_reference_within_its_bounds() -> None:
    reference, other = draw(1, 6, 4, 4, seed=3).relu() + 0.1, draw(1, 6, 4, 4, seed=4).relu()
    nothing = torch.zeros(1, 1, 4, 4)
    values = [float(losses.contextual_loss(torch.lerp(other, reference, t), reference, nothing)) for t in (0.0, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert np.log(1 + 15 * np.exp(-2)) <= values[-1] <= np.log(1 + 15 * np.exp(2))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_losses_of_empty_and_full_masks_are_finite(value: float) -> None:
    saliency = torch.full((1, 1, 4, 4), value)
    output = draw(1, 3, 4, 4).requires_grad_()
    for form in ("paper", "balanced"):
        assert torch.isfinite(losses.matching_loss(output[:, :1], saliency, form))  # type: ignore[arg-type]
    foreground = losses.masked_squared_error(output, torch.zeros(1, 3, 4, 4), saliency)
    background = losses.contextual_loss(output, draw(1, 3, 4, 4, seed=1), saliency)
    (foreground + background).backward()
    assert output.grad is not None and bool(torch.isfinite(output.grad).all())
    assert (foreground.item() == 0.0) == (value == 0.0) and (background.item() == 0.0) == (value == 1.0)


def test_probability_loss_is_least_at_the_coverage() -> None:
    share = torch.tensor([0.2, 0.9])
    at = [float(losses.probability_loss(share + step, share)) for step in (-0.05, 0.0, 0.05)]
    assert at[1] == min(at)
    assert torch.isfinite(losses.probability_loss(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])))


def test_overlap_loss_equals_a_loop_over_the_patches() -> None:
    probability, covered = draw(3, 1, 4, 5).sigmoid(), draw(3, 1, 4, 5, seed=1).clamp(0, 1)
    covered[2] = 0.0
    expected = 0.0
    for p, c in zip(probability.double().numpy(), covered.double().numpy(), strict=True):
        both, either = 1.0, 1.0
        for place in np.ndindex(*p.shape):
            both += p[place] * c[place]
            either += 1.0 - (1.0 - p[place]) * (1.0 - c[place])
        expected += (1.0 - both / either) / 3
    assert float(losses.overlap_loss(probability, covered)) == pytest.approx(expected, abs=1e-5)
    perfect = (covered > 0.5).float()
    assert float(losses.overlap_loss(perfect, perfect)) == pytest.approx(0.0, abs=1e-6)
    assert float(losses.overlap_loss(torch.ones_like(covered), torch.zeros_like(covered))) == pytest.approx(1 - 1 / 21)


def test_coverage_and_resized_masks() -> None:
    saliency = torch.zeros(1, 1, 4, 4)
    saliency[..., :2, :2], saliency[..., 0, 2] = 1.0, 1.0
    assert coverage(saliency, (2, 2)).flatten().tolist() == [1.0, 0.25, 0.0, 0.0]
    assert resized(saliency, (2, 2)).flatten().tolist() == [1.0, 0.0, 0.0, 0.0]


def test_agreement_is_iou_and_f_measure() -> None:
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).view(1, 1, 2, 2)
    saliency = torch.zeros(1, 1, 4, 4)
    saliency[..., :2, :3] = 1.0
    iou, f_measure = agreement(mask, saliency)
    assert float(iou) == pytest.approx(4 / 6)
    precision, recall = 1.0, 4 / 6
    assert float(f_measure) == pytest.approx(1.3 * precision * recall / (0.3 * precision + recall))
    assert [float(value) for value in agreement(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 4, 4))] == [1.0, 1.0]
    assert [float(value) for value in agreement(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 4, 4))] == [0.0, 0.0]


CRS = {"1/12": 16384, "1/24": 8192, "1/36": 5461, "1/48": 4096}


@pytest.mark.parametrize("cr", CRS)
@pytest.mark.parametrize("share", ["3/4", "1/2", "7/10"])
@pytest.mark.parametrize("stride", [8, 16])
def test_the_branches_spend_exactly_the_budget(cr: str, share: str, stride: int) -> None:
    budget = Budget(Fraction(cr), stride, (Fraction(share), 1 - Fraction(share)))
    maps = tuple(draw(1, channels, 256 // stride, 256 // stride) for channels in budget.channels)
    symbols = budget.pack(maps, 256, 256)
    assert symbols.shape == (1, CRS[cr])
    split = budget.symbols(256, 256)
    assert sum(split) == CRS[cr] and abs(split[0] - CRS[cr] * Fraction(share)) < 1
    for sent, arrived in zip(maps, budget.unpack(symbols, 256, 256), strict=True):
        kept = arrived != 0
        assert torch.equal(arrived[kept], sent[kept]) and float(kept.float().mean()) > 0.6


def test_the_papers_split_is_channel_wise() -> None:
    budget = Budget(Fraction(1, 24), 16, (Fraction(3, 4), Fraction(1, 4)))
    assert budget.channels == (48, 16)
    assert budget.symbols(256, 256) == (6144, 2048)


@settings(max_examples=60, deadline=None)
@given(st.integers(6, 60), st.integers(10, 90), st.integers(2, 5), st.integers(2, 5), st.sampled_from([4, 8, 16]))
def test_any_split_spends_the_whole_budget_and_fits(denominator: int, percent: int, rows: int, columns: int, stride: int) -> None:
    budget = Budget(Fraction(1, denominator), stride, (Fraction(percent, 100), 1 - Fraction(percent, 100)))
    height, width = 2 * stride * rows, 2 * stride * columns
    split = budget.symbols(height, width)
    assert sum(split) == int(Fraction(1, denominator) * 3 * height * width)
    assert all(2 * count <= 2 * -(-channels * 4 * rows * columns // 2) for count, channels in zip(split, budget.channels, strict=True))


def test_a_budget_says_what_does_not_fit() -> None:
    budget = Budget(Fraction(1, 24), 16, (Fraction(3, 4), Fraction(1, 4)))
    with pytest.raises(RateError, match="8191 symbols arrived"):
        budget.unpack(torch.zeros(1, 8191, dtype=torch.complex64), 256, 256)
    with pytest.raises(RateError, match="larger CR"):
        Budget(Fraction(1, 400), 8, (Fraction(9, 10), Fraction(1, 10))).symbols(8, 8)
