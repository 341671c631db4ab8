"""What the sweep needs beside a model's name: configurations of transformers, input adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

STAGES: dict[str, Any] = {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]}
WIDE: dict[str, Any] = {"image_size": 96, "depths": [1] * 4, "hidden_sizes": [8, 8, 16, 16]}
HEADS: dict[str, Any] = {"num_attention_heads": [1, 1, 2, 2]}
TRANSFORMER: dict[str, Any] = {
    "image_size": 96, "patch_size": 16, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
WINDOWS: dict[str, Any] = {
    "image_size": 96, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4,
}  # fmt: skip
RESNET: dict[str, Any] = {
    "model_type": "resnet", "embedding_size": 8, **STAGES, "out_features": ["stage4"],
}  # fmt: skip
DETECTOR: dict[str, Any] = {
    "use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None,
    "backbone_config": RESNET, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
    "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "num_queries": 4,
}  # fmt: skip
QUERIES: dict[str, Any] = {
    "backbone_config": {
        "model_type": "rt_detr_resnet", "embedding_size": 8, **STAGES,
        "out_features": ["stage2", "stage3", "stage4"],
    },
    "encoder_hidden_dim": 16, "encoder_in_channels": [16, 16, 16], "encoder_ffn_dim": 16,
    "encoder_attention_heads": 2, "d_model": 16, "num_queries": 4,
    "decoder_in_channels": [16, 16, 16], "decoder_ffn_dim": 16, "decoder_layers": 1,
    "decoder_attention_heads": 2,
}  # fmt: skip
# Architecture → the options that make its configuration small.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "ResNetForImageClassification": {"embedding_size": 8, **STAGES},
    "ConvNextForImageClassification": STAGES,
    "ConvNextV2ForImageClassification": STAGES,
    "RegNetForImageClassification": {"embedding_size": 8, "groups_width": 8, **STAGES},
    "BitForImageClassification": {
        "embedding_size": 8, "num_groups": 4, **STAGES, "hidden_sizes": [8, 16, 16, 32],
    },
    "MobileNetV1ForImageClassification": {"depth_multiplier": 0.25, "image_size": 96},
    "MobileNetV2ForImageClassification": {"depth_multiplier": 0.25, "image_size": 96},
    "MobileViTForImageClassification": {
        "image_size": 96, "hidden_sizes": [16] * 3, "num_attention_heads": 2,
        "neck_hidden_sizes": [8, 8, 8, 8, 16, 16, 16],
    },
    "EfficientNetForImageClassification": {
        "image_size": 96, "width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 320,
    },
    "SegformerForSemanticSegmentation": {
        "depths": [1] * 4, "hidden_sizes": [16, 32, 32, 64], "decoder_hidden_size": 16,
    },
    "DPTForDepthEstimation": {
        "image_size": 96, "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2,
        "intermediate_size": 32, "backbone_out_indices": [0, 1, 2, 3], "fusion_hidden_size": 8,
        "neck_hidden_sizes": [8, 8, 16, 16],
    },
    "Swin2SRForImageSuperResolution": {
        "image_size": 32, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
    },
    "PoolFormerForImageClassification": {"depths": [1] * 4, "hidden_sizes": [8, 8, 16, 16]},
    "PvtV2ForImageClassification": {**WIDE, **HEADS},
    "GLPNForDepthEstimation": {**WIDE, **HEADS, "decoder_hidden_size": 8},
    "LevitForImageClassification": {
        "image_size": 96, "hidden_sizes": [16, 32, 48], "num_attention_heads": [1, 2, 3],
        "depths": [1, 1, 1], "key_dim": [8, 8, 8],
    },
    "ViTForImageClassification": TRANSFORMER,
    "BeitForImageClassification": TRANSFORMER,
    "BeitForSemanticSegmentation": {
        **TRANSFORMER, "num_hidden_layers": 4, "out_indices": [1, 2, 3, 4],
        "use_relative_position_bias": True,
    },
    "Data2VecVisionForImageClassification": TRANSFORMER,
    "DeiTForImageClassification": TRANSFORMER,
    "Dinov2ForImageClassification": {**TRANSFORMER, "patch_size": 16},
    "YolosForObjectDetection": {**TRANSFORMER, "image_size": [96, 96], "num_detection_tokens": 4},
    "SwinForImageClassification": WINDOWS,
    "Swinv2ForImageClassification": {**WINDOWS, "pretrained_window_sizes": [0, 0]},
    "HieraForImageClassification": {
        "image_size": [96, 96], "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4],
    },
    "CvtForImageClassification": {
        "embed_dim": [8, 16, 32], "num_heads": [1, 2, 4], "depth": [1, 2, 3],
    },
    "PvtForImageClassification": {**WIDE, **HEADS},
    "MobileViTV2ForImageClassification": {"image_size": 96, "width_multiplier": 0.25},
    "SwiftFormerForImageClassification": {
        "depths": [1, 1, 1, 1], "embed_dims": [8, 8, 16, 16], "image_size": 96,
    },
    "FocalNetForImageClassification": {"image_size": 96, "embed_dim": 8, "depths": [1, 1, 1, 1]},
    "HGNetV2ForImageClassification": {
        "embedding_size": 8, "hidden_sizes": [16, 16, 32, 32], "stem_channels": [3, 8, 8],
        "stage_in_channels": [8, 16, 16, 32], "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 16, 32, 32], "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [2, 2, 2, 2],
    },
    "TextNetForImageClassification": {
        "image_size": [96, 96], "stem_out_channels": 8, "hidden_sizes": [8, 8, 16, 16, 32],
        "conv_layer_kernel_sizes": [[[3, 3]], [[3, 1], [1, 3]], [[3, 3]], [[1, 3]]],
        "conv_layer_strides": [[1], [2, 1], [2], [1]],
    },
    "PPLCNetForImageClassification": {"scale": 0.25},
    "UperNetForSemanticSegmentation": {
        "backbone_config": {"model_type": "convnext", **STAGES,
                            "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        "hidden_size": 16, "auxiliary_channels": 8, "auxiliary_in_channels": 16,
    },
    "DepthAnythingForDepthEstimation": {
        "backbone_config": {"model_type": "dinov2", **TRANSFORMER, "num_hidden_layers": 4,
                            "patch_size": 16, "out_indices": [1, 2, 3, 4],
                            "reshape_hidden_states": False, "apply_layernorm": True},
        "patch_size": 16, "reassemble_hidden_size": 16, "neck_hidden_sizes": [8, 8, 16, 16],
        "fusion_hidden_size": 8, "head_hidden_size": 8,
    },
    "ZoeDepthForDepthEstimation": {
        "backbone_config": {"model_type": "beit", **TRANSFORMER, "num_hidden_layers": 4,
                            "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False,
                            "use_relative_position_bias": True},
        "backbone_hidden_size": 16, "neck_hidden_sizes": [8, 8, 16, 16], "fusion_hidden_size": 8,
        "bottleneck_features": 8, "num_relative_features": 8, "bin_embedding_dim": 8,
        "num_attractors": [4, 2, 2, 1], "patch_transformer_hidden_size": 8,
        "patch_transformer_intermediate_size": 8, "patch_transformer_num_attention_heads": 2,
    },
    "DetrForObjectDetection": DETECTOR,
    "ConditionalDetrForObjectDetection": DETECTOR,
    "DabDetrForObjectDetection": {**DETECTOR, "hidden_size": 16},
    "DeformableDetrForObjectDetection": {
        **DETECTOR, "num_feature_levels": 3, "d_model": 64, "decoder_layers": 2,
    },
    "TableTransformerForObjectDetection": DETECTOR,
    "RTDetrForObjectDetection": QUERIES,
    "RTDetrV2ForObjectDetection": {**QUERIES, "decoder_layers": 2},
    "MaskFormerForInstanceSegmentation": {
        "backbone_config": {"model_type": "resnet", "embedding_size": 8, **STAGES,
                            "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        "fpn_feature_size": 32, "mask_feature_size": 32,
        "decoder_config": {"model_type": "detr", "d_model": 32, "encoder_layers": 1,
                           "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
                           "num_queries": 4, "encoder_attention_heads": 2,
                           "decoder_attention_heads": 2},
    },
    "Mask2FormerForUniversalSegmentation": {
        "backbone_config": {"model_type": "resnet", "embedding_size": 8, **STAGES,
                            "out_features": ["stage1", "stage2", "stage3", "stage4"]},
        "feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32,
        "encoder_feedforward_dim": 16, "encoder_layers": 1, "decoder_layers": 2,
        "num_attention_heads": 2, "dim_feedforward": 16, "num_queries": 4,
    },
    "SuperPointForKeypointDetection": {
        "encoder_hidden_sizes": [8, 8, 16, 16], "decoder_hidden_size": 16,
        "descriptor_decoder_dim": 16,
    },
    "DINOv3ConvNextModel": STAGES,
    "VitDetBackbone": {
        **TRANSFORMER, "residual_block_indices": [0], "window_block_indices": [1],
        "window_size": 2, "use_relative_position_embeddings": True,
    },
    "SamVisionModel": {
        **TRANSFORMER, "output_channels": 8, "global_attn_indexes": [1], "window_size": 2,
        "mlp_dim": 16, "num_pos_feats": 8,
    },
    "PerceiverForImageClassificationConvProcessing": {
        "num_latents": 4, "d_latents": 16, "num_blocks": 1, "num_self_attends_per_block": 1,
        "num_self_attention_heads": 2, "num_cross_attention_heads": 1,
    },
    "MobileNetV2ForSemanticSegmentation": {"depth_multiplier": 0.25, "image_size": 96},
    "SegformerForImageClassification": {"depths": [1] * 4, "hidden_sizes": [16, 32, 32, 64]},
}  # fmt: skip


def save_configuration(name: str, folder: Path) -> None:
    """Write a configuration as a repository of the hub has it."""
    import transformers

    kind = getattr(transformers, name)
    kind.config_class(architectures=[name], **CONFIGURATIONS[name]).save_pretrained(folder)


def image_pair(images: Tensor) -> tuple[Tensor, Tensor]:
    """Give a network that compares two images the same one twice."""
    return images, images


# Model → what makes the arguments of its forward.
ADAPTERS = dict.fromkeys(("torchvision:raft_small", "torchvision:raft_large"), image_pair)
