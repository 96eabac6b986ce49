"""The paper's ablations, each a model of its own (Tables 4, 6 and 7)."""

from dataclasses import replace

from hyperseg_tf.presets.published import (
    L_CAMVID,
    L_VOC,
    M_CITYSCAPES_PAPER,
    S_CAMVID,
)

UNREDUCED = (1.0, 1.0, 1.0, 1.0, 1.0)

# Table 4: other backbones. The paper's parameter counts are those of maps that are not
# reduced and, in L, of an inverted residual from stride 8 on (patches of 4x4 pixels).
BACKBONES = tuple(
    replace(
        model,
        name=f"{model.name}_{backbone}",
        backbone=backbone,
        reductions=UNREDUCED,
        kernel_sizes=kernel_sizes,
    )
    for model, kernel_sizes in (
        (S_CAMVID, (1, 1, 1, 3, 3)),
        (L_CAMVID, (1, 1, 3, 3, 3, 3)),
    )
    for backbone in ("resnet18", "pspnet18", "pspnet50")
)

# Table 4: "w/o DPWConv".
WITHOUT_DPWCONV = tuple(
    replace(
        model,
        name=f"{model.name}_without_dpwconv",
        dynamic=False,
        weight_groups=(),
        halo="neighbour",
    )
    for model in (S_CAMVID, L_CAMVID)
)

# Table 6: grids of patches at 512x512; one patch comes without the context head. With
# 16x16 patches and positions it is the published model itself.
_GRIDS = tuple(
    replace(
        L_VOC,
        name=f"{L_VOC.name}_{grid}x{grid}",
        patch_size=None if grid == 1 else 512 // grid,
        context_levels=0 if grid == 1 else L_VOC.context_levels,
    )
    for grid in (1, 4, 8, 16)
)
GRIDS = (
    *_GRIDS[:-1],
    *(
        replace(model, name=f"{model.name}_without_positions", positions=False)
        for model in _GRIDS
    ),
)

# Table 7: groups of M at 768x1536, named by those of the finest level.
GROUPS = tuple(
    replace(
        M_CITYSCAPES_PAPER,
        name=f"hyperseg_m_cityscapes_groups_{finest}",
        image_size=(768, 1536),
        weight_groups=tuple(finest * group for group in (8, 4, 4, 2, 1)),
    )
    for finest in (1, 2, 4, 8, 16)
)

ABLATIONS = (*BACKBONES, *WITHOUT_DPWCONV, *GRIDS, *GROUPS)
