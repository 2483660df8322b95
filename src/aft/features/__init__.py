"""The feature store: teachers' features on disk, found by sample id.

`StoreWriter` plans, commits and finishes a store; `FeatureStore` opens and reads one. The format is written down in
``docs/format.md``. This room knows numpy and nothing of models or training.
"""

from aft.features._import import import_features as import_features
from aft.features._merge import merge as merge
from aft.features._mirror import inside as inside
from aft.features._mirror import is_url as is_url
from aft.features._mirror import local_folder as local_folder
from aft.features._records import Sample as Sample
from aft.features._records import compare_fingerprints as compare_fingerprints
from aft.features._repair import repair as repair
from aft.features._store import FeatureStore as FeatureStore
from aft.features._verify import verify as verify
from aft.features._writer import StoreWriter as StoreWriter
from aft.features._writer import committed_ids as committed_ids
