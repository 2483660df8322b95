"""Predictions over HTTP: requests of several clients are computed together."""

from aft.serving._app import make_app as make_app
from aft.serving._batcher import Batcher as Batcher
from aft.serving._batcher import QueueFullError as QueueFullError
from aft.serving._limits import Limits as Limits
from aft.serving._serve import serve as serve
