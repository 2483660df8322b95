"""Invented results of comparisons, in the schema of ``comparison.json``."""

import json

import numpy as np

#: Names that the page must show as plain text.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "</style><style>*{display:none}</style>",
    "</title></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "bell\x07 nul\x00 escape\x1b[31m",
    "right\u202eot-left \u2066isolate",
    "lone \ud800 surrogate",
    "&lt;b&gt; &amp;",
    "زبان‌ فارسی",
    "中文类别名称",
    "a" * 300,
    "a.b/c\\d `e` $f %g",
]


def make_comparison(
    kind="classification",
    *,
    methods=("aft", "kd", "probe-kd", "rkd", "finetune"),
    classes=("neg", "pos"),
    teachers=("mpnet", "minilm"),
    seeds=5,
    level=0.36,
    probe=0.152,
    seed=0,
    path="reviews.csv",
    name="",
):
    """Invent the document of a comparison.

    ``level`` is the error of fine-tuning and ``probe`` that of the teachers; ``name`` is prepended to every name.
    """
    generator = np.random.default_rng(seed)
    unit = level / 100
    base = level + generator.normal(0, unit, seeds)
    results = []
    for n, method in enumerate(methods):
        errors = base if method == "finetune" else base - (3.9 - 1.7 * n) * unit * 2 + generator.normal(0, unit, seeds)
        results.append(_method_result(method, errors, base, n, generator, kind, classes, teachers, probe, name))
    mean = next((result["mean"] for result in results if result["method"] != "finetune"), level)
    return {
        "format": 1, "aft": "0.1.0",
        "task": {"kind": kind, "error_name": {"classification": "error", "multilabel": "1 - micro F1", "regression": "rmse"}[kind],
                 "classes": [] if kind == "regression" else [name + c for c in classes],
                 "samples": {"labelled": 1000, "unlabelled": 1500, "validation": 200, "test": 1000},
                 "source": {"kind": "table", "path": f"{name}{path}", "text": "sentence"}},
        "student": {"name": f"{name}aft:static", "parameters": 1_000_000, "bytes": 4_000_000, "latency_ms": 0.5, "throughput": 2000.0},
        "teachers": [{"name": name + teacher, "dim": 768 // (n + 1), "model": f"hf:all-{teacher}-base-v2",
                      "probe_error": probe * (1.05 + 0.2 * n), "logme": 0.21 if n == 0 else None} for n, teacher in enumerate(teachers)],
        "seeds": list(range(seeds)),
        "methods": results,
        "probe": {"error": probe, "low": probe * 0.88, "high": probe * 1.13, "balanced_error": None},
        "majority": {"error": 0.49 if kind == "classification" else level * 2, "low": None, "high": None,
                     "balanced_error": 1 - 1 / len(classes) if kind == "classification" else None},
        "baselines": [] if kind == "regression" else [
            {"name": f"{name}TF-IDF", "what": "TF-IDF of words, logistic regression", "error": level * 0.95, "low": level * 0.9,
             "high": level, "balanced_error": None, "bytes": 540_000, "latency_ms": 0.48, "throughput": 9000.0, "seconds": 2.0}],
        "cost": {"seconds": 800.0, "wall_seconds": 450.0, "extraction_seconds": 480.0},
        "environment": {"python": "3.11", "torch": "2.9", "platform": "Linux-6.1-x86_64", "threads": 1, "processes": 2},
        "conclusions": [f"{name}aft lowers the error by {100 * (1 - mean / level):.0f} % of fine-tuning's.",
                        "kd shows no difference from fine-tuning beyond noise; rkd raises the error."],
    }  # fmt: skip


