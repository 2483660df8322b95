"""The modality of a sample: which texts, images or arrays its input consists of."""

Modality = tuple[str, ...]

TEXT: Modality = ("text",)
TEXT_PAIR: Modality = ("text", "text")
IMAGE: Modality = ("image",)
ARRAY: Modality = ("array",)
IMAGE_TEXT: Modality = ("image", "text")

#: Modalities by their names.
MODALITIES: dict[str, Modality] = {
    "text": TEXT, "pair": TEXT_PAIR, "image": IMAGE, "array": ARRAY, "image+text": IMAGE_TEXT,
}  # fmt: skip


def modality_name(modality: Modality) -> str:
    """Name a modality, as fingerprints, run configs and error messages do.

    Args:
        modality: For example ``("text", "text")``.

    Returns:
        ``"text"``, ``"pair"``, ``"image"``, ``"array"`` or ``"image+text"``.
    """
    return "pair" if modality == TEXT_PAIR else "+".join(modality)


def is_text(modality: Modality) -> bool:
    """Whether inputs of a modality consist of texts alone."""
    return all(part == "text" for part in modality)
