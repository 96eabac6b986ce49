"""Input pipelines that `data_cpu` compares: ours and what people have."""
