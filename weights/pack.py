"""Put a trained model into the package: python weights/pack.py RUN/model.keras NAME.

Writes hyperseg_tf_weights/NAME.keras, kernels in float16, and prints the SHA-256 that
`hyperseg_tf/network/bundled.py` must have. Metadata that speak of the machine it was
trained on are left out.
"""

import argparse
import hashlib
from pathlib import Path

import hyperseg_tf
from hyperseg_tf.base.atomic import atomic_file
from hyperseg_tf.network.half_file import save_half

FOLDER = Path(__file__).parent / "hyperseg_tf_weights"
LICENCE = "trained on CamVid, for research; see LICENSE of hyperseg-tf-weights"
# Of the recipe: where the run began is a path on somebody's disk.
_OF_THE_MACHINE = ("weights",)


def main() -> None:
    """Pack one model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("name")
    args = parser.parse_args()
    model = hyperseg_tf.load(args.model)
    known = dict(model.metadata)
    known["recipe"] = {
        name: value
        for name, value in known.get("recipe", {}).items()
        if name not in _OF_THE_MACHINE
    }
    known |= {"trained_on": "CamVid, train and val, 480x360", "licence": LICENCE}
    known.pop("weights", None)
    model.set_metadata({"name": args.name, **known})
    path = FOLDER / f"{args.name}.keras"
    with atomic_file(path) as temporary:
        save_half(model, temporary)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n{digest}")


if __name__ == "__main__":
    main()
