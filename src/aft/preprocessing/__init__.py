"""From raw inputs to arrays, with numpy and without torch: the same in training and where a student is deployed."""

from aft.preprocessing._hashing import WORD as WORD
from aft.preprocessing._image import ImagePreprocessing as ImagePreprocessing
from aft.preprocessing._ngrams import Ngrams as Ngrams
from aft.preprocessing._ngrams import NgramTable as NgramTable
from aft.preprocessing._ngrams import pad_ngrams as pad_ngrams
from aft.preprocessing._tokens import LONGEST_TEXT as LONGEST_TEXT
from aft.preprocessing._tokens import TokenReader as TokenReader
from aft.preprocessing._tokens import Tokens as Tokens
from aft.preprocessing._tokens import clip as clip
from aft.preprocessing._tokens import longest_read as longest_read
from aft.preprocessing._tokens import pad_tokens as pad_tokens
