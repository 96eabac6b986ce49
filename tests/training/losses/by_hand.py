"""Losses worked out by NumPy, pixel by pixel, in float64."""

import numpy as np


def draw(shape=(3, 7, 11), classes=5, void_share=0.2, seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, shape)
    labels[rng.random(shape) < void_share] = 255
    logits = scale * rng.normal(size=(*shape, classes))
    return labels.astype("uint8"), logits.astype("float32")


def valid(labels, logits):
    """Labels (P,) and probabilities (P, C) of the pixels that are not void."""
    shifted = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    shares = shifted / shifted.sum(axis=-1, keepdims=True)
    return labels[labels != 255], shares[labels != 255]


def own(labels, logits):
    """Labels (P,), and the probability of its class of each."""
    classes, shares = valid(labels, logits)
    return classes, shares[np.arange(len(classes)), classes]


def focal(labels, logits, gamma, weights):
    classes, p = own(labels, logits)
    each = np.asarray(weights)[classes]
    return (each * (1 - p) ** gamma * -np.log(p)).sum() / each.sum()


def ohem(labels, logits, k, probability, weights):
    classes, p = own(labels, logits)
    order = np.argsort(p, kind="stable")
    chosen = order[: max(k * len(labels), (p < probability).sum())]
    each = np.asarray(weights)[classes][chosen]
    return (each * -np.log(p[chosen])).sum() / each.sum()


def dice(labels, logits, smooth):
    classes, shares = valid(labels, logits)
    found = []
    for i in np.unique(classes):
        there = classes == i
        both = shares[there, i].sum()
        each = shares[:, i].sum() + there.sum()
        found.append(1 - (2 * both + smooth) / (each + smooth))
    return np.mean(found)


def jaccard_loss(labels, predictions):
    """1 - IoU of two masks."""
    return 1 - (labels & predictions).sum() / max((labels | predictions).sum(), 1)


def lovasz(labels, logits):
    """By its definition: errors times how 1 - IoU grows as pixels become wrong."""
    classes, shares = valid(labels, logits)
    found = []
    for i in np.unique(classes):
        there = classes == i
        errors = np.abs(there - shares[:, i])
        wrong = np.zeros(len(errors), bool)
        total, before = 0.0, 0.0
        for pixel in np.argsort(-errors, kind="stable"):
            wrong[pixel] = True
            now = jaccard_loss(there, there ^ wrong)
            total += errors[pixel] * (now - before)
            before = now
        found.append(total)
    return np.mean(found)