def _method_result(method, errors, base, n, generator, kind, classes, teachers, probe, name):
    finetune = method == "finetune"
    mean, half = float(errors.mean()), float(errors.std() / max(len(errors) - 1, 1) ** 0.5 * 2 + 1e-3 * errors.mean())
    difference = float((errors - base).mean())
    count = len(classes)
    confusion = None
    if kind == "classification":
        confusion = generator.integers(0, max(40 // count, 2), (count, count)) * (
            generator.random((count, count)) < 0.6
        )
        confusion = (confusion + np.diag(generator.integers(60, 90, count))).tolist()
    gates = None
    if method == "aft":
        gates = {}
        for k, teacher in enumerate(teachers):
            weights = generator.beta(2 + k, 1.5 + 2 * k, 768 // (k + 1))
            best = weights.argsort()[::-1][:10]
            gates[name + teacher] = {
                "mean": float(weights.mean()),
                "histogram": np.histogram(weights, 20, (0, 1))[0].tolist(),
                "strongest": [[int(i), float(weights[i])] for i in best],
            }
    steps = list(range(0, 301, 10))
    curve = [
        {"seed": s, "step": steps, "objective": [] if finetune else [0.5] * len(steps),
         "task_loss": [0.69 * float(np.exp(-step / (180 + 30 * n))) + 0.05 + abs(float(generator.normal(0, 0.02))) for step in steps]}
        for s in range(len(errors))
    ]  # fmt: skip
    trials = [
        {"weighting": weighting, "beta": 0.0 if finetune else beta, "steps": 300, "lr": 0.004 * (beta if finetune else 1.0), "weight_decay": 0.01, "loss": 0.61 + 0.01 * beta,
         "error": float(mean * (1 + 0.01 * beta)), "seconds": 5.2, "stopped": beta > 3, "pooled_loss": 0.5 + 0.01 * beta if name else None}
        for weighting in ((None,) if finetune else ("balanced", "fixed")) for beta in (0.3, 1.0, 3.0, 10.0)
    ]  # fmt: skip
    return {
        "method": name + method if name and not finetune else method, "weighting": None if finetune else "balanced", "beta": 0.0 if finetune else 1.0,
        "steps": 300, "lr": 0.004, "weight_decay": 0.01,
        "errors": errors.tolist(), "mean": mean, "spread": float(errors.std()), "low": mean - half, "high": mean + half,
        "balanced_error": None if kind == "regression" else mean * 1.05,
        "normalised": mean / float(base.mean()), "normalised_low": (mean - half) / float(base.mean()),
        "normalised_high": (mean + half) / float(base.mean()),
        "gap_closed": None if finetune else float((base.mean() - mean) / (base.mean() - probe)),
        "difference": None if finetune else {"mean": difference, "low": difference - half, "high": difference + half,
                                             "noise": abs(difference) < half},
        "search_seconds": 80.0, "train_seconds": 12.0,
        "metrics": {"accuracy": 1 - mean, "macro_f1": 1 - mean * 1.02, "log_loss": 0.61} if kind != "regression" else {"rmse": mean, "r2": 0.41},
        "confusion": confusion, "curve": curve, "gates": gates, "trials": trials, "same_as_finetune": False,
    }  # fmt: skip


def write(directory, comparison):
    """Write a document to the directory of a comparison."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "comparison.json").write_text(json.dumps(comparison))
    return directory


#: Students: latency in milliseconds, size in bytes, error of fine-tuning.
STUDENTS = {
    "aft:ngrams": (0.3, 5_400_000, 0.26),
    "aft:static": (0.5, 4_200_000, 0.34),
    "hf:/models/all-MiniLM-L6-v2,keep_layers=2,vocabulary=8000": (2.9, 20_000_000, 0.21),
    "hf:/models/all-MiniLM-L6-v2": (7.5, 49_000_000, 0.185),
}


def write_students(directory, students=STUDENTS, **changed):
    """Write a comparison for each of several students of one task."""
    for n, (name, (latency, size, level)) in enumerate(students.items()):
        comparison = make_comparison(level=level, seed=n, **changed)
        comparison["student"] |= {"name": name, "latency_ms": latency, "bytes": size}
        comparison["baselines"] = [comparison["baselines"][0] | {"error": 0.322}] if comparison["baselines"] else []
        write(directory / f"student{n}", comparison)
