"""A token table in the layout of model2vec, which embeds texts without PyTorch."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.core import write_json
from aft.errors import MissingExtraError, ModelError
from aft.exporting._formats import Format, Written
from aft.exporting._samples import Samples
from aft.exporting._weights import as_logits, label_head, save
from aft.models import StaticText
from aft.runs import Model

FILE, HEAD = "model.safetensors", "head.safetensors"


def write_model2vec(model: Model, folder: Path, _: Samples) -> dict[str, Written]:
    """Write the token table of an ``aft:static`` student as a model of model2vec, with its linear layers beside it.

    Args:
        model: The trained student.
        folder: Where to write.
        _: Samples of the task, which are not needed.

    Returns:
        The table as model2vec loads it, and the layers.

    Raises:
        ModelError: The student is not a token table, reads pairs, or puts something before each text.
        MissingExtraError: model2vec is not installed.
    """
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise MissingExtraError(
            "an export is checked by loading it, and model2vec is not installed; run pip install model2vec"
        ) from error
    backbone = model.student.backbone
    if not isinstance(backbone, StaticText) or backbone.counts_special or backbone.prompt or len(model.modality) > 1:
        raise ModelError(
            "a token table over single texts, without a prompt, is exported to model2vec; received "
            f"{model.config.student.name} on {model.config.data.kind} inputs; train aft:static, or export to onnx"
        )
    rows = {} if backbone.rows is None else {"mapping": backbone.rows}
    save({"embeddings": backbone.table.weight, **rows}, folder / FILE)
    backbone.save_encodings(folder)
    size = {"vocabulary_quantization": len(backbone.table.weight)} if rows else {}
    write_json(
        folder / "config.json",
        {"model_type": "model2vec", "normalize": False, "max_length": None, "embedding_dtype": "float32", **size},
    )
    write_json(
        folder / "modules.json",
        [{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}],
    )
    weight, bias = label_head(model.student, model.targets)
    hidden: Any = backbone.mlp[1]
    # The head reads the mean, where that is among the features, and then the hidden layer.
    own = backbone.dim - hidden.out_features
    direct = weight[:, :own] if own else weight.new_zeros(len(weight), hidden.in_features)
    save(
        {
            "hidden.weight": hidden.weight, "hidden.bias": hidden.bias, "direct.weight": direct, "head.weight": weight[:, own:],
            "head.bias": bias,
        },
        folder / HEAD,
    )  # fmt: skip
    opened: Any = cache(lambda: StaticModel.from_pretrained(folder))

    def outputs(inputs: Sequence[Any]) -> NDArray[np.float32]:
        from safetensors.torch import load_file

        layers = load_file(folder / HEAD)
        means = torch.from_numpy(opened().encode(list(inputs), use_multiprocessing=False))
        features = torch.nn.functional.gelu(means @ layers["hidden.weight"].T + layers["hidden.bias"])
        logits = features @ layers["head.weight"].T + means @ layers["direct.weight"].T + layers["head.bias"]
        return as_logits(logits, model.targets).numpy()

    return {FILE: Written(FILE, outputs)}


USAGE = """
from model2vec import StaticModel
from safetensors.numpy import load_file
from scipy.special import ndtr

model, layers = StaticModel.from_pretrained("{folder}"), load_file("{folder}/head.safetensors")
means = model.encode(texts)
hidden = means @ layers["hidden.weight"].T + layers["hidden.bias"]
direct = means @ layers["direct.weight"].T + layers["head.bias"]
logits = hidden * ndtr(hidden) @ layers["head.weight"].T + direct  # (B, C)
"""
MODEL2VEC = Format(write_model2vec, describes_inputs=False, library="model2vec", usage={"any": USAGE})
