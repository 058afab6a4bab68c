"""Tiny random pipelines with diffusion transformers: Qwen-Image, FLUX.2 klein and FLUX.1 Kontext."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.tiny_models import captioners, stable_diffusion, tokenizers


def qwen_image(folder: Path, kind: str = "QwenImagePipeline") -> None:
    import diffusers
    from transformers import Qwen2VLProcessor

    tokenizer = tokenizers.qwen_tokenizer()
    parts: dict[str, Any] = {
        "tokenizer": tokenizer,
        "text_encoder": captioners.qwen_vl(tokenizer),
        "transformer": diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            guidance_embeds=False,
            axes_dims_rope=(8, 4, 4),
        ),
        "vae": diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 4, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
    }
    if "Edit" in kind:
        parts["processor"] = Qwen2VLProcessor(**captioners.qwen_processor(tokenizer))
    getattr(diffusers, kind)(**parts).save_pretrained(folder)


def klein(folder: Path) -> None:
    """FLUX.2 klein, whose text features are layers 9, 18 and 27 of the language model."""
    import diffusers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tokenizers.qwen_tokenizer()
    text = Qwen3Config(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=28,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
        vocab_size=len(tokenizer),
        max_position_embeddings=1024,
    )
    diffusers.Flux2KleinPipeline(
        tokenizer=tokenizer,
        text_encoder=Qwen3ForCausalLM(text),
        transformer=diffusers.Flux2Transformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=24,
            timestep_guidance_channels=32,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(8,) * 4,
            norm_num_groups=4,
            layers_per_block=1,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            sample_size=64,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        is_distilled=True,
    ).save_pretrained(folder)


def kontext(folder: Path) -> None:
    import diffusers
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    first = tokenizers.clip_tokenizer()
    letters = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)] + [(chr(code), -2.0) for code in range(33, 127)]
    second = T5Tokenizer(vocab=letters, extra_ids=0)
    diffusers.FluxKontextPipeline(
        tokenizer=first,
        text_encoder=stable_diffusion.clip_text(first),
        tokenizer_2=second,
        text_encoder_2=T5EncoderModel(T5Config(vocab_size=len(second), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            pooled_projection_dim=16,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8,) * 4,
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.06,
            scaling_factor=0.36,
            sample_size=64,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    ).save_pretrained(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "qwen-image": qwen_image,
    "qwen-image-edit": lambda folder: qwen_image(folder, "QwenImageEditPipeline"),
    "qwen-image-edit-plus": lambda folder: qwen_image(folder, "QwenImageEditPlusPipeline"),
    "flux2-klein": klein,
    "flux-kontext": kontext,
}
