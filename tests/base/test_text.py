from hyperseg_tf.base.text import is_short_line, shortened


def test_names_are_short_and_printable():
    assert is_short_line("Fußgänger 行人")
    for value in ("", "a\nb", "\x1b[2J", "x" * 101, b"a", None, "\ud800"):
        assert not is_short_line(value), value


def test_a_shortened_value_is_one_printable_line():
    for value in (
        "\x1b[31mred",
        ["a\nb"] * 99,
        ValueError("two\nlines \x07"),
        "\ud800",
    ):
        text = shortened(value, 50)
        assert text.isprintable() and len(text) <= 54
