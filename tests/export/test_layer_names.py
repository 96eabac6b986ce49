import pytest

from hyperseg_tf.export.layer_names import layer_names


@pytest.mark.parametrize(
    "names, layer",
    [
        (["m_1/backbone_1/stem_conv_1/BiasAdd"], "backbone/stem_conv"),
        (
            ["m/backbone/block1a__1/dwconv_12/BiasAdd;m/x/y/z;"],
            "backbone/block1a/dwconv",
        ),
        # What a converter made up has the name of its bias.
        (["Conv__12", "const_fold", "m_1/a_1/b_1/Squeeze:0"], "a/b"),
        (["Conv__12", "const_fold"], "Conv"),
        (["conv/Conv2D"], "conv/Conv2D"),
    ],
)
def test_a_layer_is_named_as_in_the_model(names, layer):
    assert layer_names([names]) == [layer]


def test_no_name_is_given_twice():
    found = layer_names([["m/a_1/Add"], ["m/a_2/Add"], ["m/b/Add"], ["m/a_3/Mul"]])
    assert found == ["a", "a#2", "b", "a#3"]
