"""How far our numbers are from the released code's, for every published model.

    HYPERSEG_GOLDEN=FOLDER python -m benchmarks.parity [--implementation xla]

Prints the largest difference of features, signal, generated weights, decoder levels and
logits, each relative to the largest value of the reference tensor. Needs the reference
numbers, which are not part of the repository.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODELS = {
    "hyperseg_l_voc": "vocsbd_hyperseg_l",
    "hyperseg_m_cityscapes": "cityscapes_hyperseg_m",
    "hyperseg_s_cityscapes": "cityscapes_hyperseg_s",
    "hyperseg_s_camvid": "camvid_hyperseg_s",
    "hyperseg_l_camvid": "camvid_hyperseg_l",
}
GROUPS = ("feature", "signal", "weights", "level", "logits")


def main() -> None:
    """Compare all models and print one row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--implementation", default="einsum")
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    args = parser.parse_args()
    rows = {}
    print(f"{'preset':<22}" + "".join(f"{group:>10}" for group in GROUPS))
    for preset, reference in MODELS.items():
        rows[preset] = compare(preset, reference, args.implementation)
        values = "".join(f"{rows[preset][group]:>10.1e}" for group in GROUPS)
        print(f"{preset:<22}{values}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def compare(preset: str, reference: str, implementation: str) -> dict[str, float]:
    """Largest relative difference of each group of tensors, over both inputs."""
    from hyperseg_tf import HyperSeg
    from hyperseg_tf.convert import parity
    from hyperseg_tf.convert.released import entries as released
    from tests.golden import golden_dir, state_dict

    model = HyperSeg.from_preset(
        preset, backbone_padding="static", implementation=implementation
    )
    released.assign(model, state_dict(reference))
    worst = dict.fromkeys(GROUPS, 0.0)
    for row in parity.compare(model, golden_dir() / f"{reference}.npz"):
        group = row.tensor.split("_")[0].split(",")[0]
        worst[group] = max(worst[group], row.largest)
    return worst


if __name__ == "__main__":
    main()
