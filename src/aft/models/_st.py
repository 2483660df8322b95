"""Models of sentence-transformers, for use as teachers."""

from typing import Any

from torch import Tensor

from aft.errors import MissingExtraError
from aft.models._backbone import Batch, Recipe
from aft.models._hf import not_found
from aft.models._spec import ModelSpec
from aft.models._text import TextBackbone, require_transformers


class SentenceTransformerText(TextBackbone):
    """A sentence-transformers model with its own pooling, projection and normalisation.

    Args:
        model: The model.
        prompt: Text to put before every text.
        max_length: Largest number of tokens per text; by default the model's own limit.
    """

    recipe = Recipe(lr=1e-4, epochs=10, batch_size=32)

    def __init__(self, model: Any, prompt: str, max_length: int | None) -> None:
        super().__init__(model.tokenizer, int(max_length or model.max_seq_length or 512), prompt)
        self.model = model
        self.dim = int(model.get_embedding_dimension())

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch."""
        embedding: Tensor = self.model(dict(batch))["sentence_embedding"]
        return embedding

    def config(self) -> dict[str, Any]:
        """The settings. Only students are restored, and this is a teacher."""
        return {"class": "st", "prompt": self.prompt, "max_length": self.max_length}


def load_st(spec: ModelSpec) -> SentenceTransformerText:
    """Load ``st:NAME`` or ``st:FOLDER``.

    Args:
        spec: The name with its options ``prompt`` and ``max_length``.

    Returns:
        The backbone.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        ModelError: The model cannot be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError(
            "st: models need sentence-transformers, which is not installed; run pip install "
            "'adaptive-feature-transfer[st]'"
        ) from error
    require_transformers()  # silences its progress bars and warnings
    try:
        model = SentenceTransformer(spec.name, device="cpu", trust_remote_code=False)
    except Exception as error:  # the hub's client and transformers raise many types of exceptions
        raise not_found(spec, error) from error
    return SentenceTransformerText(model, spec.options.get("prompt", ""), spec.options.get("max_length"))
