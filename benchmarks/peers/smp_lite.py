"""segmentation_models.pytorch on EfficientNet-Lite, from the ImageNet weights we use.

    pip install segmentation-models-pytorch timm

The encoder is timm's, which orders its tensors as the file of the weights does.
"""

import numpy as np
import segmentation_models_pytorch
import torch

from hyperseg_tf.base import constants, pixels
from hyperseg_tf.convert import lite

DECODERS = {
    "fpn": "FPN",
    "unet": "Unet",
    "deeplabv3plus": "DeepLabV3Plus",
    "pan": "PAN",
    "segformer": "Segformer",
}


def build(decoder: str, number: int, num_classes: int) -> torch.nn.Module:
    """A network for pictures normalised by ImageNet's mean and deviation.

    Args:
        decoder: One of `DECODERS`.
        number: Of the Lite backbone, 0 to 2.
        num_classes: Channels of the logits, which are (B, C, H, W) like the pictures.
    """
    make = getattr(segmentation_models_pytorch, DECODERS[decoder])
    network = make(
        f"tu-tf_efficientnet_lite{number}", encoder_weights=None, classes=num_classes
    )
    _fill(network.encoder, lite.installed(f"efficientnet-lite{number}"))
    return _Network(network)


class _Network(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        # What the weights expect is (x - 127) / 128 of x in 0..255.
        mean = torch.tensor(constants.IMAGENET_MEAN)
        std = torch.tensor(constants.IMAGENET_STD)
        self.register_buffer("scale", (255 * std / 128).reshape(1, 3, 1, 1))
        self.register_buffer("shift", ((255 * mean - 127) / 128).reshape(1, 3, 1, 1))

    def forward(self, images):
        """Logits of pictures of any size; what is missing to a 32nd is mean colour."""
        height, width = images.shape[2:]
        padding = (0, -width % 32, 0, -height % 32)
        images = torch.nn.functional.pad(images, padding)
        return self.network(images * self.scale + self.shift)[..., :height, :width]

    def parameter_groups(self):
        """The encoder's parameters, and all others."""
        encoder = list(self.network.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        return encoder, [p for p in self.parameters() if id(p) not in known]


def _fill(encoder, path) -> None:
    values = list(torch.load(path, weights_only=True).items())
    state = encoder.state_dict()
    # The file has a head and a classifier behind what the encoder has.
    for (name, own), (_, value) in zip(state.items(), values, strict=False):
        if own.shape != value.shape:
            raise ValueError(f"{name} is {tuple(own.shape)}: got {tuple(value.shape)}.")
        state[name] = value
    encoder.load_state_dict(state)


def class_maps(network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """uint8 (B, H, W, 3) to the class of every pixel, uint8 (B, H, W)."""
    normalised = pixels.normalise(images)
    with torch.inference_mode():
        logits = network(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy()))
        return logits.argmax(1).to(torch.uint8).numpy()
