"""Tiny random captioners: Qwen2.5-VL, Qwen3-VL, BLIP and Florence-2."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.tiny_models import tokenizers


def _marks(tokenizer: Any) -> dict[str, int]:
    name = tokenizer.convert_tokens_to_ids
    return {
        "image_token_id": name("<|image_pad|>"),
        "video_token_id": name("<|video_pad|>"),
        "vision_start_token_id": name("<|vision_start|>"),
        "vision_end_token_id": name("<|vision_end|>"),
    }


def _qwen_text(tokenizer: Any) -> dict[str, Any]:
    name = tokenizer.convert_tokens_to_ids
    return {
        "initializer_range": 0.5,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 32768,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
        "bos_token_id": name("<|endoftext|>"),
        "eos_token_id": name("<|im_end|>"),
        "pad_token_id": name("<|endoftext|>"),
    }


def qwen_vl(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    vision = {
        "initializer_range": 0.5,
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=_qwen_text(tokenizer), vision_config=vision, **_marks(tokenizer))
    )


def qwen_processor(tokenizer: Any, patch: int = 14) -> dict[str, Any]:
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    sizes = {"patch_size": patch, "temporal_patch_size": 2, "merge_size": 2}
    pixels = {"min_pixels": 28 * 28, "max_pixels": 56 * 56}
    return {
        "image_processor": Qwen2VLImageProcessor(**sizes, **pixels),
        "video_processor": Qwen2VLVideoProcessor(**sizes),
        "tokenizer": tokenizer,
        "chat_template": tokenizers.CHAT,
    }


def qwen25_vl(folder: Path) -> None:
    from transformers import Qwen2_5_VLProcessor

    tokenizer = tokenizers.qwen_tokenizer()
    qwen_vl(tokenizer).save_pretrained(folder)
    Qwen2_5_VLProcessor(**qwen_processor(tokenizer)).save_pretrained(folder)


def qwen3_vl(folder: Path) -> None:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    tokenizer = tokenizers.qwen_tokenizer()
    vision = {
        "initializer_range": 0.5,
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
    }
    text = {**_qwen_text(tokenizer), "head_dim": 8}
    Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **_marks(tokenizer))).save_pretrained(folder)
    parts = qwen_processor(tokenizer, 16) | {"video_processor": Qwen3VLVideoProcessor(patch_size=16, temporal_patch_size=2, merge_size=2)}
    Qwen3VLProcessor(**parts).save_pretrained(folder)


def blip(folder: Path) -> None:
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *tokenizers.WORDS, *(chr(code) for code in range(97, 123))]
    tokenizer = BertTokenizer(vocab={token: index for index, token in enumerate(dict.fromkeys(tokens))}, bos_token="[DEC]")
    width = {"initializer_range": 0.5, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {
        **width,
        "encoder_hidden_size": 16,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = BlipConfig(text_config=text, vision_config={**width, "image_size": 32, "patch_size": 8}, projection_dim=16)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)


def florence2(folder: Path) -> None:
    from transformers import BartTokenizer, CLIPImageProcessor, Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>"]
    vocabulary = {token: index for index, token in enumerate([*marks, *tokenizers.byte_alphabet()])}
    tokenizer = BartTokenizer(vocab=vocabulary, merges=[], extra_special_tokens={"image_token": "<image>"})
    text = {
        "model_type": "bart",
        "init_std": 0.5,
        "vocab_size": len(tokenizer),
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "max_position_embeddings": 128,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
    }
    vision = {
        "initializer_range": 0.5,
        "depths": (1, 1),
        "patch_size": (7, 3),
        "patch_stride": (4, 2),
        "patch_padding": (3, 1),
        "patch_prenorm": (False, True),
        "embed_dim": (8, 16),
        "num_heads": (2, 2),
        "num_groups": (2, 2),
        "window_size": 4,
        "projection_dim": 16,
    }
    config = Florence2Config(text_config=text, vision_config=vision, image_token_id=tokenizer.convert_tokens_to_ids("<image>"))
    Florence2ForConditionalGeneration(config).save_pretrained(folder)
    # An image of 32 x 32 leaves 4 x 4 positions and their mean.
    images = CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False, image_seq_length=17)
    Florence2Processor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "qwen2.5-vl": qwen25_vl,
    "qwen3-vl": qwen3_vl,
    "blip": blip,
    "florence2": florence2,
}
