"""Predictions by exported models: numpy and onnxruntime, and neither torch nor the code of a student."""

from aft.runtime._description import Check as Check
from aft.runtime._description import Description as Description
from aft.runtime._description import Encoding as Encoding
from aft.runtime._description import is_exported as is_exported
from aft.runtime._exported import FILES as FILES
from aft.runtime._exported import ExportedModel as ExportedModel
from aft.runtime._exported import input_name as input_name
from aft.runtime._predict import Answered as Answered
from aft.runtime._predict import predict_file as predict_file
from aft.runtime._prediction import Prediction as Prediction
from aft.runtime._prediction import decode as decode
from aft.runtime._rows import Row as Row
from aft.runtime._rows import read_rows as read_rows
from aft.runtime._writers import check_output as check_output
from aft.runtime._writers import open_writer as open_writer
