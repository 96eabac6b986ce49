"""Scores and costs that the HyperSeg paper prints, to draw trade-offs beside.

Tables 2, 3 and 4 of Nirkin et al., "HyperSeg: Patch-wise Hypernetwork for Real-time
Semantic Segmentation", CVPR 2021. Frames per second are those of one NVIDIA GeForce
GTX 1080 Ti, GFLOPs multiply-adds as pytorch-OpCounter has them. Scores on different
data, or on other splits, do not compare.
"""

from dataclasses import dataclass

CITYSCAPES = "Cityscapes test, 19 classes"
CAMVID = "CamVid test, void counted"
VOC = "PASCAL VOC 2012 val, 21 classes"


@dataclass(frozen=True)
class Printed:
    """One row of a table.

    Attributes:
        method: As printed.
        backbone: As printed; empty where there is none.
        benchmark: What the score is of.
        miou: Per cent.
        fps: Frames per second; None if not printed, as for all figures below.
        gflops: Of one image at the row's size.
        parameters_m: Millions.
    """

    method: str
    backbone: str
    benchmark: str
    miou: float
    fps: float | None = None
    gflops: float | None = None
    parameters_m: float | None = None

    @property
    def is_hyperseg(self) -> bool:
        """Whether it is one of the paper's own models."""
        return self.method.startswith("HyperSeg")


SCORES = (
    Printed("ERFNet", "", CITYSCAPES, 69.7, 41.7, 21.7, 2.0),
    Printed("ESPNet", "ESPNet", CITYSCAPES, 60.3, 112.9),
    Printed("ESPNetV2", "ESPNetV2", CITYSCAPES, 66.2, 61.9, 2.7, 1.3),
    Printed("ICNet", "PSPNet50", CITYSCAPES, 69.5, 30.3),
    Printed("GUNet", "DRN-D-22", CITYSCAPES, 70.4, 33.3),
    Printed("DFANet A'", "Xception A", CITYSCAPES, 70.3, 160.0, 1.7, 7.8),
    Printed("DFANet A", "Xception A", CITYSCAPES, 71.3, 100.0, 3.4, 7.8),
    Printed("SwiftNetRN-18", "ResNet18", CITYSCAPES, 75.5, 39.9, 104.0, 11.8),
    Printed("BiSeNetV1", "ResNet18", CITYSCAPES, 74.7, 65.5, 75.2, 49.0),
    Printed("BiSeNetV2", "", CITYSCAPES, 72.6, 156.0, 21.2),
    Printed("BiSeNetV2-L", "", CITYSCAPES, 75.3, 47.3, 118.5),
    Printed("TD4-Bise18", "BiseNet18", CITYSCAPES, 74.9, 47.6),
    Printed("HyperSeg-M", "EfficientNet-B1", CITYSCAPES, 75.8, 36.9, 7.5, 10.1),
    Printed("HyperSeg-S", "EfficientNet-B1", CITYSCAPES, 78.1, 16.1, 17.0, 10.2),
    Printed("ICNet", "PSPNet50", CAMVID, 67.1, 27.8),
    Printed("DFANet A", "Xception A", CAMVID, 64.7, 120.0, None, 7.8),
    Printed("SwiftNetRN-18", "ResNet18", CAMVID, 72.6, 85.8, None, 11.8),
    Printed("BiSeNetV1", "ResNet18", CAMVID, 68.7, 116.2, None, 49.0),
    Printed("BiSeNetV2", "", CAMVID, 72.4, 124.5),
    Printed("BiSeNetV2-L", "", CAMVID, 73.2, 32.7),
    Printed("TD4-PSP18", "PSPNet18", CAMVID, 72.6, 25.0),
    Printed("TD2-PSP50", "PSPNet50", CAMVID, 76.0, 11.1),
    Printed("HyperSeg-S", "EfficientNet-B1", CAMVID, 78.4, 38.0, None, 9.9),
    Printed("HyperSeg-L", "EfficientNet-B1", CAMVID, 79.1, 16.6, None, 10.2),
    Printed("Auto-DeepLab-L", "", VOC, 73.6, None, 79.3, 44.42),
    Printed("DeepLabV3", "ResNet-101", VOC, 78.5, None, 249.2, 58.6),
    Printed("DFN", "ResNet-101", VOC, 79.7),
    Printed("SDN", "DenseNet-161", VOC, 79.9, None, None, 238.5),
    Printed("DeepLabV3+", "Xception-71", VOC, 80.0, None, 177.0, 43.48),
    Printed("HyperSeg-L", "EfficientNet-B3", VOC, 80.6, None, 8.21, 39.6),
)
