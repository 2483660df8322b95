"""The samples of a task."""

import logging
import operator
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Literal, NamedTuple, SupportsIndex

import numpy as np

from aft.data._column import places, taken
from aft.data._contents import Contents
from aft.data._equal import is_new
from aft.data._from_folder import read_folder
from aft.data._from_hub import read_hub
from aft.data._from_map import Columns, read_map
from aft.data._from_table import MISSING_LABELS, read_table
from aft.data._inputs import Inputs
from aft.data._joined_inputs import JoinedInputs
from aft.data._modality import Modality, modality_name
from aft.data._positions import repeated
from aft.data._repeated import compact
from aft.data._strings import Digests, Strings
from aft.data._targets import clean_labels, is_missing
from aft.errors import DataError, UsageError, name_some

log = logging.getLogger("aft")

OnBad = Literal["error", "skip"]


class Sample(NamedTuple):
    """One sample of a `Dataset`.

    Attributes:
        id: Its id, unique in the dataset.
        input: A string, a tuple of two strings, an RGB image or an array.
        label: Its label as written in the data, None where it has none.
    """

    id: str
    input: Any
    label: Any


class Skipped(NamedTuple):
    """A sample that was left out, and the reason."""

    id: str
    reason: str


def check_dataset(dataset: Any) -> None:
    """Make sure that samples come as a `Dataset`.

    Raises:
        UsageError: They do not.
    """
    if not isinstance(dataset, Dataset):
        raise UsageError(
            f"samples come as an aft.Dataset; received {type(dataset).__name__}; read them with Dataset.from_table, from_folder, "
            "from_hub, from_arrays or from_map"
        )


