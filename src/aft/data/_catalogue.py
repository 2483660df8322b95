"""Data sets that are known by name: where the hub has them, and what their columns and splits mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Splits of the hub by the splits that they become here.
STANDARD = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class HubData:
    """A dataset of the Hugging Face Hub.

    Attributes:
        name: Its short name.
        repository: Its name on the hub.
        about: What it is, in a few words.
        columns: The hub's column for each role of `Dataset.from_table`.
        config: The configuration of a repository that has several.
        splits: The hub's splits that are read, each with the split that it becomes. A test split without labels is left out; without
            a test split, the validation split tests.
        samples: Number of samples in training and test split.
        files: Files of the repository by split, where it holds JSON lines and a program instead of a dataset.
        images: Where the repository has no images: the folder in the one that ``AFT_DATA`` names that holds them, one
            ``NAME.jpg`` for each name in the column of images.
    """

    name: str
    repository: str
    about: str
    columns: Mapping[str, str]
    samples: tuple[int, int]
    config: str | None = None
    splits: Mapping[str, str] = field(default_factory=lambda: dict(STANDARD))
    files: Mapping[str, str] = field(default_factory=dict)
    images: str | None = None

    @property
    def kind(self) -> str:
        """What its inputs are: ``"text"``, ``"pair"``, ``"image"`` or ``"image+text"``."""
        if "image" in self.columns:
            return "image+text" if "text" in self.columns else "image"
        return "pair" if "text_pair" in self.columns else "text"


def _image(label: str = "label", image: str = "image") -> dict[str, str]:
    return {"image": image, "label": label}


def _text(text: str, label: str = "label") -> dict[str, str]:
    return {"text": text, "label": label}


def _pair(text: str, text_pair: str, label: str = "label") -> dict[str, str]:
    return {"text": text, "text_pair": text_pair, "label": label}


_GLUE = "nyu-mll/glue"
_ALL = (
    HubData("cifar10", "uoft-cs/cifar10", "photographs of 32 pixels, 10 classes", _image(image="img"), (50000, 10000)),
    HubData("cifar100", "uoft-cs/cifar100", "photographs of 32 pixels, 100 classes", _image("fine_label", "img"), (50000, 10000)),
    HubData("caltech101", "dpdl-benchmark/caltech101", "photographs of objects, 101 classes", _image(), (6084, 3060)),
    HubData("flowers102", "dpdl-benchmark/oxford_flowers102", "flowers, 102 species", _image(), (1020, 6149)),
    HubData("pets", "timm/oxford-iiit-pet", "cats and dogs, 37 breeds", _image(), (3680, 3669)),
    HubData("dtd", "tanganke/dtd", "textures, 47 kinds", _image(), (3760, 1880)),
    HubData("food101", "ethz/food101", "dishes, 101 kinds", _image(), (75750, 25250)),
    HubData("aircraft", "Donghyun99/FGVC-Aircraft", "aeroplanes, 100 variants", _image(), (6667, 3333)),
    HubData("imdb", "stanfordnlp/imdb", "film reviews, 2 classes", _text("text"), (25000, 25000),
            splits={"train": "train", "test": "test", "unsupervised": "train"}),
    HubData("trec", "CogComp/trec", "questions, 6 types of answers", _text("text", "coarse_label"), (5452, 500)),
    HubData("sst2", _GLUE, "sentences of film reviews, 2 classes", _text("sentence"), (67349, 872), "sst2"),
    HubData("cola", _GLUE, "sentences, grammatical or not", _text("sentence"), (8551, 1043), "cola"),
    HubData("mrpc", _GLUE, "pairs of sentences, same meaning or not", _pair("sentence1", "sentence2"), (3668, 1725), "mrpc"),
    HubData("qqp", _GLUE, "pairs of questions, same meaning or not", _pair("question1", "question2"), (363846, 40430), "qqp"),
    HubData("qnli", _GLUE, "question and sentence, answered or not", _pair("question", "sentence"), (104743, 5463), "qnli"),
    HubData("rte", _GLUE, "pairs of sentences, entailed or not", _pair("sentence1", "sentence2"), (2490, 277), "rte"),
    HubData("mnli", _GLUE, "pairs of sentences, 3 classes of inference", _pair("premise", "hypothesis"), (392702, 9815), "mnli",
            {"train": "train", "validation_matched": "test"}),
    HubData("stsb", _GLUE, "pairs of sentences, similarity from 0 to 5", _pair("sentence1", "sentence2"), (5749, 1500), "stsb"),
    HubData("flickr8k-matching", "RlNZLER/Image-Text-Matching", "photographs and captions, match or not",
            {"image": "path", "text": "caption", "label": "label"}, (19386, 1161)),
    HubData("snli-ve", "HuggingFaceM4/SNLI-VE", "photographs and sentences, 3 classes of inference",
            {"image": "Flickr30K_ID", "text": "sentence2", "label": "gold_label"}, (529527, 17901),
            files={"train": "snli_ve_train.jsonl", "validation": "snli_ve_dev.jsonl", "test": "snli_ve_test.jsonl"},
            images="flickr30k-images"),
    HubData("boolq", "google/boolq", "passage and question, yes or no", _pair("question", "passage", "answer"), (9427, 3270)),
)  # fmt: skip
#: Data sets by short name.
CATALOGUE: Mapping[str, HubData] = {one.name: one for one in _ALL}
