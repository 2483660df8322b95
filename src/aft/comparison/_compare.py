"""``aft.compare``."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from aft.comparison._journal import Journal
from aft.comparison._outcome import make_result
from aft.comparison._scheduler import Scheduler, limited_threads
from aft.comparison._study import Study
from aft.core import cores, format_duration, world_size
from aft.data import Dataset
from aft.errors import DataError, RunError, UsageError
from aft.features import FeatureStore, open_stores
from aft.objectives import DEFAULT_METHOD, METHODS, check_options, objectives_of
from aft.results import COMPARISON_FILE, Comparison
from aft.runs import RunConfig, SharedSettings, TrainConfig, claim_directory
from aft.training import Problem, expected_trials, overview, time_training

log = logging.getLogger("aft")

#: Settings that a comparison decides itself.
DECIDED = ("method", "seed", "options")
#: Hyperparameters that a comparison searches, unless they are given.
SEARCHED = ("lr", "steps", "epochs", "weight_decay", "beta", "weighting")


def compare(
    dataset: Dataset,
    student: str | nn.Module,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path,
    *,
    methods: Sequence[str] = (*METHODS, DEFAULT_METHOD),
    seeds: int = 5,
    out: str | Path,
    config: TrainConfig | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    train_preprocess: Callable[[Any], Any] | None = None,
    processes: int | None = None,
    threads: int = 1,
    progress: bool = True,
    **settings: Unpack[SharedSettings],
) -> Comparison:
    """Compare methods on one task, with the same split, initial weights, order of batches and budget for all.

    Fine-tuning searches its learning rate; every other method searches its learning rate and beta. All searches have the same
    limit of trials, use validation data alone, and a seed that is not compared. Every method is then trained on the whole
    training split with every seed and measured on the test split. Finished trainings are kept: an interrupted comparison
    resumes when it is called again, and methods and seeds can be added later.

    Args:
        dataset: The samples, with a test split, or enough of them to hold one out.
        student: The student's name, or a module.
        features: The teachers' feature stores, or their directories.
        methods: Names of methods, several joined by ``+`` for their sum. Fine-tuning is always compared.
        seeds: Number of final trainings of each method.
        out: The comparison's directory. The runs of all methods and seeds are in ``out/runs``.
        config: Settings for all trainings.
        options: Options of objectives, by method.
        preprocess: The preprocessing of a module; see `aft.train`.
        train_preprocess: Its preprocessing for training, with random augmentation.
        processes: Number of trainings side by side; by default one for each core, or one on an accelerator.
        threads: Threads of each training.
        progress: Show progress on the standard error stream.
        **settings: Fields of `aft.TrainConfig`, which override those of `config`. ``lr`` and ``beta`` are not searched if they are
            given.

    Returns:
        The comparison. ``print`` shows it as a table; ``aft.report(out)`` turns it into a page.

    Raises:
        UsageError: Settings that do not fit together.
        DataError: A dataset without labelled test samples.
        RunError: ``out`` contains a comparison of other data, another student or other teachers.

    Example:
        >>> table = aft.compare(dataset, "aft:static", ["features/mpnet"], methods=["aft", "kd"], seeds=5, out="runs/c")
        >>> print(table)
    """
    if world_size() > 1:
        raise UsageError(
            f"a comparison spreads its trainings over the cores itself; a launcher has started {world_size()} processes of it; "
            "start it without a launcher"
        )
    directory, started = Path(out), time.monotonic()
    stores = open_stores(features)
    if not stores:
        raise UsageError("a comparison needs the features of a teacher; received none; name a store with features=")
    given = (config or TrainConfig()).replace(**settings)
    methods = _check(methods, seeds, given)
    for method, own in (options or {}).items():
        check_options(method, own)
    shared = {name: value for name, value in given.model_dump().items() if name not in (*DECIDED, *SEARCHED)}
    problem = Problem.build(
        dataset, student, stores, TrainConfig(**shared), preprocess=preprocess, train_preprocess=train_preprocess
    )
    if not len(problem.splits.test):
        raise DataError(
            "a comparison needs labelled test samples; the dataset has none; mark some as test in the column split=, or raise test_fraction="
        )
    _open_directory(directory, problem.run_config())
    study = Study("comparison", problem, methods, seeds, problem.search_space(given), options or {})
    if processes is None and problem.device.type != "cpu":
        processes = 1
    processes = processes or cores()
    if log.isEnabledFor(logging.INFO):
        for line in overview(problem, _plan(study, processes, threads)):
            log.info("%s", line)
    scheduler = Scheduler(
        Journal(directory / "trainings.jsonl"), processes=processes, threads=threads, runs=directory / "runs",
        progress=progress,
    )  # fmt: skip
    scheduler.run([study])
    result = make_result(
        study, directory / "runs", wall_seconds=time.monotonic() - started, threads=threads,
        processes=scheduler.processes,
    )  # fmt: skip
    result.write(directory / COMPARISON_FILE)
    return Comparison(directory, result)


def _plan(study: Study, processes: int, threads: int) -> str:
    """How many trainings there will be, and how long they will take."""
    trials = expected_trials(study.methods, study.searched)
    steps = sum(trial.hparams.steps for trial in trials)
    finals = len(study.methods) * study.seeds
    longest = trials[-1].hparams.steps if trials else study.searched.objective_steps
    with limited_threads(threads):
        start, per_step = time_training(study.problem)
    seconds = ((len(trials) + finals) * start + (steps + finals * longest) * per_step) / processes
    return (
        f"about {len(trials)} trials for the search and {finals} final trainings, {processes} at a time; about "
        f"{format_duration(max(1, seconds))}"
    )


def _check(methods: Sequence[str], seeds: int, given: TrainConfig) -> tuple[str, ...]:
    if isinstance(methods, str) or not methods:
        raise UsageError(f"methods= is a list of names; received {methods!r}; pass for example ['aft', 'kd']")
    for method in methods:
        objectives_of(method)
    if seeds < 1:
        raise UsageError(f"a comparison needs at least one seed; received seeds={seeds}; 5 is usual")
    for name, value in given.model_dump(include=set(DECIDED), exclude_defaults=True).items():
        raise UsageError(
            f"a comparison sets {name} itself; received {value!r} as the {name}; leave it out of the settings"
        )
    return tuple(dict.fromkeys(methods))


def _open_directory(directory: Path, config: RunConfig) -> None:
    """Create or resume the directory of a comparison: one dataset, one student, one set of teachers."""
    path = directory / "config.json"
    if path.exists():
        different = config.differences(RunConfig.read(path), ignore=frozenset(DECIDED))
        if different:
            raise RunError(
                f"a comparison's directory holds one task, student and set of teachers; {str(directory)!r} has another: "
                f"{'; '.join(different[:4])}; choose another out="
            )
        return
    claim_directory(directory, "a comparison")
    config.write(path)
