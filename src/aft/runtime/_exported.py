"""An exported model, which needs neither torch nor the code of its student."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aft.core import cores, downloaded, one_ahead
from aft.data import MODALITIES, Modality, Targets, check_inputs
from aft.errors import DataError, MissingExtraError, RunError, UsageError
from aft.preprocessing import ImagePreprocessing, NgramTable, TokenReader, pad_ngrams, pad_tokens
from aft.runtime._description import Description, Encoding
from aft.runtime._prediction import Prediction, decode

#: Inputs that are encoded together: texts, and images, which are large before they are resized.
CHUNK, IMAGES = 2048, 64
#: Those of similar length that are computed together: few, so that what they read and write stays in a core's cache;
#: and of n-grams, whose rows a table adds up in less time than a call takes.
BATCH, NGRAMS = 16, 512
FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}


class ExportedModel:
    """A model that ``aft export`` wrote, run by onnxruntime.

    Args:
        folder: The folder; or ``"hf:OWNER/NAME"``, one on the Hugging Face Hub.
        precision: ``"fp32"``, or ``"int8"`` if it was exported, too.
        threads: Threads of onnxruntime; its own choice by default.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        RunError: The folder holds no exported model, or a file of it is damaged.

    Example:
        >>> model = ExportedModel("exported")
        >>> model.predict(["a delight from start to end"])
        [Prediction('positive', 97.1%)]
    """

    def __init__(
        self, folder: str | Path, *, precision: Literal["fp32", "int8"] = "fp32", threads: int | None = None
    ) -> None:
        try:
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(
                "exported models are run by onnxruntime, which is not installed; run pip install 'adaptive-feature-transfer[runtime]'"
            ) from error
        self.folder = downloaded(folder)
        self.description = Description.read(self.folder)
        if self.description.to != "onnx":
            raise RunError(
                f"predictions without PyTorch are those of ONNX; {str(folder)!r} was exported to {self.description.to}; export the run to "
                "onnx, too, or load it as its README.md says"
            )
        if precision not in FILES:
            raise UsageError(
                f"an exported model has the precision fp32 or int8; received {precision!r}; choose one of them"
            )
        file = self.folder / FILES[precision]
        if not file.is_file():
            raise RunError(
                f"an exported model holds a file for each precision; there is no {file.name!r} in {str(folder)!r}; export the run with it"
            )
        self._file, self._threads = file, threads or cores()
        self._session = self._open(threads)
        self._wanted = {one.name for one in self._session.get_inputs()}
        self._readers = [self._reader(encoding) for encoding in self.description.encodings]

    @property
    def targets(self) -> Targets:
        """The task."""
        return self.description.targets

    @property
    def modality(self) -> Modality:
        """Parts of an input, as in `aft.Dataset.modality`."""
        return MODALITIES[self.description.inputs]

    def predict(self, inputs: Iterable[Any]) -> list[Prediction]:
        """Predict any number of raw inputs.

        Args:
            inputs: Texts, pairs of texts, images (PIL images, or paths), images with texts, or arrays.

        Returns:
            One prediction for each input, in order.

        Raises:
            DataError: An input cannot be used.
        """
        return list(decode(self.targets, self.logits(inputs)))

    def logits(self, inputs: Iterable[Any]) -> NDArray[np.float32]:
        """The outputs for raw inputs, ``(N, C)``; see `aft.Model.logits`."""
        if isinstance(inputs, str | bytes):
            raise DataError("predict takes a sequence of inputs; received a text; put it into a list")
        parts = []
        for encoded in self._encoded(iter(inputs)):
            outputs = np.empty((len(encoded[0]), self.targets.outputs), dtype=np.float32)
            batches = list(self._sorted_batches(encoded))
            for (places, _), computed in zip(batches, self._side_by_side([own for _, own in batches]), strict=True):
                outputs[places] = computed
            parts.append(outputs)
        return np.concatenate(parts) if parts else np.empty((0, self.targets.outputs), dtype=np.float32)

    def _side_by_side(self, batches: Sequence[dict[str, NDArray[Any]]]) -> Iterator[NDArray[np.float32]]:
        """The outputs of batches, each computed by one thread: threads that share a small batch wait for each other."""
        if min(len(batches), self._threads) < 2:
            yield from map(self.run, batches)
            return
        with ThreadPoolExecutor(self._threads) as threads:
            yield from threads.map(lambda batch: self._one_thread.run(None, batch)[0], batches)

    @cached_property
    def _one_thread(self) -> Any:
        """The session of calls with many inputs, which most callers never need."""
        return self._open(1)

    def _open(self, threads: int | None) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            return onnxruntime.InferenceSession(str(self._file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises errors of many kinds
            raise RunError(
                f"{str(self._file)!r} is not what aft export wrote ({str(error).splitlines()[0]:.100}); export the run again"
            ) from error

    def _encoded(self, inputs: Iterator[Any]) -> Iterator[list[Sequence[Any]]]:
        """Encode inputs for each part of the model, one chunk ahead of what is computed."""
        size = IMAGES if "image" in self.modality else CHUNK

        def encode(numbered: tuple[int, list[Any]]) -> list[Sequence[Any]]:
            number, chunk = numbered
            checked = check_inputs(chunk, self.modality, number * size)
            return [read(checked) for read, _ in self._readers]

        first = list(islice(inputs, size))
        if len(first) < size:  # nothing follows, and a thread takes longer than a short text
            yield from [encode((0, first))] if first else []
            return
        chunks = iter(lambda: list(islice(inputs, size)), [])
        yield from one_ahead(encode, enumerate(chain([first], chunks)))

    def run(self, batch: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The outputs ``(B, C)`` of a batch of encoded inputs."""
        outputs: NDArray[np.float32] = self._session.run(None, batch)[0]
        return outputs

    def sorted_batches(self, inputs: Iterable[Any]) -> Iterator[dict[str, NDArray[Any]]]:
        """The arrays that onnxruntime gets for raw inputs, those of similar length together, since padding costs as much as text."""
        return (batch for encoded in self._encoded(iter(inputs)) for _, batch in self._sorted_batches(encoded))

    def _sorted_batches(self, encoded: Sequence[Sequence[Any]]) -> Iterator[tuple[list[int], dict[str, NDArray[Any]]]]:
        """The positions of a batch's inputs in a chunk, and their arrays."""
        size = NGRAMS if all(encoding.kind == "ngrams" for encoding in self.description.encodings) else BATCH
        order = sorted(range(len(encoded[0])), key=lambda place: sum(_length(own[place]) for own in encoded))
        for places in (order[start : start + size] for start in range(0, len(order), size)):
            yield places, self._batch(encoded, places)

    def batches(self, inputs: Sequence[Any]) -> Iterator[dict[str, NDArray[Any]]]:
        """The arrays that onnxruntime gets, batch by batch, in the given order."""
        checked = check_inputs(list(inputs), self.modality)
        encoded = [read(checked) for read, _ in self._readers]
        for start in range(0, len(checked), BATCH):
            yield self._batch(encoded, range(start, min(start + BATCH, len(checked))))

    def _batch(self, encoded: Sequence[Sequence[Any]], places: Sequence[int]) -> dict[str, NDArray[Any]]:
        arrays = {}
        for number, (own, (_, collate)) in enumerate(zip(encoded, self._readers, strict=True)):
            for name, array in collate([own[place] for place in places]).items():
                arrays[input_name(name, number, len(self._readers))] = array
        return {name: array for name, array in arrays.items() if name in self._wanted}

    def _reader(
        self, encoding: Encoding
    ) -> tuple[Callable[[Sequence[Any]], Sequence[Any]], Callable[[Sequence[Any]], dict[str, Any]]]:
        """Functions that encode raw inputs, and combine encoded ones."""
        settings, folder = encoding.settings, self.folder / encoding.folder

        def own(inputs: Sequence[Any]) -> Sequence[Any]:
            return inputs if encoding.reads is None else [value[encoding.reads] for value in inputs]

        if encoding.kind == "tokens":
            names = ("max_length", "prompt", "segments")
            tokens = TokenReader.load(folder / "tokenizer.json", **{name: settings[name] for name in names})
            return lambda inputs: tokens(own(inputs)), lambda part: pad_tokens(
                part, settings["pad"], settings["length"]
            )
        if encoding.kind == "ngrams":
            table = NgramTable.load(folder)
            if table is None:
                raise RunError(f"the n-grams in {str(folder)!r} are not what aft export wrote; export the run again")
            return lambda inputs: table(own(inputs)), pad_ngrams
        if encoding.kind == "image":
            images = ImagePreprocessing(**settings)
            return lambda inputs: [images(image) for image in own(inputs)], lambda part: {"image": np.stack(part)}
        return lambda inputs: [_array(value, settings["shape"]) for value in own(inputs)], lambda part: {
            "input": np.stack(part)
        }


def input_name(name: str, part: int, parts: int) -> str:
    """The name of an input of the graph: that of the array, with the number of the part if there are several."""
    return name if parts == 1 else f"part{part}_{name}"


def _array(value: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """An array of the shape that the model was trained on."""
    if np.shape(value) != tuple(shape):
        raise DataError(
            f"an array has the shape of those of the training, {tuple(shape)}; received {np.shape(value)}; pass arrays of that shape in a "
            "list, even if it is one"
        )
    return np.asarray(value, dtype=np.float32)


def _length(encoded: Any) -> int:
    """The length by which texts are sorted, since padding costs as much as text."""
    ids = getattr(encoded, "ids", getattr(encoded, "rows", None))
    return 0 if ids is None else len(ids)
