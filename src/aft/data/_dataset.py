"""The samples of a task."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from aft.data._folder import read_folder
from aft.data._inputs import ImageFiles, Inputs, Items, Kind, Texts, kind_of
from aft.data._reading import Columns, as_id, as_text, content_ids, has, inside, pick, pick_all
from aft.data._holdout import assign_splits
from aft.data._tables import read_columns
from aft.data._targets import clean_label
from aft.errors import DataError, UsageError, name_some

OnBad = Literal["error", "skip"]


class Skipped(NamedTuple):
    """A sample that was left out, and why."""

    id: str
    reason: str


class Dataset:
    """Samples: an id and an input each, and where there are such, a label, a split and a group.

    Make one with `from_table`, `from_folder`, `from_arrays` or `from_map`.

    Attributes:
        ids: One a sample, all different.
        inputs: What a model is shown.
        labels: As written, None where a sample has none; None altogether where no labels were asked for.
        splits: ``train``, ``validation`` or ``test`` a sample, or None where none were given.
        groups: Samples of one group never sit on two sides of a split.
        source: Where the samples came from and in which columns, as JSON values.
        skipped: Samples left out on request.
    """

    def __init__(
        self,
        ids: Sequence[str],
        inputs: Inputs,
        *,
        labels: Sequence[Any] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[str | None] | None = None,
        source: dict[str, Any] | None = None,
        skipped: Sequence[Skipped] = (),
        digests: Sequence[str] | None = None,
        bad_inputs: OnBad = "error",
    ) -> None:
        for name, column in (("inputs", inputs), ("labels", labels), ("splits", splits), ("groups", groups)):
            if column is not None and len(column) != len(ids):
                raise DataError(
                    f"a dataset has one of everything a sample; received {len(ids)} ids and {len(column)} {name}; match them"
                )
        if not len(ids):
            left = f" after {len(skipped)} were left out, {name_some(skipped)}" if skipped else ""
            raise DataError(f"a dataset needs at least one sample; received none{left}; check the data")
        twice = [sample_id for sample_id, count in Counter(ids).items() if count > 1]
        if twice:
            raise DataError(
                f"ids must differ; received {len(twice)} of them twice or more, {name_some(twice)}; name a column of unique ids with --id"
            )
        self.ids = list(ids)
        self.inputs = inputs
        self.labels = None if labels is None else [clean_label(label) for label in labels]
        self.splits = None if splits is None else list(splits)
        self.groups = None if groups is None else [None if g is None or g == "" else str(g) for g in groups]
        self.source = dict(source or {})
        self.skipped = list(skipped)
        self.bad_inputs: OnBad = bad_inputs
        self._digests = None if digests is None else list(digests)

    # ---- sources -------------------------------------------------------------------------------------------------

    @classmethod
    def from_table(
        cls,
        path: str | Path,
        *,
        text: str | None = None,
        text_pair: str | None = None,
        image: str | None = None,
        label: str | None = None,
        id: str | None = None,  # noqa: A002 - the design fixes the name
        split: str | None = None,
        group: str | None = None,
        image_root: str | Path | None = None,
        bad_inputs: OnBad = "error",
    ) -> "Dataset":
        """Read a CSV, TSV, JSONL or Parquet file.

        Args:
            path: The file.
            text: Column of texts.
            text_pair: Column of second texts, for tasks on pairs.
            image: Column of image paths, relative to the table's folder.
            label: Column of labels; an empty cell is a sample without a label.
            id: Column of ids; by default a hash of the text, or the image's path.
            split: Column of ``train``, ``validation``, ``test``.
            group: Column of groups that a split must not cut through.
            image_root: Folder that image paths are relative to, and must lie in.
            bad_inputs: ``"skip"`` leaves out samples whose input cannot be used, and counts them; ``"error"`` names them.

        Returns:
            The dataset.

        Raises:
            DataError: A file, column, row or input that cannot be used.
            UsageError: Neither a text nor an image column, or both.

        Example:
            >>> Dataset.from_table("reviews.csv", text="sentence", label="label", id="id")
        """
        if (text is None) == (image is None) or (text_pair is not None and text is None):
            raise UsageError(
                "a table needs one column of inputs; received none or several; name it with --text or --image"
            )
        path = Path(path)
        wanted = {
            "text": text,
            "text_pair": text_pair,
            "image": image,
            "label": label,
            "id": id,
            "split": split,
            "group": group,
        }
        named = {role: column for role, column in wanted.items() if column is not None}
        columns = read_columns(path, list(dict.fromkeys(named.values())))
        cells = {role: columns[column] for role, column in named.items()}
        if text is not None:
            pair = cells.get("text_pair")
            inputs: Inputs = Texts(
                [as_text(v) for v in cells["text"]], None if pair is None else [as_text(v) for v in pair]
            )
        else:
            root = Path(image_root) if image_root is not None else path.parent
            inputs = ImageFiles(
                [inside(root, str(value or ""), row) for row, value in enumerate(cells["image"], start=1)]
            )
        if id is not None:
            ids = [as_id(value, row) for row, value in enumerate(cells["id"], start=1)]
        elif image is not None:
            ids = [str(value) for value in cells["image"]]
        else:
            ids = content_ids(inputs)
        source = {"kind": inputs.kind, "path": str(path), **named}
        if image_root is not None:
            source["image_root"] = str(image_root)
        dataset = cls(
            ids,
            inputs,
            labels=cells.get("label"),
            splits=None if split is None else assign_splits(cells["split"]),
            groups=cells.get("group"),
            source=source,
            bad_inputs=bad_inputs,
        )
        return dataset if inputs.kind == "image" else dataset.verified(bad_inputs)

    @classmethod
    def from_folder(cls, path: str | Path, *, bad_inputs: OnBad = "error") -> "Dataset":
        """Read a folder of images: a class a sub-folder, optionally below ``train``, ``validation`` and ``test``.

        Images that lie in no class's folder, or in one called ``unlabelled``, are samples without a label. The id is the path below the folder.

        Args:
            path: The folder.
            bad_inputs: ``"skip"`` leaves out, later, what cannot be decoded; ``"error"`` names it.

        Returns:
            The dataset.

        Raises:
            DataError: No folder, or no image in it.

        Example:
            >>> Dataset.from_folder("pets/")
        """
        files, ids, labels, splits = read_folder(Path(path))
        return cls(
            ids,
            ImageFiles(files),
            labels=labels,
            splits=None if splits is None else assign_splits(splits),
            source={"kind": "image", "path": str(Path(path)), "labels": "folders"},
            bad_inputs=bad_inputs,
        )

    @classmethod
    def from_arrays(
        cls,
        inputs: Any,
        targets: Any = None,
        *,
        ids: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> "Dataset":
        """Take NumPy or torch arrays, or lists of texts or PIL images.

        Args:
            inputs: ``(N, ...)``, or a list of N inputs.
            targets: N labels; None where a sample has none.
            ids: N ids; by default hashes of the inputs.
            splits: N splits.
            groups: N groups.

        Returns:
            The dataset.

        Raises:
            DataError: Lengths that differ, or inputs that cannot be used.

        Example:
            >>> Dataset.from_arrays(images, labels, ids=[f"image-{i}" for i in range(len(images))])
        """
        return cls.from_map(
            Columns(inputs, targets), ids=ids, splits=None if splits is None else assign_splits(splits), groups=groups
        )

    @classmethod
    def from_map(
        cls,
        dataset: Any,
        *,
        input: str | int | tuple[str | int, str | int] = 0,  # noqa: A002
        label: str | int | None = 1,
        id: str | int | None = None,  # noqa: A002 - the same word as for a table
        ids: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> "Dataset":
        """Take any dataset with ``len`` and ``[index]``: torch's, torchvision's, Hugging Face's.

        Every item is read once here, for its label and its digest; the inputs are fetched again when needed.

        Args:
            dataset: Its items are dicts or tuples.
            input: Key of the input in an item, or two keys for a pair of texts.
            label: Key of the label; None for no labels.
            id: Key of the id; by default a hash of the input.
            ids: The ids themselves.
            splits: N splits.
            groups: N groups.

        Returns:
            The dataset.

        Raises:
            DataError: Items without these keys, or inputs that cannot be used.

        Example:
            >>> Dataset.from_map(datasets.load_dataset("imdb", split="train"), input="text", label="label")
        """
        size = len(dataset)
        if size == 0:
            raise DataError("a dataset needs at least one sample; received none; check the data")
        keys = input if isinstance(input, tuple) else (input,)

        # No closure: other processes may have to be sent it.
        fetch = partial(pick_all, dataset, keys)
        first = dataset[0]
        labelled = label is not None and has(first, label)
        names = (
            getattr(getattr(dataset, "features", {}).get(label), "names", None)
            if labelled and hasattr(dataset, "features")
            else None
        )
        kind: Kind = kind_of(fetch(0))
        inputs = Items(fetch, range(size), kind)
        labels = None
        if label is not None and labelled:
            labels = [clean_label(pick(dataset[i], label)) for i in range(size)]
            if names:  # a class label of Hugging Face's: -1 stands for none
                labels = [None if value is None or value < 0 else names[value] for value in labels]
        if ids is None:
            ids = [str(pick(dataset[i], id)) for i in range(size)] if id is not None else content_ids(inputs)
        return cls(
            ids,
            inputs,
            labels=labels,
            splits=splits,
            groups=groups,
            source={"kind": kind, "path": type(dataset).__name__},
        )

    # ---- use -----------------------------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """What the inputs are: ``text``, ``pair``, ``image`` or ``array``."""
        return self.inputs.kind

    @property
    def digests(self) -> list[str]:
        """Digest of each input; reads every input when first asked for.

        Raises:
            DataError: Inputs that cannot be used; some are named.
        """
        if self._digests is None:
            digests, bad = self._examine(None)
            if bad:
                raise _bad_inputs(bad, len(self))
            self._digests = digests
        return self._digests

    def verified(self, bad_inputs: OnBad | None = None, progress: Callable[[int], object] | None = None) -> "Dataset":
        """Read every input whole, and leave out or name those that cannot be used.

        Args:
            bad_inputs: ``"skip"`` or ``"error"``; by default what the dataset was made with.
            progress: Called with a number of samples as they are read.

        Returns:
            This dataset, or one without the bad samples, which its `skipped` lists.

        Raises:
            DataError: Bad inputs that may not be skipped, or nothing left.
        """
        bad_inputs = bad_inputs or self.bad_inputs
        if bad_inputs not in ("error", "skip"):
            raise UsageError(f"bad inputs are an 'error' or to 'skip'; received {bad_inputs!r}; choose one")
        if self._digests is not None:
            return self
        digests, bad = self._examine(progress)
        if bad and bad_inputs == "error":
            raise _bad_inputs(bad, len(self))
        left_out = {skipped.id for skipped in bad}
        keep = [i for i, sample_id in enumerate(self.ids) if sample_id not in left_out]
        result = self.subset(keep) if bad else self
        result._digests = [digests[i] for i in keep]
        result.skipped = [*self.skipped, *bad]
        return result

    def subset(self, indices: Sequence[int] | Any) -> "Dataset":
        """Some of the samples.

        Args:
            indices: Positions ``(n,)``, or a mask ``(N,)``.

        Returns:
            A dataset of these, in that order.
        """
        array = np.asarray(indices)
        chosen = [int(i) for i in (np.flatnonzero(array) if array.dtype == bool else array)]

        def pick(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else [values[i] for i in chosen]

        if not chosen:
            raise DataError(
                "a dataset needs at least one sample; received none after choosing; check the split and the labels"
            )
        return Dataset(
            [self.ids[i] for i in chosen],
            self.inputs.subset(chosen),
            labels=pick(self.labels),
            splits=pick(self.splits),
            groups=pick(self.groups),
            source=self.source,
            skipped=self.skipped,
            digests=pick(self._digests),
            bad_inputs=self.bad_inputs,
        )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Size and kind."""
        labelled = 0 if self.labels is None else sum(label is not None for label in self.labels)
        return f"Dataset({len(self)} {self.kind} samples, {labelled} with a label)"

    def _examine(self, progress: Callable[[int], object] | None) -> tuple[list[str], list[Skipped]]:
        def examine(index: int) -> str | Skipped:
            try:
                return self.inputs.examine(index)
            except DataError as error:
                return Skipped(self.ids[index], str(error))

        digests, bad = [], []
        # Pillow decodes without the interpreter's lock; texts are too quick for threads to pay.
        if self.kind == "image" and isinstance(self.inputs, ImageFiles):
            with ThreadPoolExecutor() as pool:
                results = pool.map(examine, range(len(self)))
                for result in results:
                    digests.append("" if isinstance(result, Skipped) else result)
                    bad += [result] if isinstance(result, Skipped) else []
                    if progress is not None:
                        progress(1)
        else:
            for index in range(len(self)):
                result = examine(index)
                digests.append("" if isinstance(result, Skipped) else result)
                bad += [result] if isinstance(result, Skipped) else []
        return digests, bad


def _bad_inputs(bad: Sequence[Skipped], total: int) -> DataError:
    first = bad[0]
    return DataError(
        f"every input must be readable; received {len(bad)} of {total} that are not, first {first.id!r}: {first.reason}; "
        "correct them, or leave them out with --bad-inputs skip"
    )
