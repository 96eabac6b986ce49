from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hyperseg_tf import recipes
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import RandomCrop, RandomScale
from hyperseg_tf.recipes.prune import Prune
from hyperseg_tf.recipes.settings import replace_from_strings
from tests.recipes.small import Blur, small


@dataclass(frozen=True)
class Call:
    function: Callable = abs


def test_strings_become_values_of_the_field_types():
    changed = replace_from_strings(
        small(weights="imagenet", cache=True),
        [
            "epochs=7",
            "learning_rate=3e-4",
            "betas=0.9, 0.99",
            "weights=none",
            "cache=no",
            "decay=epoch",
            "train_splits=train,val",
            "protocol=a=b",
        ],
    )
    assert changed == small(
        epochs=7,
        learning_rate=3e-4,
        betas=(0.9, 0.99),
        weights=None,
        cache=False,
        decay="epoch",
        train_splits=("train", "val"),
        protocol="a=b",
    )
    assert replace_from_strings(small(), []) == small()
    assert replace_from_strings(small(), ["weights=x.keras"]).weights == "x.keras"
    assert replace_from_strings(small(), ["norm_momentum=0.9"]).norm_momentum == 0.9
    assert replace_from_strings(small(), ["train_splits=val"]).train_splits == ("val",)


def test_a_field_of_a_part_is_set_by_the_parts_name():
    changed = replace_from_strings(
        small(), ["prune.sparsity=0.75", "prune.every=5", "prune.schedule=constant"]
    )
    want = Prune(sparsity=0.75, every=5, schedule="constant")
    assert changed == small(prune=want)


@pytest.mark.parametrize(
    "setting, rule",
    [
        ("prune=0.75", "prune is set field by field.*write prune.NAME=VALUE.*sparsity"),
        ("prune.a.b=1", "prune is set field by field"),
        ("prune.sparsty=0.5", "prune has no field 'sparsty'.*did you mean sparsity"),
        ("prune.sparsity=1", "prune.sparsity must be in 0..1, without 1: got 1.0"),
        ("prune.sparsity=nan", "prune.sparsity is a number: got 'nan'"),
        ("prune.every=0", "prune.every must be at least 1"),
        ("prune.begin=0.5", "prune.begin must be below prune.end: got 0.5 and 0.5"),
        ("prune.schedule=cubic", "one of polynomial, constant: got 'cubic'"),
    ],
)
def test_a_part_that_is_set_wrongly_is_named(setting, rule):
    with pytest.raises(UserError, match=rule):
        replace_from_strings(small(), [setting])


@pytest.mark.parametrize("text, value", [("yes", True), ("True", True), ("0", False)])
def test_yes_and_no_have_several_words(text, value):
    changed = replace_from_strings(small(cache=not value), [f"cache={text}"])
    assert changed.cache is value


def test_last_of_two_settings_counts():
    assert replace_from_strings(small(), ["epochs=7", "epochs=5"]).epochs == 5


def test_settings_that_are_possible_only_together_are():
    changed = replace_from_strings(small(), ["batch_size=12", "samples_per_epoch=24"])
    assert (changed.batch_size, changed.samples_per_epoch) == (12, 24)
    scaled = small(train=(RandomScale(0.5, 2.0),))
    changed = replace_from_strings(
        scaled, ["train.RandomScale.minimum=3", "train.RandomScale.maximum=4"]
    )
    assert changed.train == (RandomScale(3.0, 4.0),)


def test_transforms_are_named_by_class_or_position():
    recipe = recipes.get("camvid11_hyperseg_s")
    scale, crop, *rest = recipe.train
    assert (scale.maximum, crop) == (1.5, RandomCrop(256, 384))
    by_class = replace_from_strings(recipe, ["train.RandomCrop.height=512"])
    assert by_class.train == (scale, RandomCrop(512, 384), *rest)
    assert replace_from_strings(recipe, ["train.1.height=512"]) == by_class
    changed = replace_from_strings(
        recipe,
        [
            "train.RandomCrop.height=1",
            "train.RandomScale.method=bicubic",
            "train.RandomScale.p=0.25",
            "train.1.width=512",
            "train.1.height=513",
            "epochs=1",
        ],
    )
    wanted = RandomScale(0.75, 1.5, p=0.25, method="bicubic")
    assert changed.train == (wanted, RandomCrop(513, 512), *rest)
    assert changed.epochs == 1
    assert changed.evaluate == recipe.evaluate


