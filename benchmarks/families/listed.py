"""The architectures that are tried: model type, class that the checkpoint is saved from, and settings that make it small."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SMALL: dict[str, Any] = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
    **{"intermediate_size": 64, "vocab_size": 260, "max_position_embeddings": 512, "type_vocab_size": 2, "embedding_size": 32},
    **{"d_model": 32, "n_embd": 32, "emb_dim": 32, "dim": 32, "hidden_dim": 64, "d_inner": 64, "d_ff": 64, "d_kv": 8},
    **{"n_layer": 2, "num_layers": 2, "n_layers": 2, "encoder_layers": 2, "decoder_layers": 2, "ffn_dim": 64},
    **{"n_head": 4, "n_heads": 4, "num_heads": 4, "encoder_attention_heads": 4, "decoder_attention_heads": 4},
    **{"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "n_positions": 512, "state_size": 8},
    **{"num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2},
    **{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32},
    **{"pad_token_id": 256, "bos_token_id": 257, "eos_token_id": 258, "image_size": 32, "patch_size": 8},
}
"""Sizes by the names that architectures give them; each takes those it has."""
_STAGES = {"hidden_sizes": [8, 16], "depths": [1, 1]}
_WINDOWS = {"embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "patch_size": 4}
_BLOCKS = {"kernel_sizes": [3, 3], "in_channels": [32, 16], "out_channels": [16, 16], "strides": [1, 2]}
_EFFICIENT = {
    **{**_BLOCKS, "depthwise_padding": [], "num_block_repeats": [1, 1], "expand_ratios": [1, 2]},
    **{"hidden_dim": 1280, "width_coefficient": 1.0, "depth_coefficient": 1.0},
}
_POOLS = {**_STAGES, "num_encoder_blocks": 2, "patch_sizes": [3, 3], "strides": [2, 2], "padding": [1, 1]}
_TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_TOWERS = {
    "vision_config": {**_TOWER, "image_size": 32, "patch_size": 8},
    "text_config": {**_TOWER, "vocab_size": 260, "max_position_embeddings": 32},
}
_LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
_DEEPSEEK = {**_LATENT, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "num_key_value_heads": 4}


@dataclass(frozen=True)
class Tried:
    """One architecture, for one task, saved from one class."""

    model_type: str
    task: str
    saved_as: str
    """Class of transformers whose `save_pretrained` writes the checkpoint."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Beside `SMALL`."""


def _of(task: str, *named: tuple[Any, ...]) -> list[Tried]:
    return [Tried(one[0], task, one[1], *one[2:]) for one in named]


