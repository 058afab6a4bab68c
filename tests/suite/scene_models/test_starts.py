"""What the scene models' networks start from: latents made white, and a text encoder with CLIP's weights."""

import pytest
import torch

from benchmarks.common.images import image_tensor
from suite.config.training import TrainingSettings
from suite.scene_models.autoencoder import Autoencoder, AutoencoderSettings, whiten
from suite.scene_models.clip import Clip, ClipSettings
from suite.scene_models.generator import copy_text_weights, text_encoder
from suite.scene_models.images import scene_images
from suite.scene_models.tokenizer import token_ids

TRAINING = TrainingSettings(steps=1, warmup=0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return scene_images(tmp_path_factory.mktemp("zoo"), "train", 24, 64)


@torch.no_grad()
def test_whitened_latents_are_white_and_decode_to_the_same_images(scenes):
    torch.manual_seed(3)
    network = Autoencoder(AutoencoderSettings(training=TRAINING, widths=(8, 16), latents=4), scenes, scenes).network.eval()
    images = image_tensor(scenes.images) * 2.0 - 1.0
    before = network.encode(images).latent_dist.mode()
    decoded = network.decode(before).sample
    values = before.transpose(0, 1).flatten(1)
    assert (torch.cov(values) - torch.eye(4)).abs().max() > 0.1
    whiten(network, before)
    after = network.encode(images).latent_dist.mode()
    values = after.transpose(0, 1).flatten(1)
    assert torch.allclose(torch.cov(values), torch.eye(4), atol=1e-3) and values.mean(dim=1).abs().max() < 1e-3
    assert torch.allclose(network.decode(after).sample, decoded, atol=1e-3)


@torch.no_grad()
def test_the_text_encoder_reads_as_the_clip_does_whose_weights_it_starts_from(scenes):
    torch.manual_seed(4)
    sizes = ClipSettings(training=TRAINING, embedding=16, width=32, layers=1, heads=2, text_width=32, text_layers=2, text_heads=2)
    part = Clip(sizes, scenes, scenes)
    clip = part.network.eval()
    for weights in clip.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    encoder = text_encoder(sizes, 40, part.tokenizer).eval()
    copy_text_weights(encoder, clip.state_dict(), sizes.context)
    tokens = token_ids(part.tokenizer, scenes.captions)
    states = encoder(tokens).last_hidden_state
    # open_clip pools at the end of the text, its largest token number.
    pooled = states[torch.arange(len(tokens)), tokens.argmax(dim=-1)] @ clip.text_projection
    assert torch.allclose(pooled, clip.encode_text(tokens), atol=1e-4, rtol=1e-4)