def test_class_that_occurs_twice_is_named_by_position():
    twice = small(train=(Blur(1.5), Call(), Blur(2.5)))
    with pytest.raises(UserError, match="write train.0.radius or train.2.radius"):
        replace_from_strings(twice, ["train.Blur.radius=3"])
    changed = replace_from_strings(twice, ["train.2.radius=3"])
    assert changed.train == (Blur(1.5), Call(), Blur(3.0))


def test_losses_are_one_word_or_several_with_factors_and_weights():
    assert replace_from_strings(small(), ["loss=dice"]).loss == "dice"
    several = ["loss=focal, dice", "loss_factors=1,0.5", "loss_class_weights=0,2,1.5"]
    changed = replace_from_strings(small(), several)
    assert changed.losses == (("focal", 1.0), ("dice", 0.5))
    assert changed.loss_class_weights == (0.0, 2.0, 1.5)
    back = ["loss_class_weights=none", "loss=ohem", "loss_factors=2"]
    back = replace_from_strings(changed, back)
    assert back.loss_class_weights is None and back.losses == (("ohem", 2.0),)
    balanced = replace_from_strings(small(), ["loss_class_weights=balanced"])
    assert balanced.loss_class_weights == "balanced"


@pytest.mark.parametrize(
    "setting, message",
    [
        ("loss=hinge", "loss is one of bootstrapped.* or values with commas"),
        ("loss_class_weights=fair", "loss_class_weights is one of balanced or .*none"),
        ("loss_factors=x", "loss_factors is values with commas between, each a number"),
        ("epochs", "name=value.*'epochs'"),
        (
            "epoch=3",
            r"no field 'epoch'.*did you mean epochs\?.*epochs, samples_per_epoch",
        ),
        ("learning_rat=3", r"did you mean learning_rate\?"),
        ("lr=3", r"no field 'lr'.*did you mean learning_rate\?"),
        ("bs=3", r"no field 'bs'.*did you mean batch_size\?"),
        ("=3", "no field ''.*it has preset"),
        ("epochs=three", "epochs is a whole number.*'three'.*it is 2"),
        ("epochs=2.5", "epochs is a whole number.*'2.5'"),
        ("epochs=", "epochs is a whole number.*''"),
        ("epochs=0", "epochs must be at least 1"),
        ("learning_rate=fast", "learning_rate is a number"),
        ("learning_rate=nan", "learning_rate is a number.*'nan'"),
        ("norm_momentum=x", "norm_momentum is a number or none: got 'x'"),
        ("betas=0.9", "betas is 2 values with commas between, each a number"),
        ("betas=0.9,0.9,0.9", "betas is 2 values"),
        ("betas.0=0.9", "betas has no fields.*'betas.0=0.9'.*betas=VALUE"),
        ("cache=maybe", "cache is yes or no"),
        ("decay=never", "decay is one of step, epoch"),
        ("train_splits=train,vall", "train_splits must be some of train, val, test"),
        ("batch_size=12", "samples_per_epoch=11 and batch_size=12"),
        ("train=Flip", "transforms cannot be set.*Blur.*recipes/"),
        ("train.Blur=3", "transforms cannot be set.*'train.Blur=3'"),
        ("train.Blur.radius.x=3", "transforms cannot be set"),
        ("train.Blurr.radius=3", r"no transform 'Blurr'.*did you mean Blur\?.*Call"),
        ("evaluate.Blur.radius=3", "no transform 'Blur'.*it has none"),
        ("train.4.radius=3", "train has 4 transforms, counted from 0.*'train.4.radius"),
        ("train.-1.radius=3", "no transform '-1'"),
        ("train.Blur.radios=3", r"Blur has no field 'radios'.*did you mean radius\?"),
        ("train.0.radius=wide", "Blur's radius is a number: got 'wide'.*it is 1.5"),
        ("train.RandomCrop.height=0", "RandomCrop needs .*at least 1: got 0x5"),
        ("train.RandomScale.method=magic", "RandomScale .*bicubic"),
        ("train.Call.function=abs", "Call's function cannot be set by text"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting, message):
    train = (Blur(1.5), Call(), RandomCrop(7, 5), RandomScale(0.5, 2.0))
    with pytest.raises(UserError, match=message) as caught:
        replace_from_strings(small(train=train), [setting])
    assert "\n" not in str(caught.value)
