"""A student's weights, for a loop or a server of one's own."""

from pathlib import Path

from aft.exporting._formats import Format, Written
from aft.exporting._samples import Samples
from aft.exporting._weights import erase, own_names, save
from aft.runs import Model

FILE, HEAD = "model.safetensors", "head.safetensors"


def write_safetensors(model: Model, folder: Path, _: Samples) -> dict[str, Written]:
    """Write the weights of a student's network under the names that ``load_state_dict`` of it takes, and its head beside them.

    Args:
        model: The trained student.
        folder: Where to write; tokenizer and architecture are written, too, where the student has them.
        _: Samples of the task, which are not needed.

    Returns:
        The student with the weights that were read back.
    """
    from safetensors.torch import load_file

    student, backbone = model.student, model.student.backbone
    names = own_names(student)
    save({names[name]: value for name, value in backbone.state_dict().items()}, folder / FILE)
    backbone.save_assets(folder)
    if student.head is not None:
        save(dict(student.head.state_dict()), folder / HEAD)
    erase(student)
    read = load_file(folder / FILE)
    backbone.load_state_dict({name: read[own] for name, own in names.items()})
    if student.head is not None:
        student.head.load_state_dict(load_file(folder / HEAD))
    return {FILE: Written(FILE, model.logits)}


USAGE = """
from safetensors.torch import load_file

network.load_state_dict(load_file("{folder}/model.safetensors"))  # the network that was trained, without its head
head.load_state_dict(load_file("{folder}/head.safetensors"))  # torch.nn.Linear(features, outputs), where there is one
"""
SAFETENSORS = Format(write_safetensors, describes_inputs=False, library="pytorch", usage={"any": USAGE})
