import numpy as np
import pytest

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import CAMVID, ClassTable
from hyperseg_tf.pipelines.classes import UNKNOWN

HEADER = "index,name,red,green,blue\n"


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "classes.csv"
    path.write_bytes(text.encode(encoding))
    return ClassTable.read(path)


def test_written_table_reads_back_equal(tmp_path):
    for table in (
        CAMVID,
        ClassTable(("a, b", "Straße"), ((0, 0, 0), (1, 2, 3))),
        ClassTable(("x",), ((9, 9, 9),), (0, 7, 255), ((0, 0, 0),), (3,)),
    ):
        table.write(tmp_path / "classes.csv")
        assert ClassTable.read(tmp_path / "classes.csv") == table


def test_camvid_is_the_tutorials_order_and_colours():
    assert CAMVID.names[3] == "road" and CAMVID.colours[4] == (60, 40, 222)
    assert len(CAMVID) == 11 and CAMVID.void_values == (11,)


def test_classes_are_numbered_in_the_order_of_their_index(tmp_path):
    table = read(
        tmp_path,
        HEADER + "# a comment\n7,car,1,1,1\n\n0,void,0,0,0\n2,road,2,2,2\n",
        "utf-8-sig",
    )
    assert table.names == ("road", "car")
    lookup = table.index_table()
    assert (lookup[2], lookup[7], lookup[0], lookup[255]) == (0, 1, 255, 255)
    assert lookup[1] == UNKNOWN
    colours = table.colour_table()
    assert colours[0x020202] == 0 and colours[0] == 255 and colours[5] == UNKNOWN


def test_void_lines_may_lack_value_or_colour(tmp_path):
    table = read(tmp_path, HEADER + "0,a,1,2,3\n,Void,0,0,0\n9,void,,,\n")
    assert table.void_values == (9,) and table.void_colours == ((0, 0, 0),)
    assert read(tmp_path, HEADER + "0,a,1,2,3\n").void_values == (255,)


def test_tables_are_arrays_of_plain_indices():
    assert CAMVID.index_table().dtype == np.uint8
    assert CAMVID.index_table()[:13].tolist() == [*range(11), 255, UNKNOWN]
    assert CAMVID.colour_table()[128 << 16 | 64 << 8 | 128] == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "at least one class"),
        (HEADER, "at least one class"),
        (HEADER + "0,void,0,0,0\n", "at least one class"),
        ("0,a,1,2,3\n", "line 1: a class file starts with the header"),
        (HEADER + "0,a,1,2\n", "line 2: a line has 5 cells"),
        (HEADER + "0,a,1,2,3\nzero,b,1,2,4\n", "line 3: index is a whole number"),
        (HEADER + "0,a,1,2,256\n", "line 2: blue is a whole number 0..255"),
        (HEADER + "0,a,1,,3\n", "line 2: green"),
        (HEADER + "0,void,1,,3\n", "line 2: green"),
        (HEADER + "-1,a,1,2,3\n", "'-1'"),
        (HEADER + "0,,1,2,3\n", "line 2: every class has a name"),
        (HEADER + "255,a,1,2,3\n", "line 2: 255 is void"),
        (HEADER + "0,a,1,2,3\n1,A,1,2,4\n", "line 3: every class has its own name"),
        (HEADER + "4,a,1,2,3\n4,b,1,2,4\n", "line 3: every class has its own index"),
        (HEADER + "0,a,1,2,3\n1,b,1,2,3\n", "line 3: every class has its own colour"),
        (HEADER + "0,a,1,2,3\n0,void,,,\n", "line 3: every class has its own index"),
    ],
)
def test_a_malformed_class_file_is_one_error_with_its_line(tmp_path, text, expected):
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert expected in str(error.value)
    assert "classes.csv" in str(error.value) and "\n" not in str(error.value)


def test_missing_and_undecodable_class_files_are_user_errors(tmp_path):
    with pytest.raises(UserError, match="needs a class file: No such file"):
        ClassTable.read(tmp_path / "classes.csv")
    with pytest.raises(UserError, match="UTF-8"):
        read(tmp_path, HEADER + "0,Straße,1,2,3\n", "latin-1")


def test_bad_arguments_are_value_errors():
    with pytest.raises(ValueError, match="1 to 254"):
        ClassTable((), ())
    with pytest.raises(ValueError, match="equally long"):
        ClassTable(("a",), ())
    with pytest.raises(ValueError, match="twice"):
        ClassTable(("a", "a"), ((1, 1, 1), (2, 2, 2)))
    with pytest.raises(ValueError, match="twice"):
        ClassTable(("a", "b"), ((1, 1, 1), (2, 2, 2)), void_values=(1,))
    with pytest.raises(ValueError, match="0..255"):
        ClassTable(("a",), ((1, 1, 300),))
