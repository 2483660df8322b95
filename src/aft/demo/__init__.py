"""The demo, and the real models and tasks that the demo, the tests and the benchmarks share."""

from aft.demo._demo import run_demo as run_demo
from aft.demo._efficientnet import lite0 as lite0
from aft.demo._efficientnet import lite0_64 as lite0_64
from aft.demo._efficientnet import lite0_96 as lite0_96
from aft.demo._efficientnet import lite1 as lite1
from aft.demo._efficientnet import lite2 as lite2
from aft.demo._mobilenet import mobilenetv2_64 as mobilenetv2_64
from aft.demo._mobilenet import mobilenetv2_96 as mobilenetv2_96
from aft.demo._packages import minilm_folder as minilm_folder
from aft.demo._packages import unpack_mpnet as unpack_mpnet
from aft.demo._tasks import digit_pictures as digit_pictures
from aft.demo._tasks import emoji_names as emoji_names
from aft.demo._tasks import emoji_pictures as emoji_pictures
from aft.demo._tasks import movie_sentences as movie_sentences
