"""What a converter's operations are called in the model they come from."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence


def layer_names(candidates: Iterable[Sequence[str]]) -> list[str]:
    """Names of layers, as `backbone/block1a/block1a_dwconv`.

    Args:
        candidates: For every operation the names that it and its constants have,
            as `model_1/backbone_1/stem_conv_1/BiasAdd;...`; the first that is a path
            counts, and an operation without one keeps its first name.

    Returns:
        One for each; the second operation of a layer is `name#2`.
    """
    seen = Counter()
    return [_numbered(_layer(names), seen) for names in candidates]


def _layer(names: Sequence[str]) -> str:
    path = next((name for name in names if "/" in name), names[0])
    # A fused operation has the names of all; the model and the operation are no layers.
    parts = path.split(";")[0].split("/")
    parts = parts[1:-1] or parts
    # Keras numbers layers of the same name in a process.
    return "/".join(re.sub(r"_+\d*$", "", part) for part in parts)


def _numbered(name: str, seen: Counter) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}#{seen[name]}"
