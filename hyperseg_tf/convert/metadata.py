"""What a model's metadata keeps of the checkpoint that it was converted from."""

METADATA = "released"

# They belong to the weights of the file, not to what training makes of them.
_UNTRAINED = ("epoch", "best_iou")


def after_training(metadata: dict) -> dict:
    """The part of the metadata that still holds once the weights change."""
    facts = metadata.get(METADATA)
    if not isinstance(facts, dict):
        return {}
    return {METADATA: {k: v for k, v in facts.items() if k not in _UNTRAINED}}
