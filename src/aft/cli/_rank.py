"""``aft rank``."""

import typer

from aft.cli import _options as o


def rank(
    data: o.Data,
    features: o.Features,
    label: o.Label = None,
    missing: o.Missing = None,
    text: o.Text = None,
    text_pair: o.TextPair = None,
    image: o.Image = None,
    image_root: o.ImageRoot = None,
    id: o.Id = None,  # noqa: A002
    split: o.Split = None,
    group: o.Group = None,
    task: o.Task = "auto",
    order: o.Order = None,
    split_seed: o.SplitSeed = 0,
    test_fraction: o.TestFraction = 0.2,
    validation_fraction: o.ValidationFraction = 0.2,
    leakage: o.Leakage = "error",
    bad_inputs: o.BadInputs = "error",
    config: o.Config = None,
    set_: o.Set = None,
) -> None:
    """Rank teachers by a linear probe on their features, before any training.

    LogME is shown as a second opinion. Test samples play no part.
    """
    import aft

    dataset = o.open_data(
        data, text=text, text_pair=text_pair, image=image, image_root=image_root, label=label, id=id, split=split,
        group=group, missing=missing, bad_inputs=bad_inputs,
    )  # fmt: skip
    rows = aft.rank(
        dataset, features, task=task, order=o.order(order), split_seed=split_seed, test_fraction=test_fraction,  # type: ignore[arg-type]
        validation_fraction=validation_fraction, leakage=leakage,  # type: ignore[arg-type]
    )  # fmt: skip
    best = rows[0]
    name_width = max(len("teacher"), *(len(row.name) for row in rows))
    heading = f"probe {best.error_name}"
    width = max(13, len(heading))
    typer.echo(f"{'teacher':{name_width}}  {'dim':>6}  {heading:>{width}}  {'LogME':>9}  {'seconds':>8}")
    for row in rows:
        typer.echo(
            f"{row.name:{name_width}}  {row.dim:6}  {row.probe_error:{width}.4f}  {row.logme:9.4f}  {row.seconds:8.1f}"
        )
    typer.echo(
        f"Choose {best.name}: a linear probe on its features has the lowest error on the {best.samples} validation samples."
        if len(rows) > 1
        else f"There is only one teacher, {best.name}; name more stores with --features to compare them."
    )
    if best.tfidf_error is not None:
        verdict = (
            "the task needs neither teacher nor student"
            if best.tfidf_error <= best.probe_error
            else "a student should do better than that"
        )
        typer.echo(
            f"TF-IDF with a linear model has {best.error_name} {best.tfidf_error:.4f} on the same samples: {verdict}."
        )
    if best.tfidf_error is None or best.tfidf_error > best.probe_error:
        typer.echo("If the teacher is fast enough for you, deploy it with its probe: few students are as accurate.")
