"""Datasets: inputs, ids, labels and splits, read from tables, image folders, the hub, arrays or map-style datasets.

`Dataset` holds the samples of a task, and `open_dataset` reads one from a path. `Inputs` are the raw inputs
of one modality. `Targets` translates labels into the numbers that a loss takes. `make_splits` divides a
dataset into training, validation and test splits, and `check_leakage` makes sure that they share no samples.
"""

from aft.data._augmentation import augment as augment
from aft.data._augmentation import augmentation_of as augmentation_of
from aft.data._catalogue import CATALOGUE as CATALOGUE
from aft.data._catalogue import HubData as HubData
from aft.data._check_inputs import check_inputs as check_inputs
from aft.data._check_inputs import digest_of as digest_of
from aft.data._column import column_bytes as column_bytes
from aft.data._column import taken as taken
from aft.data._columns import LONGEST_CELL as LONGEST_CELL
from aft.data._dataset import Dataset as Dataset
from aft.data._dataset import OnBad as OnBad
from aft.data._dataset import Sample as Sample
from aft.data._dataset import Skipped as Skipped
from aft.data._dataset import check_dataset as check_dataset
from aft.data._from_hub import find_local as find_local
from aft.data._holdout import SPLITS as SPLITS
from aft.data._holdout import assign_splits as assign_splits
from aft.data._holdout import hold_out as hold_out
from aft.data._images import holds_several_images as holds_several_images
from aft.data._images import is_image as is_image
from aft.data._infer import infer_targets as infer_targets
from aft.data._inputs import ImageBytes as ImageBytes
from aft.data._inputs import ImageFiles as ImageFiles
from aft.data._inputs import ImageTexts as ImageTexts
from aft.data._inputs import Inputs as Inputs
from aft.data._inputs import Texts as Texts
from aft.data._label_warnings import sample_warnings as sample_warnings
from aft.data._labelled import labelled_samples as labelled_samples
from aft.data._leakage import check_leakage as check_leakage
from aft.data._modality import ARRAY as ARRAY
from aft.data._modality import IMAGE as IMAGE
from aft.data._modality import IMAGE_TEXT as IMAGE_TEXT
from aft.data._modality import MODALITIES as MODALITIES
from aft.data._modality import TEXT as TEXT
from aft.data._modality import TEXT_PAIR as TEXT_PAIR
from aft.data._modality import Modality as Modality
from aft.data._modality import is_text as is_text
from aft.data._modality import modality_name as modality_name
from aft.data._modality import modality_of as modality_of
from aft.data._open import HUB as HUB
from aft.data._open import open_dataset as open_dataset
from aft.data._open import open_new as open_new
from aft.data._open import open_unlabelled as open_unlabelled
from aft.data._positions import Positions as Positions
from aft.data._repeated import compact as compact
from aft.data._spill import GrowingBytes as GrowingBytes
from aft.data._spill import spilled as spilled
from aft.data._splits import Splits as Splits
from aft.data._splits import make_splits as make_splits
from aft.data._strings import Digests as Digests
from aft.data._strings import Strings as Strings
from aft.data._strings import StringsBuilder as StringsBuilder
from aft.data._table_file import TableFile as TableFile
from aft.data._targets import Targets as Targets
from aft.data._targets import TaskKind as TaskKind
from aft.data._targets import TaskName as TaskName
from aft.data._views import Views as Views
