"""The feature store: the features of teachers on disk, looked up by sample id.

`StoreWriter` plans, commits and finishes a store; `FeatureStore` opens and reads one. `import_features`,
`merge`, `verify` and `repair` work on whole stores. The format is documented in ``docs/explanation/format.md``. This
package depends on numpy and knows nothing about models or training.
"""

from aft.features._describe import describe_store as describe_store
from aft.features._factors import factors_of as factors_of
from aft.features._import import import_features as import_features
from aft.features._location import join_location as join_location
from aft.features._location import local_directory as local_directory
from aft.features._merge import merge as merge
from aft.features._open_stores import open_stores as open_stores
from aft.features._planning import default_shard_rows as default_shard_rows
from aft.features._records import compare_fingerprints as compare_fingerprints
from aft.features._repair import repair as repair
from aft.features._samples import Sample as Sample
from aft.features._samples import Samples as Samples
from aft.features._store import FeatureStore as FeatureStore
from aft.features._verify import verify as verify
from aft.features._writer import StoreWriter as StoreWriter
from aft.features._writer import committed_ids as committed_ids