class Dataset:
    """The samples of a task: ids and inputs, and where the data has them, labels, splits and groups.

    Create one with `from_table`, `from_folder`, `from_hub`, `from_arrays` or `from_map`. It is a map-style dataset:
    ``dataset[i]`` is a `Sample`, and a `torch.utils.data.DataLoader` accepts it.

    Attributes:
        ids: One per sample, all different.
        inputs: The raw inputs, one per sample.
        labels: As written in the data, None where a sample has none; None if no labels were read.
        splits: ``"train"``, ``"validation"`` or ``"test"`` per sample; None if the data defines no splits.
        groups: Samples of one group always belong to the same split. None if there are no groups.
        source: Where the samples came from, as JSON values.
        missing: Words that were read as a missing label, and how often each occurs.
        skipped: Samples that were left out because their input could not be read.
        bad_inputs: What `verified` does by default: ``"error"`` or ``"skip"``.

    Raises:
        DataError: The lengths differ, the ids are not unique, or there are no samples.

    Example:
        >>> dataset = Dataset.from_table("reviews.csv", text="sentence", label="label", id="id")
        >>> dataset[0]
        Sample(id='r1', input='a delight from start to end', label='positive')
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
        missing: dict[str, int] | None = None,
        skipped: Sequence[Skipped] = (),
        digests: Sequence[str] | None = None,
        bad_inputs: OnBad = "error",
    ) -> None:
        for name, column in (("inputs", inputs), ("labels", labels), ("splits", splits), ("groups", groups)):
            if column is not None and len(column) != len(ids):
                raise DataError(
                    f"a dataset has one id per sample; received {len(ids)} ids and {len(column)} {name}; make the "
                    "lengths equal"
                )
        if not len(ids):
            after = f" after {len(skipped)} were left out, {name_some(skipped)}" if skipped else ""
            raise DataError(f"a dataset needs at least one sample; received none{after}; check the data")
        self.ids = Strings.of(ids)
        if twice := repeated(self.ids):
            raise DataError(
                f"ids must be unique; received duplicates of {name_some(twice)}; name a unique column with id="
            )
        self.inputs = inputs
        self.labels = None if labels is None else clean_labels(labels)
        self.splits: Sequence[str] | None = None if splits is None else compact(splits)
        self.groups: Sequence[str | None] | None = (
            None if groups is None else compact(None if is_missing(g) or g == "" else str(g) for g in groups)
        )
        self.source = dict(source or {})
        self.missing = dict(missing or {})
        self.skipped = list(skipped)
        self.bad_inputs: OnBad = bad_inputs
        self._digests = None if digests is None else Digests.of(digests)

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        text: str | None = None,
        text_pair: str | None = None,
        image: str | None = None,
        label: str | None = None,
        id: str | None = None,  # noqa: A002 - part of the public interface
        split: str | None = None,
        group: str | None = None,
        image_root: str | Path | None = None,
        missing: str | Sequence[str] = MISSING_LABELS,
        row_ids: bool = False,
        bad_inputs: OnBad = "error",
    ) -> "Dataset":
        """Read a CSV, TSV, JSON Lines or Parquet file, or a table in memory.

        Args:
            table: The file or its address (``s3://...``), a data frame of pandas or polars, an Arrow table, or a dict of lists.
            text: Column of texts.
            text_pair: Column of second texts, for tasks on pairs of texts.
            image: Column of image paths, relative to the file's folder or to ``image_root``, or of encoded images: bytes, or Hugging
                Face's struct of bytes and path. With ``text`` each input is an image and its text.
            label: Column of labels. Samples with an empty cell, or with one of the words of ``missing``, are unlabelled.
            id: Column of unique ids; by default a hash of the text, or the image path.
            split: Column of splits: ``train``, ``validation`` or ``test``.
            group: Column of groups. Samples of one group are never divided between splits. Without splits,
                samples with the same image and different texts are a group by default.
            image_root: Folder that contains the images; image paths must not lead out of it.
            missing: Words that stand for a missing label, or one string of them, separated by commas. Case matters.
            row_ids: Without ``id``, use the numbers of the rows as ids, from 1 on. They are enough for predictions; features
                are joined by id, and must not depend on the order of the rows.
            bad_inputs: ``"error"`` raises an error that names samples whose input cannot be read; ``"skip"``
                leaves them out and counts them. Texts are checked now, images by `verified`.

        Returns:
            The dataset.

        Raises:
            DataError: A file, column, row or input cannot be used.
            UsageError: Neither a text nor an image column is named, or an image with a pair of texts.

        Example:
            >>> Dataset.from_table("reviews.csv", text="sentence", label="label", id="id")
        """
        root = None if image_root is None else Path(image_root)
        columns = {"text": text, "text_pair": text_pair, "image": image, "label": label, "id": id, "split": split}
        dataset = cls._of(read_table(table, root, missing, row_ids=row_ids, **columns, group=group), bad_inputs)
        return dataset if "image" in dataset.modality else dataset.verified(bad_inputs)

    @classmethod
    def from_folder(cls, path: str | Path, *, text: str | None = None, bad_inputs: OnBad = "error") -> "Dataset":
        """Read a folder of images with one subfolder per class.

        The class folders may lie in split folders ``train``, ``validation`` and ``test``. Images outside any
        class folder, or in a folder named ``unlabelled``, have no label. The id of an image is its path
        within the folder.

        Args:
            path: The folder.
            text: Suffix of the files that hold the texts of the images, such as ``".txt"``: that of ``cat/1.jpg`` is ``cat/1.txt``.
            bad_inputs: ``"error"`` raises an error that names images which cannot be decoded; ``"skip"``
                leaves them out and counts them. Images are decoded by `verified`.

        Returns:
            The dataset.

        Raises:
            DataError: The folder does not exist, contains no image, or lacks the text of one.
            UsageError: ``text`` is no suffix.

        Example:
            >>> Dataset.from_folder("pets/")
        """
        return cls._of(read_folder(Path(path), text), bad_inputs)

    @classmethod
    def from_hub(
        cls,
        name: str,
        *,
        config: str | None = None,
        text: str | None = None,
        text_pair: str | None = None,
        image: str | None = None,
        label: str | None = None,
        id: str | None = None,  # noqa: A002 - the same name as in from_table
        group: str | None = None,
        bad_inputs: OnBad = "error",
    ) -> "Dataset":
        """Read a dataset by its name, with its own splits and the names of its classes.

        A folder of that name in the folder that the environment variable ``AFT_DATA`` names is used if it is there, with Parquet
        files called ``train.parquet``, ``validation.parquet`` and ``test.parquet`` or in numbered parts. Else the dataset comes from
        the Hugging Face Hub, through the package ``datasets``. A test split without labels is left out, as the labels are then hidden;
        the validation split tests where there is no other.

        Args:
            name: A name that ``aft data`` lists, ``OWNER/NAME`` of any dataset on the hub, or a folder.
            config: The configuration of a dataset that has several.
            text: Column of texts. The columns of known datasets are known, and others have usual names.
            text_pair: Column of second texts.
            image: Column of images.
            label: Column of labels.
            id: Column of unique ids; by default a hash of the input.
            group: Column of groups.
            bad_inputs: As for `from_table`.

        Returns:
            The dataset.

        Raises:
            DataError: There is no such dataset, or it cannot be reached or used.
            MissingExtraError: The package ``datasets`` is needed and not installed.

        Source:
            Lhoest et al.: Datasets: A Community Library for Natural Language Processing, 2021.

        Example:
            >>> Dataset.from_hub("cifar10")
            Dataset(60000 image samples, 60000 with a label)
        """
        columns = {"text": text, "text_pair": text_pair, "image": image, "label": label, "id": id, "group": group}
        dataset = cls._of(read_hub(name, config, **columns), bad_inputs)
        return dataset if "image" in dataset.modality else dataset.verified(bad_inputs)

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
        """Use NumPy arrays, torch tensors, or lists of texts or PIL images.

        Args:
            inputs: ``(N, ...)``, or a list of N inputs.
            targets: N labels; None where a sample has none.
            ids: N unique ids; by default hashes of the inputs.
            splits: N splits: ``"train"``, ``"validation"`` or ``"test"``.
            groups: N groups. Samples of one group are never divided between splits.

        Returns:
            The dataset.

        Raises:
            DataError: The lengths differ, or the inputs cannot be used.

        Example:
            >>> Dataset.from_arrays(images, labels, ids=[f"image-{i}" for i in range(len(images))])
        """
        return cls.from_map(Columns(inputs, targets), ids=ids, splits=splits, groups=groups)

    @classmethod
    def from_map(
        cls,
        dataset: Any,
        *,
        input: str | int | tuple[str | int, str | int] = 0,  # noqa: A002 - part of the public interface
        label: str | int | None = 1,
        id: str | int | None = None,  # noqa: A002 - the same name as in from_table
        ids: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> "Dataset":
        """Use any dataset with ``len`` and ``[index]``: torch's, torchvision's or Hugging Face's.

        Every item is read once here, for its label and id. Inputs are fetched whenever they are needed.

        Args:
            dataset: Its items are dicts or tuples.
            input: Key of the input in an item, or the two keys of a pair of texts.
            label: Key of the label; None for a dataset without labels.
            id: Key of the id; by default a hash of the input.
            ids: N unique ids, instead of a key.
            splits: N splits: ``"train"``, ``"validation"`` or ``"test"``.
            groups: N groups. Samples of one group are never divided between splits.

        Returns:
            The dataset.

        Raises:
            DataError: The items lack these keys, or the inputs cannot be used.

        Example:
            >>> Dataset.from_map(datasets.load_dataset("imdb", split="train"), input="text", label="label")
        """
        return cls._of(read_map(dataset, input=input, label=label, id=id, ids=ids, splits=splits, groups=groups))

    @classmethod
    def _of(cls, contents: Contents, bad_inputs: OnBad = "error") -> "Dataset":
        return cls(**vars(contents), bad_inputs=bad_inputs)

    @property
    def modality(self) -> Modality:
        """Parts of each input: ``("text",)``, ``("text", "text")``, ``("image",)``, ``("array",)`` or ``("image", "text")``."""
        return self.inputs.modality

    @property
    def kind(self) -> str:
        """Name of the modality: ``"text"``, ``"pair"``, ``"image"``, ``"array"`` or ``"image+text"``."""
        return modality_name(self.modality)

    @property
    def digests(self) -> Digests:
        """Digest of each input. The first access reads every input.

        Raises:
            DataError: Inputs cannot be used; some of them are named.
        """
        if self._digests is None:
            digests, bad = self._examine(None)
            if bad:
                raise self._unreadable(bad)
            self._digests = digests
        return self._digests

    def verified(self, bad_inputs: OnBad | None = None, progress: Callable[[int], object] | None = None) -> "Dataset":
        """Read every input completely, and handle those that cannot be used.

        Args:
            bad_inputs: ``"error"`` or ``"skip"``; by default the value that the dataset was created with.
            progress: Called with a number of samples whenever so many more have been read.

        Returns:
            This dataset, or one without the unusable samples, which are listed in its `skipped`.

        Raises:
            DataError: Inputs cannot be used and must not be skipped, or no sample is left.
            UsageError: An unknown value of ``bad_inputs``.
        """
        bad_inputs = bad_inputs or self.bad_inputs
        if bad_inputs not in ("error", "skip"):
            raise UsageError(f"bad_inputs= is 'error' or 'skip'; received {bad_inputs!r}; choose one of them")
        if self._digests is not None:
            return self
        digests, bad = self._examine(progress)
        if bad and bad_inputs == "error":
            raise self._unreadable(bad)
        if not bad:
            self._digests = digests
            return self
        left_out = {skipped.id for skipped in bad}
        keep = [i for i, sample_id in enumerate(self.ids) if sample_id not in left_out]
        result = self.subset(keep)
        result._digests = digests.take(keep)
        result.skipped = [*self.skipped, *bad]
        return result

    def subset(self, indices: Sequence[int] | Any) -> "Dataset":
        """Select some of the samples.

        Args:
            indices: Positions ``(n,)``, or a mask ``(N,)``.

        Returns:
            A dataset of these samples, in the given order.

        Raises:
            DataError: The selection is empty.
        """
        array = np.asarray(indices)
        chosen = np.flatnonzero(array) if array.dtype == bool else places(array, len(self))

        def select(values: Sequence[Any] | None) -> Sequence[Any] | None:
            return None if values is None else taken(values, chosen)

        if not len(chosen):
            raise DataError(
                "a dataset needs at least one sample; received an empty selection; check the splits and the labels"
            )
        return Dataset(
            self.ids.take(chosen), self.inputs.subset(chosen), labels=select(self.labels),
            splits=select(self.splits), groups=select(self.groups), source=self.source, missing=self.missing,
            skipped=self.skipped, digests=None if self._digests is None else self._digests.take(chosen), bad_inputs=self.bad_inputs,
        )  # fmt: skip

    def with_unlabelled(self, other: "Dataset") -> "Dataset":
        """Add the samples of another dataset as training samples without a label, such as texts of the same kind from elsewhere.

        Args:
            other: Samples with inputs of the same modality. Its labels, splits and groups are ignored, and so are samples whose
                input is already in this dataset, or occurs twice.

        Returns:
            The samples of this dataset, then the others.

        Raises:
            DataError: Inputs of another modality, an id of this dataset for another input, or inputs that cannot be used.

        Example:
            >>> reviews.with_unlabelled(Dataset.from_table("forum.parquet", text="post"))
            Dataset(52000 text samples, 2000 with a label)
        """
        if other.modality != self.modality:
            raise DataError(
                f"unlabelled data has inputs of the dataset's modality, {self.kind}; received {other.kind}; name the columns that hold "
                "such inputs"
            )
        own, more = self.verified(), other.verified()
        new = is_new(more.digests, own.digests)
        if not new.all():
            known = int((~new).sum())
            log.info(
                "%d samples of the unlabelled data are in the dataset already, or repeated; they are left out", known
            )
        if not new.any():
            return own
        more = more.subset(new)
        ids = Strings.of(chain(own.ids, more.ids))
        if twice := repeated(ids):
            raise DataError(
                f"an id stands for one input; the unlabelled data has {name_some(twice)} for other inputs than the dataset; rename them, or "
                "leave out the column of ids"
            )

        def extended(column: Sequence[Any] | None, value: str | None) -> Sequence[Any] | None:
            return None if column is None else [*column, *repeat(value, len(more))]

        return Dataset(
            ids, JoinedInputs(own.inputs, more.inputs), labels=extended(own.labels, None), splits=extended(own.splits, "train"),
            groups=extended(own.groups, None), source={**own.source, "unlabelled_data": str(more.source.get("path", "memory"))},
            missing=own.missing, skipped=[*own.skipped, *more.skipped], digests=Digests.of(chain(own.digests, more.digests)),
            bad_inputs=own.bad_inputs,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: SupportsIndex) -> Sample:
        # range has the rules of a list for negative indices and for IndexError.
        position = range(len(self))[operator.index(index)]
        return Sample(self.ids[position], self.inputs[position], None if self.labels is None else self.labels[position])

    def __repr__(self) -> str:
        labelled = 0 if self.labels is None else sum(label is not None for label in self.labels)
        return f"Dataset({len(self)} {self.kind} samples, {labelled} with a label)"

    def _examine(self, progress: Callable[[int], object] | None) -> tuple[Digests, list[Skipped]]:
        digests, reasons = self.inputs.examine_all(progress)
        return digests, [Skipped(self.ids[index], reason) for index, reason in reasons.items()]

    def _unreadable(self, bad: Sequence[Skipped]) -> DataError:
        return DataError(
            f"every input must be readable; of {len(self)}, {len(bad)} cannot be used, first {bad[0].id!r}: "
            f"{bad[0].reason}; correct them, or leave them out with bad_inputs='skip'"
        )
