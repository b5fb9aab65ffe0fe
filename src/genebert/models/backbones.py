"""Names of the image backbones; no heavy imports, for the configuration is checked with them."""

# Table 7 name -> timm model; untagged timm names change their weights between releases (docs/facts.md 7). None: written
# here.
IMAGE_BACKBONES = {
    "vit-b-384": "vit_base_patch16_384.augreg_in21k_ft_in1k",
    "vit-l-384": "vit_large_patch16_384.augreg_in21k_ft_in1k",
    "t2t-vit-14": None,
    "t2t-vit-24": None,
    "deit-s-224": "deit_small_patch16_224.fb_in1k",
    "deit-b-224": "deit_base_patch16_224.fb_in1k",
    "deit-b-384": "deit_base_patch16_384.fb_in1k",
    "swin-t-224": "swin_tiny_patch4_window7_224.ms_in1k",
    "swin-s-224": "swin_small_patch4_window7_224.ms_in1k",
    "swin-b-224": "swin_base_patch4_window7_224.ms_in1k",
    "swin-b-384": "swin_base_patch4_window12_384.ms_in1k",
}
HUB = "hub"  # in place of a path of weights: the library downloads them
