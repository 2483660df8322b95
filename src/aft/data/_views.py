"""Views: numbered augmentations of samples, which a teacher sees once and a student again, without any of them being stored."""

from dataclasses import dataclass
from random import Random
from typing import Any

from aft.data._augmentation import augment, augmentation_of
from aft.data._modality import Modality
from aft.errors import UsageError


@dataclass(frozen=True)
class Views:
    """K views of each sample. View 0 is the sample itself; the others are a function of seed, id and number alone.

    Attributes:
        modality: Modality of the samples.
        count: Number K of views.
        seed: Random seed.

    Raises:
        UsageError: There is no view, or no augmentation for the modality.

    Example:
        >>> Views(("text",), count=3).of("a fine film", "id7", 0)
        'a fine film'
    """

    modality: Modality
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.seed < 0:
            raise UsageError(
                f"views= is at least 1, and view_seed= at least 0; received {self.count} and {self.seed}; correct them"
            )
        if self.count > 1:
            augmentation_of(self.modality)

    def of(self, value: Any, sample_id: str, number: int) -> Any:
        """A view of a sample.

        Args:
            value: The raw input.
            sample_id: The sample's id.
            number: Number of the view, from 0 on.

        Returns:
            A raw input.
        """
        if number == 0:
            return value
        key = f"{self.seed}:{number}:{sample_id}".encode("utf-8", "surrogatepass")
        return augment(value, self.modality, Random(key))

    @property
    def fingerprint(self) -> dict[str, str | int]:
        """What determines the views, for the fingerprint of features; nothing for a single one."""
        if self.count == 1:
            return {}
        return {"views": self.count, "augmentation": augmentation_of(self.modality), "view_seed": self.seed}
