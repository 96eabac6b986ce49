import codecs

import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import ClassTable, class_file

FILE = "index,name,red,green,blue\n0,floor,1,2,3\n1,part,0,0,142\n255,void,0,0,0\n"
TABLE = ClassTable(
    ("floor", "part"), ((1, 2, 3), (0, 0, 142)), (255,), ((0, 0, 0),), (0, 1)
)


def read(tmp_path, contents, name="classes.csv"):
    path = tmp_path / name
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return ClassTable.read(path)


@pytest.mark.parametrize(
    "contents",
    [
        FILE,
        codecs.BOM_UTF8 + FILE.replace("\n", "\r\n").encode(),
        FILE.encode("utf-16"),
        FILE.replace("\n", "\r"),
        FILE.replace(",", ";"),
        FILE.replace(",", "\t"),
        FILE.replace("\n", ",,\n"),
        FILE.replace(",", ", ").replace("index", '"Pixel Value"'),
        "red,green,blue,id,label\n1,2,3,0,floor\n0,0,142,1,part\n0,0,0,255,void\n",
    ],
)
def test_separators_encodings_and_orders_of_columns_mean_the_same(tmp_path, contents):
    assert read(tmp_path, contents) == TABLE


def test_a_table_of_colours_counts_classes_from_zero(tmp_path):
    text = "name,r,g,b\nfloor,1,2,3\nvoid,0,0,0\npart,0,0,142\n"
    table = read(tmp_path, text.replace("void,0,0,0\n", "") + "void,0,0,0\n")
    assert table == TABLE
    colours = read(tmp_path, text, "class_dict.csv").colour_table()
    assert (colours[0x010203], colours[0], colours[142]) == (0, 255, 1)


def test_classes_without_colours_get_some_that_differ_and_are_not_voids(tmp_path):
    text = "index,name\n" + "".join(f"{n},c{n}\n" for n in range(254))
    colours = read(tmp_path, text).colours
    assert len(set(colours)) == 254 and (0, 0, 0) not in colours


def test_class_files_of_tools_are_known_by_their_names(tmp_path):
    cvat = "# label:color_rgb:parts:actions\nfloor:1,2,3::\npart:0,0,142::a,b\n"
    table = read(tmp_path, cvat, "labelmap.txt")
    assert (table.names, table.colours) == (TABLE.names, TABLE.colours)
    camvid = "1 2 3\t\tfloor\n0 0 0\tVoid\n0 0 142\tpart\n"
    table = read(tmp_path, camvid, "label_colors.txt")
    assert (table.names, table.colours) == (TABLE.names, TABLE.colours)
    assert table.void_colours == ((0, 0, 0),) and table.values == (0, 1)
    roboflow = "Pixel Value, Class\n0, floor\n2, part\n"
    assert read(tmp_path, roboflow, "_classes.csv").values == (0, 2)
    assert read(tmp_path, "floor\n\nbig part\n", "labels.txt").names[1] == "big part"


def test_a_name_may_begin_with_a_number_sign_and_hold_a_comma(tmp_path):
    text = 'index,name,red,green,blue\n0,#a,1,2,3\n1,"a, b",1,2,4\n'
    assert read(tmp_path, text).names == ("#a", "a, b")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("classes.csv", "name,r,g\na,1,2\n", "line 1: a class file starts with"),
        ("classes.csv", "name;weight\na;1\n", "line 1: a class file starts with"),
        ("labelmap.txt", "a:1,2\n", "line 1: a line of labelmap.txt"),
        ("labelmap.txt", "a:1,2,256::\n", "line 1: a colour is of 0..255"),
        ("label_colors.txt", "# x\n1 2 a\n", "line 2: a line of label_colors.txt"),
        ("classes.txt", "a\nA\n", "line 2: every class has its own name"),
    ],
)
def test_a_line_that_breaks_the_rules_of_its_file_is_named(
    tmp_path, name, text, expected
):
    with pytest.raises(UserError, match=expected):
        read(tmp_path, text, name)


def test_the_projects_own_class_file_comes_first_and_two_others_are_an_error(tmp_path):
    assert class_file.find(tmp_path) is None
    (tmp_path / "classes.txt").write_text("a\n")
    assert class_file.find(tmp_path) == tmp_path / "classes.txt"
    (tmp_path / "labelmap.txt").write_text("b:1,2,3::\n")
    with pytest.raises(UserError, match=r"labelmap.txt and classes.txt"):
        class_file.find(tmp_path)
    (tmp_path / "classes.csv").write_text(FILE)
    assert class_file.find(tmp_path) == tmp_path / "classes.csv"


def test_a_plain_list_of_names_is_a_class_file(tmp_path):
    (tmp_path / "classes.csv").write_text("road\ncar\nvoid\n")
    table = ClassTable.read(tmp_path / "classes.csv")
    assert table.names == ("road", "car") and table.values == (0, 1)
    assert 2 in table.void_values
    (tmp_path / "classes.csv").write_text("name\nroad\ncar\n")
    assert ClassTable.read(tmp_path / "classes.csv").names == ("road", "car")
