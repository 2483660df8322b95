"""Teachers and students by name, and features out of any module.

A `Backbone` is a model with its preprocessing: raw inputs in, features ``(B, d)`` out. A teacher is a frozen backbone; a
`Student` is a backbone with a linear head.
"""

from aft.models._backbone import Backbone as Backbone
from aft.models._backbone import Recipe as Recipe
from aft.models._backbone import weights_digest as weights_digest
from aft.models._capture import Captured as Captured
from aft.models._capture import capture as capture
from aft.models._inference import choose_device as choose_device
from aft.models._inference import forward_all as forward_all
from aft.models._load import load_backbone as load_backbone
from aft.models._load import restore_backbone as restore_backbone
from aft.models._module import ModuleBackbone as ModuleBackbone
from aft.models._spec import ModelSpec as ModelSpec
from aft.models._student import Student as Student
from aft.models._student import StudentOutput as StudentOutput
