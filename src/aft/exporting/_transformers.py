"""A student as a model of transformers, which transformers alone loads."""

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aft.core import write_json
from aft.data import Targets
from aft.errors import ModelError
from aft.exporting._formats import Format, Written
from aft.exporting._samples import Samples, batches
from aft.exporting._weights import as_logits, label_head, save
from aft.models import HFImage, HFText, Student, pool_tokens
from aft.runs import Model

FILE, HEAD = "model.safetensors", "2_Dense/model.safetensors"


def write_transformers(model: Model, folder: Path, _: Samples) -> dict[str, Written]:
    """Write a student as transformers does: its encoder with the tokenizer and the head beside it, or an image classifier.

    Args:
        model: The trained student, of the kind ``hf:`` or ``aft:transformer``.
        folder: Where to write.
        _: Samples of the task, which are not needed.

    Returns:
        The model as transformers loads it.

    Raises:
        ModelError: The student is not a model of transformers, or its features are not those of its last layer.
    """
    backbone = model.student.backbone
    if not isinstance(backbone, HFText | HFImage) or backbone.layer:
        raise ModelError(
            f"a whole model of transformers is exported to it; received {model.config.student.name}, which is more "
            "or less than that; export it to onnx or safetensors"
        )
    return (_write_text if isinstance(backbone, HFText) else _write_image)(model, folder)


def _write_text(model: Model, folder: Path) -> dict[str, Written]:
    """The encoder, its tokenizer, and pooling and head as sentence-transformers writes them."""
    import transformers
    from safetensors.torch import load_file

    backbone = model.student.backbone
    assert isinstance(backbone, HFText)
    encoder = _with_whole_vocabulary(transformers, backbone)
    encoder.config.id2label = dict(enumerate(model.targets.classes or ("value",)))
    encoder.save_pretrained(folder)
    backbone.tokenizer.model_max_length = backbone.max_length
    backbone.tokenizer.save_pretrained(folder)
    weight, bias = label_head(model.student, model.targets)
    _write_modules(folder, backbone, weight, bias)

    @cache
    def opened() -> tuple[Any, Any, Mapping[str, Tensor]]:
        kind = transformers.AutoModelForTextEncoding if _encodes(backbone) else transformers.AutoModel
        loaded = kind.from_pretrained(folder).eval()
        return loaded, transformers.AutoTokenizer.from_pretrained(folder), load_file(folder / HEAD)

    def outputs(inputs: Sequence[Any]) -> NDArray[np.float32]:
        encoder, tokenizer, head = opened()
        found = []
        with torch.inference_mode():
            for part in batches(inputs):
                pairs = not isinstance(part[0], str)
                first = [backbone.prompt + (item[0] if pairs else item) for item in part]
                second = [item[1] for item in part] if pairs else None
                read = tokenizer(
                    first, second, padding=True, padding_side="right", truncation=True, return_tensors="pt"
                )
                states = encoder(**read).last_hidden_state
                features = pool_tokens(states, read["attention_mask"], backbone.pooling)
                found.append(features @ head["linear.weight"].T + head["linear.bias"])
        return as_logits(torch.cat(found), model.targets).numpy()

    return {FILE: Written(FILE, outputs)}


def _encodes(backbone: HFText) -> bool:
    """Whether the student is the encoder of a model that has a decoder, too."""
    return bool(getattr(backbone.model.config, "is_encoder_decoder", False)) or backbone.model.config.model_type == "t5"


def _with_whole_vocabulary(transformers: Any, backbone: HFText) -> Any:
    """The encoder with a token vector for each token id, if its vocabulary was made smaller: tokenizers stay whole."""
    encoder: Any = copy.deepcopy(backbone.model)
    if backbone.rows is not None:
        table = encoder.get_input_embeddings()
        whole = nn.Embedding.from_pretrained(table.weight.detach()[backbone.rows].clone())
        encoder.set_input_embeddings(whole)
        encoder.config.vocab_size = len(backbone.rows)
    if not _encodes(backbone):
        return encoder
    made = transformers.AutoModelForTextEncoding.from_config(encoder.config)
    made.get_encoder().load_state_dict(encoder.state_dict())
    return made


