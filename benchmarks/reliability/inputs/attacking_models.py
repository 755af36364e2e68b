"""Values in folders of weights that attack who opens them; see `attacks`."""

from __future__ import annotations

from typing import Any

AUTO_MAP = {
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
}
TRUST = {"trust_remote_code": True}
TEXT, VISION = "text_cfg", "vision_cfg"
#: Changes of open_clip_config.json's model_cfg.
ENCODER_CONFIGS: dict[str, Any] = {
    "tokenizer by trusted code": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": TRUST | {"use_fast": False}}
    },
    "tokenizer by trusted code, relative": {
        TEXT: {"hf_tokenizer_name": ".", "tokenizer_kwargs": TRUST}
    },
    "tokenizer of a foreign class": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": {"tokenizer_type": "evil"}}
    },
    "tokenizer from the network": {TEXT: {"hf_tokenizer_name": "evil/tokenizer"}},
    "tokenizer with a token": {
        TEXT: {"hf_tokenizer_name": "evil/t", "tokenizer_kwargs": {"token": "x", "proxies": {}}}
    },
    "tokenizer that downloads": {
        TEXT: {"hf_tokenizer_name": "evil/t", "tokenizer_kwargs": {"force_download": True}}
    },
    "words of a secret file": {TEXT: {"tokenizer_kwargs": {"bpe_path": "SECRET"}}},
    "words of a foreign vocabulary": {
        TEXT: {"hf_tokenizer_name": "FOLDER", "tokenizer_kwargs": {"vocab_file": "SECRET"}}
    },
    "text tower of a foreign folder": {TEXT: {"hf_model_name": "FOLDER"}},
    "text tower from the network": {TEXT: {"hf_model_name": "evil/tower"}},
    "text tower by a path upwards": {TEXT: {"hf_model_name": "../../victim"}},
    "pretrained text tower": {TEXT: {"hf_model_name": "evil/x", "hf_model_pretrained": True}},
    "text tower with code": {
        TEXT: {"hf_model_name": "evil/x", "hf_model_config": TRUST | {"auto_map": AUTO_MAP}}
    },
    "text attention from a hub": {TEXT: {"_attn_implementation": "kernels-community/flash-attn"}},
    "text attention beside hf": {
        TEXT: {"hf_model_name": "evil/x", "_attn_implementation": "kernels-community/f"}
    },
    "image tower from a hub": {VISION: {"timm_model_name": "hf-hub:evil/model"}},
    "image tower from another hub": {VISION: {"timm_model_name": "hf_hub:evil/model"}},
    "image tower of a folder": {VISION: {"timm_model_name": "local-dir:FOLDER"}},
    "image tower pretrained": {
        VISION: {"timm_model_name": "resnet18", "timm_model_pretrained": True}
    },
    "image tower of an address": {VISION: {"timm_model_name": "ADDRESS"}},
    "image tower with a source": {
        VISION: {"timm_model_name": "resnet18", "pretrained_cfg": {"url": "ADDRESS"}}
    },
    "image tower with a file": {
        VISION: {
            "timm_model_name": "resnet18",
            "timm_model_kwargs": {"pretrained_cfg_overlay": {"file": "FOLDER/pickle.pt"}},
        }
    },
    "image tower with a checkpoint": {
        VISION: {"timm_model_name": "resnet18", "checkpoint_path": "FOLDER/pickle.pt"}
    },
    "activation by name": {VISION: {"act_kwargs": {"__class__": "os.system"}}},
    "activation of a module": {TEXT: {"act_layer": "evil.Evil"}},
    "norm of a module": {TEXT: {"norm_kwargs": {"layer": "evil:Evil"}}},
    "custom module": {"custom_text": True, "auto_map": AUTO_MAP, **TRUST},
    "code class": {"_target_": "evil.Evil", "class": "evil.Evil", "py/object": "evil.Evil"},
    "multimodal with code": {"multimodal_cfg": {"hf_model_name": "evil/x", **TRUST}},
    "audio tower": {"audio_cfg": {"hf_model_name": "evil/x", **TRUST}},
    "cast by eval": {"cast_dtype": "__import__('os').system('touch mark')"},
}
#: Changes of the card guidance.json, and of preprocess_cfg.
CARDS: dict[str, Any] = {
    "template of attributes": {"templates": ["{0.__class__.__mro__} {}"]},
    "template of items": {"templates": ["{0[0]} {}"], "alternatives": ["{x}"]},
    "template of a width": {"templates": ["{:>99999999999}{}"]},
    "family of escapes": {"family": "\x1b]0;title\x07"},
    "preprocessing of code": {"preprocessing": {"interpolation": "evil.Evil", "mean": "SECRET"}},
}
#: Files of a diffusers folder with changes.
DENOISER_CONFIGS: dict[str, tuple[str, Any]] = {
    "pipeline of a file": ("model_index.json", {"_class_name": ["evil", "EvilPipeline"]}),
    "custom pipeline": ("model_index.json", {"custom_pipeline": "FOLDER", **TRUST}),
    "network of a module": ("model_index.json", {"unet": ["evil", "EvilModel"]}),
    "network of a path": ("model_index.json", {"unet": ["FOLDER/evil.py", "EvilModel"]}),
    "tower of a module": ("model_index.json", {"text_encoder": ["evil", "EvilModel"]}),
    "tokenizer of a module": ("model_index.json", {"tokenizer": ["evil", "EvilTokenizer"]}),
    "scheduler of a module": ("model_index.json", {"scheduler": ["evil", "Evil"]}),
    "network with a map": ("unet/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "network of another class": ("unet/config.json", {"_class_name": "evil.EvilModel"}),
    "network of another name": ("unet/config.json", {"_name_or_path": "evil/model"}),
    "network, quantized": (
        "unet/config.json",
        {"quantization_config": {"quant_method": "gguf", "modules_to_not_convert": ["ADDRESS"]}},
    ),
    "network with a down block": ("unet/config.json", {"down_block_types": ["evil.Evil", "os"]}),
    "network with an activation": ("unet/config.json", {"act_fn": "__import__('os').abort()"}),
    "network with attention": ("unet/config.json", {"_attn_implementation": "kernels-community/x"}),
    "tower with a map": ("text_encoder/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "tower of another type": (
        "text_encoder/config.json",
        {"model_type": "evil", "auto_map": AUTO_MAP, "architectures": ["EvilModel"]},
    ),
    "tower with attention": (
        "text_encoder/config.json",
        {"_attn_implementation": "kernels-community/flash-attn"},
    ),
    "tower, quantized": (
        "text_encoder/config.json",
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    ),
    "tower, a kernel": ("text_encoder/config.json", {"attn_implementation": "evil/kernel"}),
    "tower, an adapter": (
        "text_encoder/adapter_config.json",
        {"base_model_name_or_path": "evil/x", "peft_type": "LORA", "auto_mapping": AUTO_MAP},
    ),
    "tower, generation": (
        "text_encoder/generation_config.json",
        {"custom_generate": "evil/x", **TRUST},
    ),
    "tokenizer with a map": ("tokenizer/tokenizer_config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "tokenizer of a class": (
        "tokenizer/tokenizer_config.json",
        {"tokenizer_class": "EvilTokenizer", "auto_map": AUTO_MAP},
    ),
    "tokenizer with a file": ("tokenizer/tokenizer_config.json", {"vocab_file": "SECRET"}),
    "tokenizer with another": ("tokenizer/tokenizer_config.json", {"tokenizer_file": "SECRET"}),
    "tokenizer with a template": (
        "tokenizer/tokenizer_config.json",
        {"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
    ),
    "tokenizer of a hub": ("tokenizer/tokenizer_config.json", {"name_or_path": "evil/tokenizer"}),
    "autoencoder with a map": ("vae/config.json", {"auto_map": AUTO_MAP, **TRUST}),
    "autoencoder of another class": ("vae/config.json", {"_class_name": "EvilModel"}),
    "scheduler of another class": (
        "scheduler/scheduler_config.json",
        {"_class_name": "evil.Evil", "trained_betas": "SECRET"},
    ),
    "shards upwards": (
        "unet/diffusion_pytorch_model.safetensors.index.json",
        {"metadata": {}, "weight_map": {"conv_in.weight": "../../../secret.txt"}},
    ),
    "shards of a pickle": (
        "unet/diffusion_pytorch_model.safetensors.index.json",
        {"metadata": {}, "weight_map": {"conv_in.weight": "FOLDER/pickle.pt"}},
    ),
}
