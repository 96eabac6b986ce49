from hyperseg_tf.base.typed_path import no_path


def test_addresses_and_tildes_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    assert no_path("https://example.org/a").startswith("is an address")
    assert no_path("https:/example.org/a").startswith("is an address")
    assert no_path("~/data").endswith(f"as {tmp_path}/data")
    assert no_path("~/none").endswith("where nothing is, either")


def test_paths_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    for name in ("~", "nothing", "a/b.keras", str(tmp_path), "C:\\data"):
        assert no_path(name) is None
