from benchmarks import compression


def test_the_table_has_kilobytes_and_per_cent_and_gaps_where_there_is_no_file():
    rows = [
        {
            "name": "pruned 75 %",
            "sparsity": 0.7485,
            "sparsity_before_folding": 0.749,
            "sparsity_of_model": 0.72,
            "keras_bytes": 6_756_401,
            "keras_deflated": 2_104_000,
            "tflite_bytes": 6_636_000,
            "tflite_deflated": 900,
            "miou": 0.5545,
            "tflite_miou": 0.55,
            "tensorflow_cpu_ms": 12.345,
            "tflite_cpu_ms": 23.4,
            "tflite_ms": 24.0,
        },
        {"name": "int8", "tflite_bytes": 1_904_344, "tflite_miou": 0.5165},
    ]
    header, _, first, second = compression.table(rows).splitlines()
    assert header.split()[:3] == ["model", "zero", "%"]
    words = first.removeprefix("pruned 75 %").split()
    assert words[:4] == ["74.9", "74.9", "72.0", "6756"]
    assert words[4:] == ["2104", "6636", "1", "55.45", "55.00", "12.3", "23.4", "24.0"]
    assert second.split() == ["int8", "1904", "51.65"]
