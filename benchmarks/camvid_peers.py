"""What else could be trained for the job of `road11`: mIoU, latency, parameters.

    python -m benchmarks.camvid_peers train fpn --data CamVid --out runs/fpn
    python -m benchmarks.camvid_peers table --data CamVid runs/ours runs/fpn ...

`train` trains a network of segmentation_models.pytorch on EfficientNet-Lite, from the
ImageNet weights that ours take, as `hyperseg-tf train camvid11_hyperseg_m_lite1 --set
loss=cross_entropy --set warmup_steps=40` trains ours: the same samples in the same
order, the same loss, rate, warm-up, backbone rate, averaged weights and momentum of
statistics. It goes on where it was stopped. `table` scores runs of either kind under
`camvid11-360x480` and times them in turns, 360x480 pictures to class maps, batch 1.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.harness.turns import take_turn
from hyperseg_tf.base.atomic import atomic_file

RECIPE = "camvid11_hyperseg_m_lite1"
SIZE = (360, 480)
_SAVE_STEPS = 20


def main() -> None:
    """Train a peer, or compare runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    acts = parser.add_subparsers(dest="act", required=True)
    train = acts.add_parser("train", help="train a network of the peer's")
    train.add_argument("decoder", help="fpn, unet, deeplabv3plus, pan or segformer")
    train.add_argument("--lite", type=int, default=0, help="the backbone: 0, 1, 2 (0)")
    train.add_argument("--data", required=True)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--steps", type=int, default=400)
    train.add_argument("--warmup", type=int, default=40)
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=int, default=1)
    table = acts.add_parser("table", help="score and time runs")
    table.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    table.add_argument("--data", required=True)
    table.add_argument("--threads", type=int, default=1)
    table.add_argument("--rounds", type=int, default=7)
    table.add_argument("--json", type=Path)
    args = parser.parse_args()
    train_peer(args) if args.act == "train" else print_table(args)


