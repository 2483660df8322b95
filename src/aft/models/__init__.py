"""Teachers and students by name, and features of any module.

A `Backbone` is a model with its preprocessing: it maps raw inputs to features ``(B, d)``. A teacher is a
frozen backbone, and a `Student` is a backbone with a linear head. `load_backbone` loads either by name, and
`capture` reads a layer of any module.
"""

from aft.models._backbone import Backbone as Backbone
from aft.models._backbone import Batch as Batch
from aft.models._backbone import Recipe as Recipe
from aft.models._backbone import Role as Role
from aft.models._backbone import weights_digest as weights_digest
from aft.models._capture import Captured as Captured
from aft.models._capture import capture as capture
from aft.models._device import choose_device as choose_device
from aft.models._device import slow_precision as slow_precision
from aft.models._facts import ModelFacts as ModelFacts
from aft.models._facts import model_facts as model_facts
from aft.models._hf_image import HFImage as HFImage
from aft.models._hf_text import HFText as HFText
from aft.models._inference import Outputs as Outputs
from aft.models._inference import forward_all as forward_all
from aft.models._load import load_backbone as load_backbone
from aft.models._load import restore_backbone as restore_backbone
from aft.models._memory import explain_out_of_memory as explain_out_of_memory
from aft.models._module import ModuleBackbone as ModuleBackbone
from aft.models._randomness import kept_random_state as kept_random_state
from aft.models._randomness import seed_all as seed_all
from aft.models._spec import ModelSpec as ModelSpec
from aft.models._spec import join_sign as join_sign
from aft.models._spec import parse_parts as parse_parts
from aft.models._spec import part_names as part_names
from aft.models._static import StaticText as StaticText
from aft.models._student import Student as Student
from aft.models._student import StudentOutput as StudentOutput
from aft.models._text import pool_tokens as pool_tokens
from aft.models._timm import TimmImage as TimmImage
