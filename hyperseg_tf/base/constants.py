"""Numbers and words that data, model and export must agree on."""

# Label value of pixels that belong to no class: ignored by loss and metrics.
VOID = 255

# Mean and standard deviation of ImageNet, RGB, for values scaled to 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Parts of a data set.
SPLITS = ("train", "val", "test")

# What a class in neither label nor prediction does to a mean: it is left out, or
# counts as 0 as in the authors' test script.
ABSENT = ("skip", "zero")