def train_peer(args: argparse.Namespace) -> None:
    """Train for so many steps; `args.out` gets state.pt, log.csv and run.json."""
    import torch

    from benchmarks.peers import smp_lite
    from hyperseg_tf import recipes
    from hyperseg_tf.pipelines import batches, open_dataset
    from hyperseg_tf.training.schedules import PolyDecay

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    recipe = recipes.get(RECIPE)
    data = open_dataset(args.data, "train")
    network = smp_lite.build(args.decoder, args.lite, len(data.classes))
    encoder, rest = network.parameter_groups()
    optimizer = torch.optim.Adam(
        [{"params": encoder}, {"params": rest}], betas=recipe.betas, eps=recipe.epsilon
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1 - recipe.norm_momentum
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.ema),
        use_buffers=False,
    )
    parts = {"network": network, "optimizer": optimizer, "average": average}
    args.out.mkdir(parents=True, exist_ok=True)
    step, rows = 0, []
    if (args.out / "state.pt").exists():
        saved = torch.load(args.out / "state.pt", weights_only=True)
        step, rows = saved["step"], saved["rows"]
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    stream = batches(
        data,
        recipe.train,
        batch_size=recipe.batch_size,
        seed=args.seed,
        start=step * recipe.batch_size,
        cache=recipe.cache,
    )
    decay = PolyDecay(
        recipe.learning_rate, recipe.power, args.steps, warmup=args.warmup
    )
    network.train()
    begin = time.monotonic()
    for images, labels in stream.take(args.steps - step):
        rate = float(decay(step))
        for group, factor in zip(
            optimizer.param_groups, (recipe.backbone_rate, 1.0), strict=True
        ):
            group["lr"] = rate * factor
        x = torch.from_numpy(images.numpy().transpose(0, 3, 1, 2).copy())
        y = torch.from_numpy(labels.numpy().astype(np.int64))
        loss = torch.nn.functional.cross_entropy(network(x), y, ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
        step += 1
        rows.append([step, float(loss.detach()), rate])
        if step % _SAVE_STEPS == 0 or step == args.steps:
            _save(args.out, step, rows, parts)
            pace = (time.monotonic() - begin) / _SAVE_STEPS
            begin = time.monotonic()
            mean = np.mean([row[1] for row in rows[-_SAVE_STEPS:]])
            print(f"step {step}: loss {mean:.3f}, {pace:.1f} s/step", flush=True)
    about = {"decoder": args.decoder, "lite": args.lite, "steps": step}
    (args.out / "run.json").write_text(json.dumps({"peer": about}))


def _save(folder: Path, step: int, rows: list, parts: dict) -> None:
    import torch

    states = {name: part.state_dict() for name, part in parts.items()}
    with atomic_file(folder / "state.pt") as temporary:
        torch.save({"step": step, "rows": rows, **states}, temporary)
    with open(folder / "log.csv", "w", newline="") as file:
        csv.writer(file).writerows([["step", "loss", "rate"], *rows])


def print_table(args: argparse.Namespace) -> None:
    """Score every run and time all in turns; a Markdown table."""
    import tensorflow as tf
    import torch

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    torch.set_num_threads(args.threads)
    from hyperseg_tf.evaluation.evaluate import evaluate
    from hyperseg_tf.pipelines import open_dataset
    from hyperseg_tf.recipes import get

    protocol = get(RECIPE).protocol
    data = open_dataset(args.data, "val")
    runs = {run.name: _opened(run, len(data.classes)) for run in args.runs}
    ours = next((r["model"] for r in runs.values() if "model" in r), None)
    if ours is None:
        raise SystemExit("one run at least must be ours: its model names the classes.")
    picture = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    for run in runs.values():
        scores = evaluate(
            run.get("model", ours), data, protocol, class_maps=run["class_maps"]
        )
        run["miou"] = scores.miou
        run["iou"] = dict(zip(scores.names, scores.iou.tolist(), strict=True))
        run["ms"] = []
    for _ in range(args.rounds):
        for run in runs.values():
            turn = take_turn(lambda run=run: run["class_maps"](picture))
            run["ms"].append(turn.latency_ms)
    first = next(iter(runs.values()))
    print(f"{args.threads} threads, {args.rounds} rounds; ratios to the first row")
    print("| run | parameters | steps | val mIoU, % | pole | sign | ms | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, run in runs.items():
        ratio = np.median(np.array(run["ms"]) / np.array(first["ms"]))
        thin = " | ".join(f"{100 * run['iou'][c]:.1f}" for c in ("pole", "sign"))
        print(
            f"| {name} | {run['parameters']:,} | {run['steps']} "
            f"| {100 * run['miou']:.1f} | {thin} | {np.median(run['ms']):.0f} "
            f"| {ratio:.2f} |"
        )
    if args.json:
        kept = ("parameters", "steps", "miou", "iou", "ms")
        args.json.write_text(
            json.dumps({n: {k: run[k] for k in kept} for n, run in runs.items()})
        )


def _opened(run: Path, num_classes: int) -> dict:
    about = json.loads((run / "run.json").read_text())
    if "peer" in about:
        return _peer(run, about["peer"], num_classes)
    import hyperseg_tf
    from hyperseg_tf.training.run_folder import RunFolder

    model = hyperseg_tf.load(run)
    segmenter = hyperseg_tf.Segmenter(model)
    return {
        "model": model,
        "class_maps": segmenter.class_maps,
        "parameters": sum(v.shape.num_elements() for v in model.trainable_variables),
        "steps": RunFolder(run).read_log()[-1]["step"],
    }


def _peer(run: Path, about: dict, num_classes: int) -> dict:
    import torch

    from benchmarks.peers import smp_lite

    saved = torch.load(run / "state.pt", weights_only=True)
    network = smp_lite.build(about["decoder"], about["lite"], num_classes)
    # Statistics are the network's own, parameters the averaged ones, as ours.
    prefix = "module."
    averaged = {
        key.removeprefix(prefix): value
        for key, value in saved["average"].items()
        if key.startswith(prefix)
    }
    parameters = {name for name, _ in network.named_parameters()}
    state = {
        name: averaged[name] if name in parameters else value
        for name, value in saved["network"].items()
    }
    network.load_state_dict(state)
    network.eval()
    return {
        "class_maps": lambda images: smp_lite.class_maps(network, images),
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps": saved["step"],
    }


if __name__ == "__main__":
    main()