ENCODERS = _of(
    "text-classification",
    ("albert", "AlbertForMaskedLM"),
    ("bert", "BertForMaskedLM"),
    ("bert", "BertModel"),
    ("big_bird", "BigBirdForMaskedLM"),
    ("camembert", "CamembertForMaskedLM"),
    ("canine", "CanineModel"),
    ("convbert", "ConvBertForMaskedLM"),
    ("data2vec-text", "Data2VecTextForMaskedLM"),
    ("deberta", "DebertaForMaskedLM"),
    ("deberta-v2", "DebertaV2ForMaskedLM"),
    ("distilbert", "DistilBertForMaskedLM"),
    ("electra", "ElectraForMaskedLM"),
    ("electra", "ElectraForPreTraining"),
    ("ernie", "ErnieForMaskedLM"),
    ("esm", "EsmForMaskedLM"),
    ("eurobert", "EuroBertForMaskedLM"),
    ("flaubert", "FlaubertWithLMHeadModel"),
    ("fnet", "FNetForMaskedLM"),
    ("gte", "GteForMaskedLM"),
    ("ibert", "IBertForMaskedLM"),
    ("layoutlm", "LayoutLMForMaskedLM"),
    ("longformer", "LongformerForMaskedLM"),
    ("megatron-bert", "MegatronBertForMaskedLM"),
    ("mobilebert", "MobileBertForMaskedLM"),
    ("modernbert", "ModernBertForMaskedLM"),
    ("mpnet", "MPNetModel"),
    ("mra", "MraForMaskedLM"),
    ("nomic_bert", "NomicBertForMaskedLM"),
    ("nystromformer", "NystromformerForMaskedLM"),
    ("rembert", "RemBertForMaskedLM", {"input_embedding_size": 32, "output_embedding_size": 32}),
    ("roberta", "RobertaForMaskedLM"),
    ("roberta-prelayernorm", "RobertaPreLayerNormForMaskedLM"),
    ("roformer", "RoFormerForMaskedLM"),
    ("squeezebert", "SqueezeBertForMaskedLM"),
    ("xlm", "XLMWithLMHeadModel"),
    ("xlm-roberta", "XLMRobertaModel"),
    ("xlm-roberta-xl", "XLMRobertaXLForMaskedLM"),
    ("xlnet", "XLNetModel"),
    ("yoso", "YosoForMaskedLM"),
    ("bart", "BartForConditionalGeneration"),
    ("t5", "T5ForConditionalGeneration", {"decoder_start_token_id": 256}),
    ("gpt2", "GPT2LMHeadModel"),
    ("llama", "LlamaForCausalLM"),
    ("opt", "OPTForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
)
CAUSAL = _of(
    "instruction",
    ("bert", "BertForMaskedLM"),
    ("roberta", "RobertaForMaskedLM"),
    ("xlnet", "XLNetLMHeadModel"),
    ("biogpt", "BioGptForCausalLM"),
    ("bloom", "BloomForCausalLM"),
    ("cohere", "CohereForCausalLM"),
    ("ctrl", "CTRLLMHeadModel", {"dff": 64}),
    ("deepseek_v2", "DeepseekV2ForCausalLM", {**_DEEPSEEK, "topk_method": "greedy"}),
    ("deepseek_v3", "DeepseekV3ForCausalLM", _DEEPSEEK),
    ("dots1", "Dots1ForCausalLM", {"n_group": 1, "topk_group": 1, "n_shared_experts": 1}),
    ("ernie4_5", "Ernie4_5ForCausalLM"),
    ("ernie4_5_moe", "Ernie4_5_MoeForCausalLM", {"moe_num_experts": 4, "moe_k": 2, "moe_layer_start_index": 0}),
    ("falcon", "FalconForCausalLM"),
    ("flex_olmo", "FlexOlmoForCausalLM"),
    ("gemma", "GemmaForCausalLM"),
    ("gemma2", "Gemma2ForCausalLM"),
    ("gemma3_text", "Gemma3ForCausalLM"),
    ("glm4_moe", "Glm4MoeForCausalLM"),
    ("glm4_moe_lite", "Glm4MoeLiteForCausalLM", _DEEPSEEK),
    ("gpt2", "GPT2LMHeadModel"),
    ("gpt_bigcode", "GPTBigCodeForCausalLM"),
    ("gpt_neo", "GPTNeoForCausalLM", {"attention_types": [[["global", "local"], 1]], "window_size": 16}),
    ("gpt_neox", "GPTNeoXForCausalLM"),
    ("gpt_oss", "GptOssForCausalLM"),
    ("gptj", "GPTJForCausalLM", {"rotary_dim": 8}),
    ("granite", "GraniteForCausalLM"),
    ("granitemoe", "GraniteMoeForCausalLM"),
    (
        "granitemoehybrid",
        "GraniteMoeHybridForCausalLM",
        {"mamba_n_heads": 8, "mamba_d_head": 8, "layer_types": ["mamba", "attention"]},
    ),
    ("granitemoeshared", "GraniteMoeSharedForCausalLM"),
    ("hunyuan_v1_moe", "HunYuanMoEV1ForCausalLM", {"moe_topk": 2}),
    ("jamba", "JambaForCausalLM", {"use_mamba_kernels": False}),
    ("jetmoe", "JetMoeForCausalLM", {"kv_channels": 8}),
    ("lfm2_moe", "Lfm2MoeForCausalLM", {"layer_types": ["conv", "full_attention"]}),
    ("llama", "LlamaForCausalLM"),
    ("llama4_text", "Llama4ForCausalLM", {"intermediate_size_mlp": 64, "interleave_moe_layer_step": 1}),
    ("mamba", "MambaForCausalLM"),
    ("minimax", "MiniMaxForCausalLM"),
    ("mistral", "MistralForCausalLM"),
    ("mixtral", "MixtralForCausalLM"),
    ("mpt", "MptForCausalLM"),
    ("nemotron", "NemotronForCausalLM"),
    ("olmo2", "Olmo2ForCausalLM"),
    ("olmoe", "OlmoeForCausalLM"),
    ("opt", "OPTForCausalLM"),
    ("phi", "PhiForCausalLM"),
    ("phi3", "Phi3ForCausalLM"),
    ("phimoe", "PhimoeForCausalLM"),
    ("qwen2", "Qwen2ForCausalLM"),
    ("qwen2_moe", "Qwen2MoeForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
    ("qwen3_moe", "Qwen3MoeForCausalLM"),
    ("qwen3_next", "Qwen3NextForCausalLM"),
    ("smollm3", "SmolLM3ForCausalLM"),
    ("stablelm", "StableLmForCausalLM"),
    ("starcoder2", "Starcoder2ForCausalLM"),
    ("xglm", "XGLMForCausalLM", {"attention_heads": 4}),
)
IMAGES = _of(
    "image-classification",
    ("beit", "BeitModel"),
    ("bit", "BitModel", {**_STAGES, "embedding_size": 8, "num_groups": 2}),
    ("clip", "CLIPModel", _TOWERS),
    ("convnext", "ConvNextModel", {**_STAGES, "num_stages": 2}),
    ("convnextv2", "ConvNextV2Model", {**_STAGES, "num_stages": 2}),
    ("deit", "DeiTModel"),
    ("dinov2", "Dinov2Model"),
    ("dinov2_with_registers", "Dinov2WithRegistersModel"),
    ("efficientnet", "EfficientNetModel", _EFFICIENT),
    (
        "focalnet",
        "FocalNetModel",
        {**_STAGES, "embed_dim": 8, "focal_levels": [1, 1], "focal_windows": [3, 3], "patch_size": 4},
    ),
    ("mobilenet_v2", "MobileNetV2Model", {"depth_multiplier": 0.35}),
    ("poolformer", "PoolFormerModel", _POOLS),
    ("regnet", "RegNetModel", {**_STAGES, "embedding_size": 8, "groups_width": 4}),
    ("resnet", "ResNetModel", {**_STAGES, "embedding_size": 8, "layer_type": "basic"}),
    ("siglip", "SiglipModel", _TOWERS),
    ("swin", "SwinModel", _WINDOWS),
    ("swinv2", "Swinv2Model", _WINDOWS),
    ("vit", "ViTModel"),
    ("vit", "ViTForMaskedImageModeling", {"encoder_stride": 8}),
    ("vit_msn", "ViTMSNModel"),
)
FAMILIES = [*ENCODERS, *CAUSAL, *IMAGES]
