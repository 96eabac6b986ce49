from html.parser import HTMLParser

from hyperseg_tf.reporting.markup import element, joined, table


class _Parser(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_text_of_strangers_stays_text():
    hostile = "</td><script>alert('x')</script>&lt;\"'"
    page = element("td", hostile, title=hostile)
    found = _Parser(page)
    assert found.tags == [("td", {"title": hostile})]
    assert "".join(found.texts) == hostile


def test_markup_is_not_escaped_twice_and_none_is_left_out():
    inner = element("b", "a & b")
    assert element("p", inner, None, [inner, "<"], class_="x", hidden=None) == (
        '<p class="x"><b>a &amp; b</b><b>a &amp; b</b>&lt;</p>'
    )


def test_what_no_page_can_hold_is_replaced():
    assert joined(["a\x00b\x1b[0m\ud800"]) == "a?b?[0m?"


def test_columns_of_numbers_are_told_from_those_of_words():
    page = table(("class", "IoU", "bar"), [("3rd", "1.5", None), ("sky", "–", None)])
    found = [attributes.get("class") for tag, attributes in _Parser(page).tags]
    heads = found[found.index("wide") + 4 :][:3]
    assert heads == [None, "n", None]