def _write_modules(folder: Path, backbone: HFText, weight: Tensor, bias: Tensor) -> None:
    """Pooling and head, in the layout of sentence-transformers: `SentenceTransformer(folder).encode` gives outputs then."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(kinds.items())
        ],
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": backbone.max_length, "do_lower_case": False})
    prompt = {"prompts": {"input": backbone.prompt}, "default_prompt_name": "input"} if backbone.prompt else {}
    write_json(folder / "config_sentence_transformers.json", prompt)
    save({"linear.weight": weight, "linear.bias": bias}, folder / HEAD)
    mode = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken", "max": "max_tokens"}[backbone.pooling]
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": weight.shape[1], f"pooling_mode_{mode}": True}
        | ({} if mode == "mean_tokens" else {"pooling_mode_mean_tokens": False}),
    )
    write_json(
        folder / "2_Dense" / "config.json",
        {
            "in_features": weight.shape[1], "out_features": weight.shape[0], "bias": True,
            "activation_function": "torch.nn.modules.linear.Identity",
        },
    )  # fmt: skip


def _write_image(model: Model, folder: Path) -> dict[str, Written]:
    """An image classifier and its preprocessing."""
    import transformers

    backbone = model.student.backbone
    assert isinstance(backbone, HFImage)
    _classifier(transformers, model.student, model.targets).save_pretrained(folder)
    images = backbone.images
    target = round(images.size / images.crop)
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True,
            "do_resize": True, "size": {"shortest_edge": target},
            "resample": {"nearest": 0, "bilinear": 2}.get(images.interpolation, 3),
            "do_center_crop": True, "crop_size": {"height": images.size, "width": images.size},
            "do_rescale": True, "rescale_factor": 1 / 255,
            "do_normalize": True, "image_mean": list(images.mean), "image_std": list(images.std),
        },
    )  # fmt: skip

    @cache
    def opened() -> tuple[Any, Any]:
        loaded = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
        return loaded, transformers.AutoImageProcessor.from_pretrained(folder)

    def outputs(inputs: Sequence[Any], *, own: bool = True) -> NDArray[np.float32]:
        loaded, processor = opened()
        found = []
        with torch.inference_mode():
            for part in batches(inputs):
                pixels = (
                    torch.stack(backbone.encode(part))
                    if own
                    else processor(list(part), return_tensors="pt")["pixel_values"]
                )
                found.append(loaded(pixel_values=pixels).logits)
        return as_logits(torch.cat(found), model.targets).numpy()

    return {
        FILE: Written(FILE, outputs),
        "its processor": Written(FILE, lambda inputs: outputs(inputs, own=False)),
    }


def _classifier(transformers: Any, student: Student, targets: Targets) -> Any:
    """The architecture's own classifier with the weights of the student, whose head must be all that it adds."""
    backbone = student.backbone
    assert isinstance(backbone, HFImage)
    config = copy.deepcopy(backbone.model.config)
    names = targets.classes or ("value",)
    config.id2label, config.label2id = dict(enumerate(names)), {name: number for number, name in enumerate(names)}
    config.problem_type = {
        "classification": "single_label_classification", "multilabel": "multi_label_classification", "regression": "regression",
    }[targets.kind]  # fmt: skip
    weight, bias = label_head(student, targets)
    try:
        made = transformers.AutoModelForImageClassification.from_config(config)
        made.base_model.load_state_dict(backbone.model.state_dict())
        linear = made.classifier
        # DINOv2's reads the class token and the mean of the patches.
        wide = torch.zeros_like(linear.weight)
        wide[:, : weight.shape[1]] = weight
        linear.load_state_dict({"weight": wide, "bias": bias})
        pixels = torch.randn(2, *backbone.images.shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            same = torch.allclose(
                made.eval()(pixel_values=pixels).logits, backbone({"image": pixels}) @ weight.T + bias, atol=1e-4
            )
    except (AttributeError, ValueError, RuntimeError):  # it has no such class, or one of another form
        same = False
    if not same:
        raise ModelError(
            "a student of images is exported to transformers if its classifier there is a linear layer over the same features; that of "
            f"{config.model_type} with pooling={backbone.pooling} is not; export it to onnx or safetensors"
        )
    return made


USAGE = """
from sentence_transformers import SentenceTransformer

logits = SentenceTransformer("{folder}").encode(texts)  # (B, C)

# The same with transformers alone; this is for the pooling mean, and 1_Pooling says which it is.
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

tokenizer, encoder = AutoTokenizer.from_pretrained("{folder}"), AutoModel.from_pretrained("{folder}").eval()
head = load_file("{folder}/2_Dense/model.safetensors")
batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
mask = batch["attention_mask"].unsqueeze(-1)
features = (encoder(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
logits = features @ head["linear.weight"].T + head["linear.bias"]
"""
IMAGES = """
from transformers import pipeline

print(pipeline("image-classification", "{folder}")(image))
"""
TRANSFORMERS = Format(
    write_transformers, describes_inputs=False, library="transformers", usage={"any": USAGE, "image": IMAGES}
)
