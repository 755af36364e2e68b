"""Configurations of published models pass the lists of known keys; others are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guidance.errors import InputError
from guidance.models.foreign.configuration import MAX_BYTES, read_json
from guidance.models.foreign.openclip import read_openclip
from guidance.models.foreign.text_encoders import read_text_encoder
from guidance.models.foreign.tokenizers import check_tokenizer

OPENAI = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}


def _write(folder: Path, name: str, content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return folder / name


def test_every_architecture_of_open_clip_is_known(tmp_path: Path) -> None:
    from guidance.models.tags import _tables

    folder = Path(_tables().__file__ or "").parent / "model_configs"
    found = sorted(folder.glob("*.json"))
    assert len(found) > 100
    for path in found:
        stored = json.loads(path.read_text())
        file = _write(tmp_path, path.name, {"model_cfg": stored, "preprocess_cfg": OPENAI})
        model, preprocessing = read_openclip(file)
        assert model == stored
        assert preprocessing == OPENAI


@pytest.mark.parametrize(
    ("text", "vision", "preprocessing"),
    [
        (  # BiomedCLIP
            {"hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
             "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
             "hf_proj_type": "mlp", "hf_pooler_type": "cls_last_hidden_state_pooler",
             "context_length": 256},
            {"timm_model_name": "vit_base_patch16_224", "timm_model_pretrained": False,
             "timm_pool": "", "timm_proj": "linear", "image_size": 224},
            OPENAI,
        ),
        (  # SigLIP 2 on the hub
            {"context_length": 64, "vocab_size": 256000,
             "hf_tokenizer_name": "timm/ViT-B-16-SigLIP2", "width": 768,
             "tokenizer_kwargs": {"clean": "canonicalize"}, "heads": 12, "layers": 12,
             "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
             "norm_kwargs": {"eps": 1e-06}, "act_kwargs": {"approximate": "tanh"}},
            {"image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224",
             "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": "none"},
            {"size": [224, 224], "mode": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
             "interpolation": "bicubic", "resize_mode": "squash", "fill_color": 0},
        ),
        (  # CLIPS
            {"context_length": 80, "vocab_size": 32000, "hf_tokenizer_name": "bert-base-uncased",
             "tokenizer_kwargs": {"strip_sep_token": True}, "tokenizer_mode": "clips",
             "width": 768, "heads": 12, "layers": 12, "pool_type": "last", "no_causal_mask": True},
            {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14, "no_ln_pre": True,
             "pool_type": "avg", "final_ln_after_pool": True, "pos_embed_type": "sin_cos_2d"},
            {"mean": None, "std": None, "interpolation": "bilinear", "resize_mode": None},
        ),
    ],
    ids=["BiomedCLIP", "SigLIP 2", "CLIPS"],
)  # fmt: skip
def test_models_of_the_hub_are_known(
    tmp_path: Path, text: dict, vision: dict, preprocessing: dict
) -> None:
    model = {"embed_dim": 512, "vision_cfg": vision, "text_cfg": text}
    stored = {"model_cfg": model, "preprocess_cfg": preprocessing}
    found, given = read_openclip(_write(tmp_path, "open_clip_config.json", stored))
    assert found == model
    assert given == {key: value for key, value in preprocessing.items() if value is not None}


CLIP_L = {
    "_name_or_path": "openai/clip-vit-large-patch14", "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
    "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor": 1.0,
    "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
    "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768, "torch_dtype": "float32",
    "transformers_version": "4.22.0.dev0", "vocab_size": 49408,
}  # fmt: skip
T5_XXL = {
    "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0, "d_ff": 10240, "d_kv": 64,
    "d_model": 4096, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new", "dropout_rate": 0.1,
    "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
    "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-06,
    "model_type": "t5", "num_decoder_layers": 24, "num_heads": 64, "num_layers": 24,
    "output_past": True, "pad_token_id": 0, "relative_attention_max_distance": 128,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": False, "torch_dtype": "float16",
    "transformers_version": "4.41.2", "use_cache": True, "vocab_size": 32128,
}  # fmt: skip
ROBERTA = {
    "architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072,
    "layer_norm_eps": 1e-05, "max_position_embeddings": 514, "model_type": "roberta",
    "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "type_vocab_size": 1,
    "vocab_size": 50265,
}  # fmt: skip
BERT_MULTILINGUAL = ROBERTA | {
    "model_type": "bert", "directionality": "bidi", "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3, "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform", "position_embedding_type": "absolute",
    "gradient_checkpointing": False, "use_cache": True, "classifier_dropout": None,
}  # fmt: skip
NLLB = {
    "_name_or_path": "facebook/nllb-200-distilled-600M", "activation_dropout": 0.0,
    "activation_function": "relu", "architectures": ["M2M100ForConditionalGeneration"],
    "attention_dropout": 0.1, "bos_token_id": 0, "d_model": 1024, "decoder_attention_heads": 16,
    "decoder_ffn_dim": 4096, "decoder_layerdrop": 0, "decoder_layers": 12,
    "decoder_start_token_id": 2, "dropout": 0.1, "encoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "encoder_layerdrop": 0, "encoder_layers": 12, "eos_token_id": 2,
    "init_std": 0.02, "is_encoder_decoder": True, "max_length": 200,
    "max_position_embeddings": 1024, "model_type": "m2m_100", "num_hidden_layers": 12,
    "pad_token_id": 1, "scale_embedding": True, "tokenizer_class": "NllbTokenizer",
    "torch_dtype": "float32", "transformers_version": "4.21.0.dev0", "use_cache": True,
    "vocab_size": 256206,
}  # fmt: skip


@pytest.mark.parametrize(
    "stored",
    [CLIP_L, CLIP_L | {"dtype": "float16", "num_hidden_layers": 32}, T5_XXL,
     T5_XXL | {"model_type": "mt5", "tokenizer_class": "T5Tokenizer"}, ROBERTA,
     ROBERTA | {"model_type": "xlm-roberta", "output_past": True}, BERT_MULTILINGUAL, NLLB],
    ids=["CLIP", "CLIP bigG", "T5", "mT5", "RoBERTa", "XLM-RoBERTa", "BERT", "NLLB"],
)  # fmt: skip
def test_text_encoders_are_known(tmp_path: Path, stored: dict) -> None:
    found = read_text_encoder(_write(tmp_path, "config.json", stored))
    assert found["model_type"] == stored["model_type"]
    assert found["vocab_size"] == stored["vocab_size"]
    assert {key: stored[key] for key in found} == found
    assert not {"auto_map", "architectures", "_name_or_path"} & set(found)


def test_a_key_with_the_librarys_default_has_no_effect(tmp_path: Path) -> None:
    """Newer versions of transformers write keys that older ones did not have."""
    stored = T5_XXL | {"chunk_size_feed_forward": 0}
    import transformers

    newer = set(transformers.T5Config().to_dict()) - set(stored)
    assert newer
    stored |= {key: transformers.T5Config().to_dict()[key] for key in newer}
    assert read_text_encoder(_write(tmp_path, "config.json", stored))["d_ff"] == 10240


TOKENIZERS = {
    "SD 1.5": {
        "add_prefix_space": False, "do_lower_case": True, "errors": "replace",
        "bos_token": {"__type": "AddedToken", "content": "<|startoftext|>", "lstrip": False,
                      "normalized": True, "rstrip": False, "single_word": False},
        "eos_token": {"__type": "AddedToken", "content": "<|endoftext|>", "lstrip": False,
                      "normalized": True, "rstrip": False, "single_word": False},
        "model_max_length": 77, "name_or_path": "openai/clip-vit-large-patch14",
        "pad_token": "<|endoftext|>", "special_tokens_map_file": "./special_tokens_map.json",
        "tokenizer_class": "CLIPTokenizer", "unk_token": "<|endoftext|>",
    },
    "SD 3": {
        "add_prefix_space": True, "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"],
        "added_tokens_decoder": {"0": {"content": "<pad>", "lstrip": False, "normalized": False,
                                       "rstrip": False, "single_word": False, "special": True}},
        "clean_up_tokenization_spaces": True, "eos_token": "</s>", "extra_ids": 100,
        "legacy": True, "model_max_length": 512, "pad_token": "<pad>", "sp_model_kwargs": {},
        "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>",
    },
    "SigLIP 2": {
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "eos_token": "<eos>",
        "extra_special_tokens": {}, "do_lower_case": True, "padding_side": "right",
        "model_max_length": 1000000000000000019884624838656, "pad_token": "<pad>",
        "spaces_between_special_tokens": False, "sp_model_kwargs": {}, "unk_token": "<unk>",
        "tokenizer_class": "GemmaTokenizerFast", "use_default_system_prompt": False,
    },
    "BERT": {"do_lower_case": True, "model_max_length": 512},
    "NLLB": {
        "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "legacy_behaviour": False,
        "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True,
                       "normalized": True, "rstrip": False, "single_word": False},
        "model_max_length": 1024, "pad_token": "<pad>", "sep_token": "</s>", "sp_model_kwargs": {},
        "src_lang": "eng_Latn", "tgt_lang": None, "tokenizer_class": "NllbTokenizer",
        "tokenizer_file": None, "unk_token": "<unk>", "special_tokens_map_file": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizers_are_known(tmp_path: Path, name: str) -> None:
    _write(tmp_path, "tokenizer.json", {})
    _write(tmp_path, "tokenizer_config.json", TOKENIZERS[name])
    check_tokenizer(tmp_path)


SD15_UNET = {
    "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
    "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False, "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "downsample_padding": 1,
    "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
    "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4,
    "sample_size": 64, "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}  # fmt: skip
SD21_UNET = SD15_UNET | {
    "_name_or_path": "hf-models/stable-diffusion-v2-768x768/unet", "sample_size": 96,
    "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "num_class_embeds": None,
    "dual_cross_attention": False, "only_cross_attention": False, "upcast_attention": True,
    "use_linear_projection": True,
}  # fmt: skip
SDXL_UNET = SD15_UNET | {
    "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280], "class_embed_type": None,
    "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "cross_attention_dim": 2048, "cross_attention_norm": None, "dual_cross_attention": False,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "encoder_hid_dim": None, "encoder_hid_dim_type": None, "mid_block_only_cross_attention": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "num_attention_heads": None,
    "num_class_embeds": None, "only_cross_attention": False,
    "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False, "resnet_time_scale_shift": "default", "sample_size": 128,
    "time_cond_proj_dim": None, "time_embedding_act_fn": None, "time_embedding_dim": None,
    "time_embedding_type": "positional", "timestep_post_act": None,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "upcast_attention": None, "use_linear_projection": True,
}  # fmt: skip
SSD_1B = SDXL_UNET | {
    "mid_block_type": "UNetMidBlock2D", "reverse_transformer_layers_per_block": [[4, 4, 10],
    [2, 1, 1], 1], "transformer_layers_per_block": [0, [2, 2], [4, 4]], "attention_type": "default",
    "dropout": 0.0,
}  # fmt: skip
IF_UNET = SD15_UNET | {
    "act_fn": "gelu", "addition_embed_type": "text", "attention_head_dim": 64,
    "cross_attention_norm": "group_norm", "encoder_hid_dim": 4096,
    "encoder_hid_dim_type": "text_proj", "in_channels": 3, "out_channels": 6,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn", "resnet_time_scale_shift": "scale_shift",
    "down_block_types": ["ResnetDownsampleBlock2D"] + ["SimpleCrossAttnDownBlock2D"] * 3,
    "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 3 + ["ResnetUpsampleBlock2D"],
    "layers_per_block": 3, "only_cross_attention": True, "time_embedding_act_fn": None,
}  # fmt: skip
VAE = {
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
    "out_channels": 3, "sample_size": 512, "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
FLUX_VAE = VAE | {
    "_name_or_path": "../checkpoints/flux-dev", "force_upcast": True, "latent_channels": 16,
    "latents_mean": None, "latents_std": None, "mid_block_add_attention": True,
    "sample_size": 1024, "scaling_factor": 0.3611, "shift_factor": 0.1159,
    "use_post_quant_conv": False, "use_quant_conv": False,
}  # fmt: skip
SD35 = {
    "_class_name": "SD3Transformer2DModel", "_diffusers_version": "0.31.0.dev0",
    "attention_head_dim": 64, "caption_projection_dim": 2432, "in_channels": 16,
    "joint_attention_dim": 4096, "num_attention_heads": 38, "num_layers": 38, "out_channels": 16,
    "patch_size": 2, "pooled_projection_dim": 2048, "pos_embed_max_size": 192,
    "qk_norm": "rms_norm", "sample_size": 128, "dual_attention_layers": list(range(13)),
}  # fmt: skip
FLUX = {
    "_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30.0.dev0",
    "_name_or_path": "../checkpoints/flux-dev/transformer", "attention_head_dim": 128,
    "guidance_embeds": True, "in_channels": 64, "joint_attention_dim": 4096,
    "num_attention_heads": 24, "num_layers": 19, "num_single_layers": 38, "patch_size": 1,
    "pooled_projection_dim": 768,
}  # fmt: skip
TAESD = {
    "_class_name": "AutoencoderTiny", "_diffusers_version": "0.20.0.dev0", "act_fn": "relu",
    "decoder_block_out_channels": [64, 64, 64, 64], "encoder_block_out_channels": [64, 64, 64, 64],
    "force_upcast": False, "in_channels": 3, "latent_channels": 4, "latent_magnitude": 3,
    "latent_shift": 0.5, "num_decoder_blocks": [3, 3, 3, 1], "num_encoder_blocks": [1, 3, 3, 3],
    "out_channels": 3, "scaling_factor": 1.0, "upsampling_scaling_factor": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    "stored",
    [SD15_UNET, SD15_UNET | {"use_ema_warmup": False, "decay": 0.9999, "optimization_step": 100},
     SD21_UNET, SDXL_UNET, SSD_1B, IF_UNET, VAE, FLUX_VAE, SD35, FLUX, TAESD],
    ids=["SD 1.5", "with EMA", "SD 2.1", "SDXL", "SSD-1B", "IF", "VAE", "VAE of FLUX", "SD 3.5",
         "FLUX", "TAESD"],
)  # fmt: skip
def test_networks_are_known(tmp_path: Path, stored: dict) -> None:
    pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")
    from guidance.models.foreign.diffusers import read_network
    from guidance.models.torchvision import import_torchvision

    import_torchvision()
    kind = stored["_class_name"]
    found = read_network(_write(tmp_path, "config.json", stored), kind)
    assert {key: stored[key] for key in found} == found
    assert len(found) > len(stored) - 7


SCHEDULERS = {
    "SD 1.5": {
        "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
        "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True,
        "steps_offset": 1, "trained_betas": None,
    },
    "SD 2.1": {
        "_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
        "num_train_timesteps": 1000, "prediction_type": "v_prediction", "set_alpha_to_one": False,
        "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
    },
    "SDXL": {
        "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0",
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
        "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000,
        "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
        "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
        "trained_betas": None, "use_karras_sigmas": False,
    },
    "SD 3": {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.29.0.dev0",
        "num_train_timesteps": 1000, "shift": 3.0,
    },
    "FLUX": {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.30.0.dev0",
        "base_image_seq_len": 256, "base_shift": 0.5, "max_image_seq_len": 4096, "max_shift": 1.15,
        "num_train_timesteps": 1000, "shift": 3.0, "use_dynamic_shifting": True,
    },
    "IF": {
        "_class_name": "DDPMScheduler", "_diffusers_version": "0.16.0.dev0", "beta_end": 0.02,
        "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "clip_sample": True,
        "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.95, "num_train_timesteps": 1000,
        "prediction_type": "epsilon", "sample_max_value": 1.5, "thresholding": True,
        "trained_betas": None, "variance_type": "learned_range",
    },
    "LCM": {
        "_class_name": "LCMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "beta_start": 0.00085, "original_inference_steps": 50, "rescale_betas_zero_snr": False,
        "timestep_scaling": 10.0, "timestep_spacing": "leading", "prediction_type": "epsilon",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_are_known(tmp_path: Path, name: str) -> None:
    from guidance.models.foreign.schedulers import read_scheduler

    stored = SCHEDULERS[name]
    found = read_scheduler(_write(tmp_path, "scheduler_config.json", stored))
    assert {key: stored[key] for key in found} == found
    assert found["_class_name"] == stored["_class_name"]


@pytest.mark.parametrize(
    "changes",
    [{"_class_name": name} for name in ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler",
     "KarrasVeScheduler", "ScoreSdeVeScheduler", "VQDiffusionScheduler", "IPNDMScheduler",
     "CMStochasticIterativeScheduler", "UnCLIPScheduler")]
    + [{"prediction_type": "sample"}, {"prediction_type": "flow_prediction"},
       {"timestep_type": "continuous"}, {"use_flow_sigmas": True}, {"sigma_data": 0.5}],
    ids=lambda changes: str(*changes.values()),
)  # fmt: skip
def test_schedulers_with_other_noise_are_refused(tmp_path: Path, changes: dict) -> None:
    from guidance.models.foreign.schedulers import read_scheduler

    file = _write(tmp_path, "scheduler_config.json", SCHEDULERS["SDXL"] | changes)
    with pytest.raises(InputError, match=r"scheduler_config.json: "):
        read_scheduler(file)


def test_indices_are_known() -> None:
    from guidance.models.foreign.diffusers import Index

    stored = {
        "_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.19.0.dev0",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "force_zeros_for_empty_prompt": True, "add_watermarker": None,
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "requires_safety_checker": True, "image_encoder": [None, None],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    }  # fmt: skip
    found = Index.check(stored, Path("model_index.json"))
    assert found == {key: value for key, value in stored.items() if key != "_diffusers_version"}


def test_messages_name_the_file_and_the_key(tmp_path: Path) -> None:
    good = {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {}}
    for changes, message in (
        ({"vision_cfg": {"layers": [1, 2, 3]}}, r"vision_cfg.layers: .*, got \[1, 2, 3\]"),
        ({"vision_cfg": {"layers": [1, 2, 3, 0]}}, r"vision_cfg.layers.3: .*, got 0"),
        ({"text_cfg": {"\x1b]0;title\x07": 1}}, r"text_cfg.\\x1b\]0;title\\x07 is not supported"),
        ({"embed_dim": "8"}, "model_cfg.embed_dim: input should be a valid integer, got '8'"),
    ):
        file = _write(tmp_path, "open_clip_config.json", {"model_cfg": good | changes})
        with pytest.raises(InputError, match=message) as caught:
            read_openclip(file)
        assert str(caught.value).startswith(f"{file}: model_cfg.")
    file = _write(tmp_path, "open_clip_config.json", {"model_cfg": {"embed_dim": 8}})
    with pytest.raises(InputError, match=r"model_cfg.vision_cfg is missing"):
        read_openclip(file)


def test_json_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(" " * MAX_BYTES + "1")
    with pytest.raises(InputError, match=r"has 2097153 bytes, more than"):
        read_json(path)
    path.write_bytes(b"\xef\xbb\xbf{}")  # a byte-order mark
    assert read_json(path) == {}
    path.write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(InputError, match="is not JSON"):
        read_json(path)
