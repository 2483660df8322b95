"""``aft rank``."""

import typer

from aft.cli import _options as o


def rank(
    data: o.Data,
    features: o.Teachers,
    label: o.Label = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    group: o.Group = None,
    task: o.Task = "auto",
    split_seed: o.SplitSeed = 0,
    test_fraction: o.TestFraction = 0.2,
    validation_fraction: o.ValidationFraction = 0.2,
    leakage: o.Leakage = "error",
    bad_inputs: o.BadInputs = "error",
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Order teachers by a linear probe and LogME on their features, before any training.

    Test samples play no part.
    """
    import aft

    dataset = o.open_data(
        data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, bad_inputs=bad_inputs,
    )  # fmt: skip
    rows = aft.rank(
        dataset, features, task=task, split_seed=split_seed, test_fraction=test_fraction,  # type: ignore[arg-type]
        validation_fraction=validation_fraction, leakage=leakage,  # type: ignore[arg-type]
    )  # fmt: skip
    best = rows[0]
    width = max(len("teacher"), *(len(row.name) for row in rows))
    heading = f"probe {best.error_name}"
    typer.echo(f"{'teacher':{width}}  {'dim':>6}  {heading:>{max(13, len(heading))}}  {'LogME':>9}  {'seconds':>8}")
    for row in rows:
        typer.echo(
            f"{row.name:{width}}  {row.dim:6}  {row.probe_error:{max(13, len(heading))}.4f}  {row.logme:9.4f}  {row.seconds:8.1f}"
        )
    typer.echo(
        f"Take {best.name}: a linear probe on its features has the lowest error on the {best.samples} validation samples."
        if len(rows) > 1
        else f"There is only {best.name} to take; name other stores with --features to compare."
    )
